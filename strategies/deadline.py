"""Everyone is asked, and stragglers are cut."""

from strategies.strategy import Settings, Strategy, never


def deadline(settings: Settings) -> Strategy:
    """Everyone is asked at once; what has not arrived after ``deadline`` seconds does not count.

    FedCS (Nishio and Yonetani, ICC 2019) has the same deadline, but asks only those whom it expects to meet it.
    """
    return Strategy(ask=lambda progress: progress.waiting, enough=never, deadline=settings.deadline)
