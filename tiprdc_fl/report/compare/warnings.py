"""Why figures of several runs may not be comparable."""

from collections.abc import Iterator, Sequence
from typing import Any

from tiprdc_fl.report.schema import Report

# What says on whom figures are measured, and by which probes.
_PEOPLE = (
    "seed",
    "data.name",
    "data.root",
    "data.split",
    "data.holdout_people",
    "data.max_examples_per_person",
)
_PROBES = tuple(
    f"evaluation.{name}"
    for name in (
        *("steps", "batch_size", "learning_rate", "max_examples", "max_per_person"),
        *("attacks", "probes", "adversaries"),
    )
)


def warnings(
    reports: Sequence[Report], letters: Sequence[str], settings: dict[str, list[Any]]
) -> Iterator[str]:
    """Why differences may come from elsewhere than from the settings under comparison."""
    first = reports[0]
    people = [name for name in _PEOPLE if name in settings]
    if "clients" in settings and first.configuration.data.name != "faces":
        people.append("clients")
    counts = {(r.people.holdout.people, r.people.holdout.examples) for r in reports}
    if people or len(counts) > 1:
        why = f" (not the same: {', '.join(people)})" if people else ""
        yield (
            f"The runs are measured on different people{why}: a difference may be theirs. The intervals hold that, "
            "as far as chance goes."
        )
    probes = [name for name in settings if name in _PROBES]
    if probes:
        yield f"Probes or what they learn from differ ({', '.join(probes)}): another adversary, not another leak."
    yield from _learned(reports, letters)
    yield from _missed(reports, letters)
    for name, found in {
        "versions of tiprdc_fl's code": [report.environment.code[:12] for report in reports],
        "versions of packages": [_packages(report, reports) for report in reports],
        "machines": [f"{report.environment.platform}, {report.environment.cpus} CPUs" for report in reports],
    }.items():
        if len(set(found)) > 1:
            yield f"Different {name}: {' | '.join(found)}."


def _learned(reports: Sequence[Report], letters: Sequence[str]) -> Iterator[str]:
    """How many stored examples the probes learn from, where that is not the same."""
    found = [_most_learned(report) for report in reports]
    if len(set(found)) > 1:
        amounts = [f"{examples:,} examples of {people:,} contributors" for examples, people in found]
        each = ", ".join(f"{amount} in {letter}" for amount, letter in zip(amounts, letters, strict=True))
        yield f"Probes learn from {each}: fewer examples make weaker probes."


def _most_learned(report: Report) -> tuple[int, int]:
    """Examples and people of the attribute with the most: rows without a label are left out of the others'."""
    rows = [row for row in report.results if row.learned_from == "contributors"]
    return max(((row.learned_examples, row.learned_people) for row in rows), default=(0, 0))


def _missed(reports: Sequence[Report], letters: Sequence[str]) -> Iterator[str]:
    """Runs whose strategy ended without what it wants."""
    missed = [
        letter for letter, report in zip(letters, reports, strict=True) if report.strategy.enough is False
    ]
    if missed:
        yield f"Goal missed in {', '.join(missed)}: the strategy ended without all that it wants."


def _packages(report: Report, reports: Sequence[Report]) -> str:
    """The packages of a report whose versions differ among the reports."""
    return ", ".join(
        f"{name} {version}"
        for name, version in report.environment.packages.items()
        if any(other.environment.packages.get(name) != version for other in reports)
    )
