"""Table, summary and files of the study ``instrument``."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulations.benchmarks.instrument.measured import EXAMPLES, MEASURED_PEOPLE, Measured
from simulations.benchmarks.instrument.outcome import Outcome
from simulations.benchmarks.instrument.picture import draw
from simulations.benchmarks.machine import machine
from simulations.common.figures import flat
from simulations.common.files import as_csv
from simulations.common.output import intervals_of, shown
from simulations.common.pictures import save_picture
from simulations.common.sweeps import as_span
from tiprdc_fl.disk import write_json, write_text

WIDE = 200  # columns
PACKAGES = ("torch", "scikit-learn")


def line_of(measured: Measured) -> str:
    """A finished case in a line."""
    best, case = measured.strongest, measured.case
    figure = f"{100 * (best.balanced_accuracy.value or 0):.1f} of {100 * case.bayes:.1f} by {best.probe}"
    return f"{case.label}: {figure}, {measured.seconds:.0f} s"


def caption(outcome: Outcome) -> str:
    """What was measured, in a line."""
    return (
        f"Balanced accuracy in % on {MEASURED_PEOPLE} people with {EXAMPLES} examples each; probes learn from "
        f"{outcome.size.people:,} others, {outcome.size.people * EXAMPLES:,} examples, and the strongest is chosen "
        f"on validation people among these. {intervals_of(outcome.seeds)}."
    )


def summary(outcome: Outcome) -> Iterator[str]:
    """How many cases are within the tolerance, and which are not."""
    points = f"{100 * outcome.size.tolerance:g} points"
    for modality in ("image", "text"):
        within, count = outcome.counted(modality)
        if count:
            yield f"{within} of {count} {modality} cases are within {points} of the Bayes accuracy."
    if outcome.blind:
        yield "Blind spots of the suite at this size:"
    for row in outcome.blind:
        figure, bayes = as_span(row["figure"]).value, as_span(row["bayes"]).value
        yield f"  {row['case']}: {100 * (figure or 0):.1f} of {100 * (bayes or 0):.1f}"


def show(outcome: Outcome, console: Console) -> None:
    """Prints the table and the summary."""
    columns = [column for column in outcome.columns if column.terminal]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        justify = "left" if column.kind in ("label", "note") else "right"
        table.add_column(column.title, justify=justify, vertical="bottom")
    for row in outcome.rows:
        table.add_row(*(shown(column, row.get(column.key)) for column in columns))
    wide = Console(file=console.file, width=max(WIDE, console.width))
    for line in ("", machine(PACKAGES), caption(outcome), ""):
        wide.print(line, highlight=False, markup=False)
    wide.print(table)
    for line in ("", *summary(outcome), ""):
        wide.print(line, highlight=False, markup=False)


def publish(outcome: Outcome, out: Path) -> list[Path]:
    """Writes OUT/instrument-SIZE.csv, .json and .png; returns their paths.

    Raises:
        InputError: a file cannot be written.
    """
    paths = [out / f"instrument-{outcome.name}.{ending}" for ending in ("csv", "json", "png")]
    write_text(paths[0], as_csv(outcome.columns, outcome.rows))
    write_json(paths[1], as_json(outcome))
    title = "How much of what is there do the probes see?"
    size = (12.0, 1.8 + 0.42 * len(outcome.rows))
    save_picture(paths[2], size, title, lambda figure: draw(figure, outcome))
    return paths


def as_json(outcome: Outcome) -> dict[str, object]:
    """The table, each probe's result, and what is needed to repeat the study."""
    return {
        "study": "instrument",
        "machine": machine(PACKAGES),
        "size": outcome.name,
        "people": outcome.size.people,
        "measured_people": MEASURED_PEOPLE,
        "examples_per_person": EXAMPLES,
        "tolerance": outcome.size.tolerance,
        "evaluation": asdict(outcome.size.config.evaluation),
        "seeds": outcome.seeds,
        "intervals": intervals_of(outcome.seeds),
        "within": {modality: outcome.counted(modality) for modality in ("image", "text")},
        "blind_spots": [row["name"] for row in outcome.blind],
        "rows": [flat(outcome.columns, row) for row in outcome.rows],
        "results": [
            {"case": case.name, "seed": case.seed, **asdict(result)}
            for case in outcome.measured
            for result in case.results
        ],
    }
