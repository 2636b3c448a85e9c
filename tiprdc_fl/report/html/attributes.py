"""The attributes of a report, each with its strongest probes, and the looks of roles and representations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

from tiprdc_fl.report.differences import Difference, difference
from tiprdc_fl.report.html.charts import in_percent
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.queries import chance_of, pooled_row, ranked, strongest
from tiprdc_fl.report.schema import ProbeResult, Report
from tiprdc_fl.report.words import in_order

# Colour and marker of a representation and of a role, the same in every picture.
LOOKS = {
    "features": (INKS["c1"], "o"),
    "metadata": (INKS["c6"], "D"),
    "features+metadata": (INKS["c1"], "P"),
    "random": (INKS["c5"], "s"),
    "raw": (INKS["c4"], "^"),
    "majority": (INKS["quiet"], "X"),
}
# Of other protections, in turn.
OTHERS = tuple((INKS[ink], marker) for marker in ("v", "P", "o", "D", "^") for ink in ("c3", "c2"))
ROLES = {"private": (INKS["c2"], "s"), "task": (INKS["c3"], "o")}
LEAST_GAIN = 1.0  # points by which raw data must beat chance for a share of that gain to mean anything


@dataclass(frozen=True)
class Attribute:
    """A private attribute or a task with what was measured of it.

    Attributes:
        name: of the attribute.
        role: "private" or "task".
        strongest: representation -> its strongest probe; only those that are defined.
        of_people: representation -> its strongest probe on all of a person's examples; only those that are defined.
        ranked: representation -> every probe of the attribute, the strongest first.
        chance: balanced accuracy of a blind guess, in %.
    """

    name: str
    role: str
    strongest: dict[str, ProbeResult]
    of_people: dict[str, ProbeResult]
    ranked: dict[str, list[ProbeResult]]
    chance: float

    @property
    def best(self) -> ProbeResult | None:
        """The strongest probe on what was sent: leakage or utility."""
        return self.strongest.get("features")

    @property
    def pooled(self) -> ProbeResult | None:
        """The strongest probe on all of a person's examples, of what was sent."""
        return self.of_people.get("features")

    @property
    def floor(self) -> ProbeResult | None:
        """The strongest probe on what travels with the features."""
        return self.strongest.get("metadata")

    @property
    def raw(self) -> ProbeResult | None:
        """The strongest probe on raw data."""
        return self.strongest.get("raw")

    @property
    def gain_left(self) -> float | None:
        """Share of raw data's gain over chance that the features keep, in %; None where raw data has no gain."""
        gain = self._percent("raw") - self.chance
        left = self._percent("features") - self.chance
        return 100 * left / gain if gain >= LEAST_GAIN else None

    @property
    def against(self) -> dict[str, Difference]:
        """Control -> difference of the features' figure to the control's."""
        features = self.strongest["features"].balanced_accuracy
        return {
            name: difference(features, self.strongest[name].balanced_accuracy)
            for name in ("random", "raw")
            if name in self.strongest
        }

    def place(self, share: float) -> float:
        """Where a share lies between chance (0) and certainty (100); below chance is at chance."""
        beyond = (100 * share - self.chance) / max(1e-9, 100 - self.chance)
        return round(100 * min(1.0, max(0.0, beyond)), 2)

    def _percent(self, representation: str) -> float:
        return in_percent(self.strongest[representation].balanced_accuracy)[1]


def attributes(report: Report) -> list[Attribute]:
    """Private attributes, then tasks, in the order of the report."""
    names = {(row.role, row.attribute): None for role in ROLES for row in report.results if row.role == role}
    return [_attribute(report.results, role, name) for role, name in names]


def marks_of(representations: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each representation, in the order in which they are shown."""
    kinds = in_order(representations)
    others = [kind for kind in kinds if kind not in LOOKS]
    turns = dict(zip(others, cycle(OTHERS), strict=False))
    return {kind: LOOKS.get(kind) or turns[kind] for kind in kinds}


def _attribute(results: Sequence[ProbeResult], role: str, name: str) -> Attribute:
    kinds = in_order(row.representation for row in results)
    return Attribute(
        name=name,
        role=role,
        strongest=_defined({kind: strongest(results, name, kind) for kind in kinds}),
        of_people=_defined({kind: pooled_row(results, name, kind) for kind in kinds}),
        ranked=ranked(row for row in results if row.attribute == name),
        chance=100 * chance_of(results, name),
    )


def _defined(rows: dict[str, ProbeResult | None]) -> dict[str, ProbeResult]:
    return {kind: row for kind, row in rows.items() if row is not None}
