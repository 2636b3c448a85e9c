"""Everyone is asked at once."""

from strategies.strategy import Settings, Strategy, StrategyRecord, never


def everyone(settings: Settings) -> Strategy:
    """Everyone is asked at once, and again after a loss; it ends when all have answered or were given up."""
    return Strategy(ask=lambda progress: progress.waiting, enough=never)


EVERYONE = StrategyRecord("everyone, at once; all are waited for", everyone)
