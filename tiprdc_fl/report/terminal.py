"""The report's headline on the terminal: run, leakage and utility, cost, warnings."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiprdc_fl.report.bound import bound_lines
from tiprdc_fl.report.certificate import certified
from tiprdc_fl.report.convergence import late_probes
from tiprdc_fl.report.details import ROLES, grid, say, show_details
from tiprdc_fl.report.floor import below_chance, beyond_floor, figure_of
from tiprdc_fl.report.queries import attributes_of, beside, pooled_row, strongest
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.sentences import unconverged
from tiprdc_fl.report.words import duration, readable, share, size

STYLES = {"private": "bold red", "task": "bold green"}
COMPARED = {  # role -> the columns of its headline
    "private": ("features", "metadata", "random", "raw"),
    "task": ("features", "random", "raw", "majority"),
}
SHORT = {
    "features": "sent\nfeatures",
    "metadata": "label\nfloor",
    "random": "untrained\nextractor",
    "raw": "raw\ndata",
    "majority": "blind\nguess",
}


def show(report: Report, console: Console, full: bool = False) -> None:
    """Prints the headline and the path of the page.

    Args:
        report: of the run.
        console: to print on.
        full: whether every probe, the sentences and the tables of cost follow.
    """
    measured, configuration = report.results[0], report.configuration
    say(
        console,
        f"\n{readable(report.name)}: {configuration.data.name}, seed {configuration.seed}",
        style="bold",
    )
    for line in (f"Protection: {report.protection}", *bound_lines(report), ""):
        say(console, line)
    say(
        console,
        "Balanced accuracy in % (50 is chance for two classes) of the strongest probe: chosen on validation "
        f"people, measured on {measured.measured_people:,} others, with 95 % intervals (one seed: the variance of "
        "training is not in them).",
    )
    console.print(headline_table(report))
    say(console, "")
    for line in _leaks(report):
        say(console, readable(line))
    console.print(_costs(report))
    for warning in warnings(report):
        say(console, f"warning: {readable(warning)}", style="yellow")
    if full:  # its sentences end in the caveat
        show_details(report, console)
    else:
        say(console, f"\n{report.caveat}")
    path = f"{report.run_dir}/report.html"
    console.print(f"\nReport: {path}", highlight=False, markup=False, soft_wrap=True)
    if not full:
        command = f"python -m tiprdc_fl.report {report.run_dir} --full"
        console.print(f"All figures here: {command}", highlight=False, markup=False, soft_wrap=True)


def headline_table(report: Report) -> Table:
    """The strongest probes' figures, on the features and on what they are compared with; private ones first."""
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(overflow="fold", vertical="bottom")
    for _ in range(len(SHORT) - 1):
        table.add_column(justify="right", no_wrap=True, vertical="bottom", min_width=12)
    for role, kinds in COMPARED.items():
        names = attributes_of(report.results, role)
        if names:
            table.add_row(ROLES[role], *(SHORT[kind] for kind in kinds), style=STYLES[role])
        for name in names:
            table.add_row(f"  {escape(readable(name))}", *_figures(report, name, role, False))
            if role == "private" and pooled_row(report.results, name) is not None:
                table.add_row("    per person", *_figures(report, name, role, True))
            for other in beside(report.results):
                _add_beside(table, report, name, other)
    return table


def _add_beside(table: Table, report: Report, attribute: str, other: str) -> None:
    """Lines of another protection, in the column of what was sent; what it is compared with is the same."""
    titles = {False: f"    with {other}", True: "      per person"}
    for per_person, title in titles.items():
        figure = figure_of(report, attribute, other, per_person)
        if figure is not None:
            table.add_row(escape(readable(title)), share(figure))


def _figures(report: Report, attribute: str, role: str, per_person: bool) -> Iterator[str]:
    """The strongest probes' figures; empty where a representation was not measured."""
    for kind in COMPARED[role]:
        figure = figure_of(report, attribute, kind, per_person)
        measured = any(row.representation == kind for row in report.results)
        yield share(figure) if figure is not None else "n/a" if measured else ""


def _leaks(report: Report) -> Iterator[str]:
    """What the features add to the label floor, and what is below chance; a line for each private attribute."""
    for attribute in attributes_of(report.results, "private"):
        yield from beyond_floor(report, attribute)
        yield from certified(report, attribute)
        yield from below_chance(report, attribute)


def _costs(report: Report) -> Table:
    """Contributors, bytes and time."""
    federation, table = report.federation, grid()
    counts = ("asked", "answered", "failed", "withdrawn", *["unanswered"][: federation.unanswered])
    table.add_row("contributors", ", ".join(f"{getattr(federation, name):,} {name}" for name in counts))
    table.add_row(
        "sent",
        f"{size(federation.sent_bytes)}: {federation.examples:,} examples of "
        f"{federation.sent_bytes_per_example:,.0f} bytes ({federation.sent_to_raw_ratio:.2f} times the raw data)",
    )
    if report.devices is not None:
        over = duration(report.strategy.modelled.seconds)
        table.add_row("collection", f"{over}, modelled for {escape(report.devices.title)}")
    table.add_row("this host", f"{duration(sum(report.seconds.values()))} for all stages, measured")
    return table


def warnings(report: Report) -> Iterator[str]:
    """What went wrong, or makes the figures worth less."""
    federation, strategy = report.federation, report.strategy
    if federation.failures:
        first = federation.failures[0]
        yield (
            f"{federation.failed:,} contributors failed; the first, contributor {first.contributor}, at "
            f"{first.stage}: {first.reason}"
        )
    undefined = [
        name
        for name in dict.fromkeys(row.attribute for row in report.results)
        if strongest(report.results, name, "features") is None
    ]
    if undefined:
        yield (
            f"no figure of {', '.join(undefined)}: one of its values has fewer than 10 of the "
            f"{report.people.holdout.people:,} people measured; raise data.holdout_people"
        )
    if federation.asked_again:
        yield f"{federation.asked_again:,} messages failed and were sent again"
    if strategy.enough is False:
        yield "the strategy missed its goal: lower what it wants, raise clients, or give it more time"
    if strategy.outcome.never_came:
        yield f"{strategy.outcome.never_came:,} contributors were wanted and never available in that time"
    yield from late_probes(report)
    yield from unconverged(report.reconstruction)
