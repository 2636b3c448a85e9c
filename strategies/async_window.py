"""A window of contributors is always under way (the concurrency of FedBuff: Nguyen et al., AISTATS 2022)."""

from strategies.strategy import Settings, Strategy, StrategyRecord, enough_contributors


def async_window(settings: Settings) -> Strategy:
    """``window`` contributors are under way until ``target`` have answered; who answers or is lost is replaced."""
    return Strategy(
        ask=lambda progress: [settings.window - sum(progress.pending)],
        enough=lambda progress: sum(progress.answered) >= settings.target,
    )


ASYNC_WINDOW = StrategyRecord(
    label="a window of contributors is always under way",
    make=async_window,
    reads=("strategy.target", "strategy.window"),
    check=enough_contributors,
)
