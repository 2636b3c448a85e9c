"""What the features give away beside what travels with them, and figures below chance, in sentences."""

from collections.abc import Iterator

from tiprdc_fl.report.differences import Difference, difference
from tiprdc_fl.report.queries import beside_floor, chance_of, pooled_row, strongest
from tiprdc_fl.report.schema import Figure, ProbeResult, Report, ShareFigure
from tiprdc_fl.report.words import share

PARTS = {
    "features": "from features",
    "metadata": "from what travels with them",
    "features+metadata": "from both together",
}


def figures_of(report: Report, attribute: str, per_person: bool) -> dict[str, ShareFigure]:
    """Representation -> figure of its strongest probe, where it is defined.

    Args:
        report: of the run.
        attribute: a private one.
        per_person: whether a guess is from all of a person's examples.
    """
    figures = {}
    for kind in PARTS:
        figure = figure_of(report, attribute, kind, per_person)
        if figure is not None:
            figures[kind] = figure
    return figures


def figure_of(report: Report, attribute: str, kind: str, per_person: bool) -> ShareFigure | None:
    """The strongest probe's figure on a representation; None where it is not defined."""
    if per_person:
        row: ProbeResult | None = pooled_row(report.results, attribute, kind)
        return None if row is None else row.per_person
    row = strongest(report.results, attribute, kind)
    return None if row is None else row.balanced_accuracy


def beyond_floor(report: Report, attribute: str, per_person: bool = False) -> Iterator[str]:
    """What the features add to the label floor, in a sentence; none where there is no floor."""
    figures = figures_of(report, attribute, per_person)
    if not {"features", "metadata"} <= set(figures):
        return
    parts = "; ".join(f"{100 * (figure.value or 0.0):.1f} {PARTS[kind]}" for kind, figure in figures.items())
    name = f"{attribute}, per person" if per_person else attribute
    best = figures[beside_floor(report.results, attribute, per_person)]
    apart = difference(best, figures["metadata"], paired(report, attribute, per_person))
    yield f"{name}: {parts}: {_added(apart)}."


def paired(report: Report, attribute: str, per_person: bool) -> Figure | None:
    """What the features add to the label floor, over the same people; None where it is not in the report."""
    wanted = (attribute, per_person)
    return next((row.added for row in report.beyond_floor if (row.attribute, row.per_person) == wanted), None)


def _added(apart: Difference) -> str:
    """The difference to the floor alone, in words."""
    if apart.value is None or apart.value <= 0:
        return "the features add nothing"
    beyond = "" if apart.exceeds else ", within the intervals"
    return f"the features add {100 * apart.value:.1f} points (±{100 * apart.width:.1f}{beyond})"


def below_chance(report: Report, attribute: str) -> Iterator[str]:
    """Figures of which the whole interval is below chance: a leak of the other sign."""
    chance = chance_of(report.results, attribute)
    for kind, per_person in ((kind, way) for kind in ("features", "metadata") for way in (False, True)):
        figure = figure_of(report, attribute, kind, per_person)
        if figure is None or figure.value is None or figure.high is None or figure.high >= chance:
            continue
        what = f"{PARTS[kind]}, per person" if per_person else PARTS[kind]
        gain = f" gets {100 * (1 - figure.value):.1f}" if chance == 0.5 else " gets more than chance"
        yield f"{attribute}: {share(figure)} {what} is below chance: an adversary who knows the sign{gain}."
