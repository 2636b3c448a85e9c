"""Contributors are asked until every group has its examples."""

from strategies.fair import shares
from strategies.strategy import Progress, Settings, Strategy


def quota(settings: Settings) -> Strategy:
    """A window of contributors is under way until each group has ``quota`` examples.

    ``per`` "device": a group is a device class; one that has its examples is not asked any more, and the window
    is shared by those that lack some. "label": a group is a value of a task that some contributor has. Which
    labels a contributor has is not known before they answer, so anybody is asked until no value lacks examples.
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
    """Whether each device class that anybody has lacks examples."""
    return [
        people > 0 and examples < settings.quota
        for people, examples in zip(progress.people, progress.examples, strict=True)
    ]


def _lacking(progress: Progress, settings: Settings) -> list[int]:
    """What of the window is free, in equal parts for the groups that lack examples and have somebody to ask."""
    asks = [
        lacks and (waiting > 0 or pending > 0)
        for lacks, waiting, pending in zip(
            _lacks(progress, settings), progress.waiting, progress.pending, strict=True
        )
    ]
    others = sum(pending for pending, mine in zip(progress.pending, asks, strict=True) if not mine)
    parts = shares(max(0, settings.window - others), [settings.window * mine for mine in asks])
    return [part - pending for part, pending in zip(parts, progress.pending, strict=True)]
