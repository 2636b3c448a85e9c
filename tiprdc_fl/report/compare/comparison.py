"""Runs side by side: which settings differ, which figures, and whether by more than their intervals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tiprdc_fl.evaluation.intervals import Interval
from tiprdc_fl.evaluation.paired import load_predictions
from tiprdc_fl.report.compare.pairing import Predictions, pairs
from tiprdc_fl.report.compare.warnings import warnings
from tiprdc_fl.report.differences import Difference, difference
from tiprdc_fl.report.queries import answered_shares, pooled_row, strongest
from tiprdc_fl.report.schema import ProbeResult, Report, ShareFigure
from tiprdc_fl.report.settings import differing
from tiprdc_fl.report.words import duration, size
from tiprdc_fl.store.paths import RunFolder

# Stages that make the extractor: a run that was given one, or found one in the library, has not all of them.
TRAINING = ("collector examples", "training", "extractor")
NOTHING_IN_COMMON = "No figure in common: the runs have no attribute of the same role and name."


@dataclass(frozen=True)
class Line:
    """A figure with intervals, of every run.

    Attributes:
        title: what it is. role: "private" (low is good) or "task". attribute: whose it is.
        pooled: from all of a person's examples instead of one.
        figures: the runs'; None where a run has none.
        pairs: differences of every run but the first to the first, paired; None where that cannot be.
    """

    title: str
    role: str
    attribute: str
    pooled: bool
    figures: Sequence[ShareFigure | None]
    pairs: Sequence[Interval | None]

    @property
    def shared(self) -> bool:
        """Whether more than one run has it."""
        return sum(figure is not None for figure in self.figures) > 1

    @property
    def differences(self) -> list[Difference]:
        """Of every run but the first to the first."""
        first, *others = self.figures
        return [difference(figure, first, pair) for figure, pair in zip(others, self.pairs, strict=True)]


@dataclass(frozen=True)
class Cost:
    """A figure without an interval, of every run: as it is said, and as a number to compare."""

    title: str
    texts: Sequence[str]
    values: Sequence[float | None]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        folders: the runs'. reports: theirs. letters: what the runs are called, A for the first.
        warnings: why figures may not be comparable. settings: keys that differ, with the runs' values.
        lines: figures with intervals. costs: figures without. participation: share of each group that answered.
    """

    folders: Sequence[Path]
    reports: Sequence[Report]
    letters: Sequence[str]
    warnings: Sequence[str]
    settings: dict[str, list[Any]]
    lines: Sequence[Line]
    costs: Sequence[Cost]
    participation: Sequence[Cost]

    @property
    def in_common(self) -> bool:
        """Whether there is any figure that more than one run has."""
        return any(line.shared for line in self.lines)

    @property
    def samples(self) -> Iterator[str]:
        """For every run but the first: whether its differences are paired, in a sentence."""
        first, *others = self.letters
        for number, letter in enumerate(others):
            known = [line for line in self.lines if line.differences[number].value is not None]
            paired = [line.title for line in known if line.differences[number].paired]
            if known and len(paired) == len(known):
                yield f"{letter} less {first}: paired, the same rows of the same holdout people."
            elif paired:
                yield f"{letter} less {first}: paired in {'; '.join(paired)}, else of independent samples."
            elif known:
                yield f"{letter} less {first}: of independent samples, no predictions of the same rows are there."


def compare(folders: Sequence[Path], reports: Sequence[Report]) -> Comparison:
    """Sets runs beside the first of them."""
    predictions = [load_predictions(RunFolder(folder).predictions) for folder in folders]
    letters = [chr(ord("A") + number) if number < 26 else str(number + 1) for number in range(len(reports))]
    settings = differing([report.configuration for report in reports])
    return Comparison(
        folders=folders,
        reports=reports,
        letters=letters,
        warnings=list(warnings(reports, letters, settings)),
        settings=settings,
        lines=list(_lines(reports, predictions)),
        costs=list(_costs(reports)),
        participation=list(_participation(reports)),
    )


