"""Everyone is asked, and stragglers are cut."""

from strategies.strategy import Settings, Strategy, StrategyRecord, never


def deadline(settings: Settings) -> Strategy:
    """Everyone is asked at once; an answer after ``deadline`` seconds does not count.

    FedCS (Nishio and Yonetani, ICC 2019) has the same deadline, but asks only those whom it expects to meet it.
    """
    return Strategy(ask=lambda progress: progress.waiting, enough=never, deadline=settings.deadline)


DEADLINE = StrategyRecord(
    label="everyone, at once; late answers do not count",
    make=deadline,
    reads=("strategy.deadline",),
)
