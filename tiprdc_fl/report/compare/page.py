"""The page that sets runs side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tiprdc_fl.config.keys import show
from tiprdc_fl.report.compare.comparison import NOTHING_IN_COMMON, Comparison, Cost, Line
from tiprdc_fl.report.differences import RULE, in_words
from tiprdc_fl.report.html.cards import Entry, Plot, Section, boxed
from tiprdc_fl.report.html.document import document
from tiprdc_fl.report.html.elements import Html, Piece, bullets, details, table, tag
from tiprdc_fl.report.html.looks import chance
from tiprdc_fl.report.html.plain import plain
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import CAVEAT
from tiprdc_fl.report.words import share

_LOOKS = {"private": (INKS["c2"], "s"), "task": (INKS["c3"], "o")}


def comparison_page(found: Comparison) -> str:
    """The page of a comparison."""
    figures = [[figure and plain(figure) for figure in line.figures] for line in found.lines]
    lines = [replace(line, figures=row) for line, row in zip(found.lines, figures, strict=True)]
    found = replace(found, reports=[plain(report) for report in found.reports], lines=lines)
    top = (
        tag("p", "tiprdc_fl", class_="brand"),
        tag("h1", f"{len(found.reports)} runs side by side"),
        tag("p", f"Every difference is to run A, {found.folders[0]}.", class_="lead"),
    )
    sections = [_runs(found), _figures(found), _costs(found)]
    return document("Runs side by side", top, [], sections, CAVEAT)


def verdicts(found: Comparison) -> Iterator[str]:
    """For every run but the first: which figures differ by more than their intervals."""
    for number, letter in enumerate(found.letters[1:]):
        beyond, within = [], []
        for line in found.lines:
            one = line.differences[number]
            if one.value is not None:
                words = f"{line.title} {100 * one.value:+.1f} (±{100 * one.width:.1f})"
                (beyond if one.exceeds else within).append(words)
        first = f"{letter} differs from A beyond the intervals in: {'; '.join(beyond)}."
        if beyond or within:
            yield first if beyond else f"{letter} differs from A in nothing beyond the intervals."
        else:
            yield f"{letter} and A have no figure in common."
        if within:
            yield f"{letter} against A, within the intervals: {'; '.join(within)}."


def _runs(found: Comparison) -> Section:
    rows = [
        (
            *(letter, str(folder), report["protection"]),
            *(f"{report['people'][name]['people']:,}" for name in ("contributors", "holdout")),
            str(report["configuration"]["seed"]),
        )
        for letter, folder, report in zip(found.letters, found.folders, found.reports, strict=True)
    ]
    head = ("run", "folder", "protection", "contributors", "measured people", "seed")
    body = [
        boxed("The runs", "", table(head, rows)),
        _settings(found),
        boxed("What differs", "Points of balanced accuracy.", bullets(verdicts(found))),
        details("When a difference exceeds its intervals", tag("p", RULE)),
    ]
    if found.warnings:
        body.insert(2, boxed("Before you compare", "", bullets(found.warnings)))
    return Section("runs", "The runs", "Which runs these are, and in what they differ.", body, wide=True)


def _figures(found: Comparison) -> Section:
    intro = (
        "Balanced accuracy of the strongest fresh probe on what was sent, with 95 % intervals over people. Low is "
        "good for leakage, high for utility."
    )
    if not found.in_common:
        return Section("figures", "Leakage and utility", intro, [tag("p", NOTHING_IN_COMMON)], wide=True)
    attributes = dict.fromkeys((line.role, line.attribute) for line in found.lines)
    plots = [_plot(found, *one) for one in attributes]
    head = ("figure, in %", *_against(found.letters))
    rows = [(line.title, *_cells(line)) for line in found.lines]
    every = boxed("Every figure", "", table(head, rows), across=True)
    return Section("figures", "Leakage and utility", intro, [*plots, every])


def _against(letters: Sequence[str]) -> Iterator[str]:
    yield "A"
    for letter in letters[1:]:
        yield letter
        yield f"{letter} less A"


def _cells(line: Line) -> Iterator[Piece]:
    """The first run's figure, then every other's with its difference; bold where it exceeds its intervals."""
    yield share(line.figures[0]) if line.figures[0] else "n/a"
    for figure, one in zip(line.figures[1:], line.differences, strict=True):
        yield share(figure) if figure else "n/a"
        words = in_words(one)
        yield tag("strong", words) if one.exceeds else words


def _plot(found: Comparison, role: str, attribute: str) -> Plot:
    lines = [line for line in found.lines if (line.role, line.attribute) == (role, attribute)]
    colour, marker = _LOOKS[role]
    rows: list[Row] = []
    for number, letter in enumerate(found.letters):
        for line in lines:
            figure = line.figures[number] or {"value": None, "low": None, "high": None}
            name = f"{letter}, pooled" if line.pooled else letter
            rows.append(row_of(name, figure, colour=colour, marker=marker, hollow=line.pooled))
    blind = chance(found.reports[0], attribute)
    signs = [Entry("one example", colour, marker)]
    signs += [Entry("a person's pooled", colour, marker, hollow=True)] if len(lines) > 1 else []
    return Plot(
        f"{attribute}: {'leakage, low is good' if role == 'private' else 'utility, high is good'}",
        _see(found, lines[0]),
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "balanced accuracy in %", line=blind),
        ("figure, in %", *_against(found.letters)),
        [(line.title, *_cells(line)) for line in lines],
        signs,
    )


def _see(found: Comparison, line: Line) -> str:
    beyond = [
        letter
        for letter, one in zip(found.letters[1:], line.differences, strict=True)
        if one.value is not None and one.exceeds
    ]
    if not beyond:
        return "From one example, no run differs from A beyond the intervals. Dotted: chance."
    return f"From one example, beyond the intervals from A: {', '.join(beyond)}. Dotted: chance."


def _costs(found: Comparison) -> Section:
    body = [boxed("Cost", "", _cost_table(found, "cost", found.costs))]
    if found.participation:
        title = "Participation, modelled: share of each group that answered"
        body.append(boxed(title, "", _cost_table(found, "group", found.participation)))
    intro = (
        "Without intervals: what was counted, measured on this host, or modelled. In brackets: times run A's."
    )
    return Section("costs", "Cost and participation", intro, body, wide=True)


def _cost_table(found: Comparison, name: str, costs: Sequence[Cost]) -> Html:
    return table((name, *found.letters), [(one.title, *cost_cells(one)) for one in costs])


def cost_cells(cost: Cost) -> Iterator[str]:
    """A cost of every run, with how many times the first run's it is."""
    first = cost.values[0]
    for text, value in zip(cost.texts, cost.values, strict=True):
        if first and value is not None and value != first:
            yield f"{text} ({value / first:.2f} x)"
        else:
            yield text


def _settings(found: Comparison) -> Html:
    rows = [(name, *map(show, values)) for name, values in found.settings.items()]
    body = table(("key", *found.letters), rows) if rows else tag("p", "The configurations are the same.")
    return boxed("What was set differently", "", body)