def _lines(reports: Sequence[Report], predictions: Sequence[Predictions]) -> Iterator[Line]:
    """Leakage from one example and pooled, then utility."""

    def line(title: str, role: str, attribute: str, pooled: bool, figures: list[ShareFigure | None]) -> Line:
        paired = pairs(attribute, pooled, figures, predictions)
        return Line(title, role, attribute, pooled, figures, paired)

    for role in ("private", "task"):
        own = [[row for row in report.results if row.role == role] for report in reports]
        for attribute in dict.fromkeys(row.attribute for rows in own for row in rows):
            single = [_figure(strongest(rows, attribute, "features"), "balanced_accuracy") for rows in own]
            what = "leakage" if role == "private" else "utility"
            yield line(f"{what} of {attribute}, one example", role, attribute, False, single)
            pooled = [_figure(pooled_row(rows, attribute), "per_person") for rows in own]
            if role == "private" and any(pooled):
                yield line(f"{what} of {attribute}, a person's pooled", role, attribute, True, pooled)


def _figure(row: ProbeResult | None, name: str) -> ShareFigure | None:
    return None if row is None else getattr(row, name)


def _costs(reports: Sequence[Report]) -> Iterator[Cost]:
    """Bytes, time and people; what is modelled says so."""

    def cost(title: str, read: Callable[[Report], float | None], say: Callable[[float], str]) -> Cost:
        values = [read(report) for report in reports]
        return Cost(title, ["n/a" if one is None else say(one) for one in values], values)

    def modelled(report: Report, name: str) -> float | None:
        return getattr(report.strategy.modelled, name) if report.devices else None

    def answers(report: Report, share: str) -> float | None:
        return getattr(report.strategy.modelled.seconds_to_share, share) if report.devices else None

    yield cost("contributors that sent", lambda r: r.federation.answered, "{:,}".format)
    yield cost("examples stored", lambda r: r.federation.examples, "{:,}".format)
    yield cost("sent", lambda r: r.federation.sent_bytes, size)
    yield cost("sent, bytes an example", lambda r: r.federation.sent_bytes_per_example, "{:,.0f}".format)
    yield _training(reports)
    yield cost("time on this host but training, measured", _without_training, duration)
    yield cost("collection, measured", lambda r: r.seconds.get("collection"), duration)
    if any(report.devices for report in reports):
        over = cost("until it was over, modelled", lambda r: modelled(r, "seconds"), duration)
        yield replace(over, texts=list(map(_marked, over.texts, reports)))
        yield cost("half of the answers within, modelled", lambda r: answers(r, "p50"), duration)
        yield cost("95 % of the answers within, modelled", lambda r: answers(r, "p95"), duration)
        yield cost("sent to contributors, modelled", lambda r: modelled(r, "downlink_bytes"), size)
        yield cost("sent by contributors, modelled", lambda r: modelled(r, "uplink_bytes"), size)
        yield cost("sent in vain, modelled", lambda r: modelled(r, "wasted_bytes"), size)
        yield cost("devices at work, modelled", lambda r: modelled(r, "device_seconds"), duration)


def _training(reports: Sequence[Report]) -> Cost:
    """What the extractor took, of the runs that trained theirs."""
    values = [
        sum(report.seconds.get(name, 0.0) for name in TRAINING) if "training" in report.seconds else None
        for report in reports
    ]
    texts = ["not trained here" if value is None else duration(value) for value in values]
    return Cost("training on this host, measured", texts, values)


def _without_training(report: Report) -> float:
    return sum(seconds for stage, seconds in report.seconds.items() if stage not in TRAINING)


def _marked(text: str, report: Report) -> str:
    """A time, and whether the strategy ended without what it wants."""
    missed = report.devices and report.strategy.enough is False
    return f"{text}, goal missed" if missed else text


def _participation(reports: Sequence[Report]) -> Iterator[Cost]:
    """The share of every group that answered, in the runs that modelled it."""
    shares = [answered_shares(report) for report in reports]
    for by, group in dict.fromkeys(key for one in shares for key in one):
        values = [one.get((by, group)) for one in shares]
        texts = ["n/a" if value is None else f"{100 * value:.1f} %" for value in values]
        yield Cost(f"device: {group}" if by == "device" else group, texts, values)
