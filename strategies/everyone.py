"""Everyone is asked at once."""

from strategies.strategy import Settings, Strategy, never


def everyone(settings: Settings) -> Strategy:
    """Everyone is asked at once, and again when lost; it is over when all have answered or were given up."""
    return Strategy(ask=lambda progress: progress.waiting, enough=never)
