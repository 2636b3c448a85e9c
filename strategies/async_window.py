"""A window of contributors is always under way (the concurrency of FedBuff: Nguyen et al., AISTATS 2022)."""

from strategies.strategy import Settings, Strategy


def async_window(settings: Settings) -> Strategy:
    """``window`` are under way; whoever answers or is lost makes room, until ``target`` have answered."""
    return Strategy(
        ask=lambda progress: [settings.window - sum(progress.pending)],
        enough=lambda progress: sum(progress.answered) >= settings.target,
    )
