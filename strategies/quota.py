"""Contributors are asked until every group has enough examples."""

import math

from strategies.fair import shares
from strategies.strategy import Progress, Settings, Strategy, StrategyRecord, Supply


def quota(settings: Settings) -> Strategy:
    """A window of contributors is under way until each group has ``quota`` examples.

    With ``per`` "device" a group is a device class; the classes that lack examples share the window. With "label" a
    group is a value of a task that some contributor has. A contributor's labels are unknown before the answer, so
    that any contributor is asked until no value lacks examples.
    """
    if settings.per == "device":
        return Strategy(
            ask=lambda progress: _lacking(progress, settings),
            enough=lambda progress: not any(_lacks(progress, settings)),
            by_device=True,
        )
    return Strategy(
        ask=lambda progress: [settings.window - sum(progress.pending)],
        enough=lambda progress: bool(progress.labels) and min(progress.labels) >= settings.quota,
    )


def _lacks(progress: Progress, settings: Settings) -> list[bool]:
    """Whether each device class lacks examples; a class without contributors lacks none."""
    return [
        people > 0 and examples < settings.quota
        for people, examples in zip(progress.people, progress.examples, strict=True)
    ]


def _lacking(progress: Progress, settings: Settings) -> list[int]:
    """The free part of the window, in equal parts for the groups that lack examples and have contributors left."""
    sharing = [
        lacks and (waiting > 0 or pending > 0)
        for lacks, waiting, pending in zip(
            _lacks(progress, settings), progress.waiting, progress.pending, strict=True
        )
    ]
    others = sum(pending for pending, mine in zip(progress.pending, sharing, strict=True) if not mine)
    parts = shares(max(0, settings.window - others), [settings.window * mine for mine in sharing])
    return [part - pending for part, pending in zip(parts, progress.pending, strict=True)]


def _enough_examples(settings: Settings, supply: Supply) -> str | None:
    """A check: the contributors have ``quota`` examples of the rarest value of a task."""
    if settings.per != "label":
        return None
    count, rarest = min(
        ((count, value) for value, count in supply.examples().items()), default=(math.inf, "")
    )
    if count >= settings.quota:
        return None
    return (
        f"strategy.quota={settings.quota}: of the rarest value, {rarest}, the contributors have {count} examples; "
        "lower it, or raise clients"
    )


QUOTA = StrategyRecord(
    label="contributors until every value of a task, or every device class, has enough examples",
    make=quota,
    reads=("strategy.quota", "strategy.per", "strategy.window"),
    check=_enough_examples,
)
