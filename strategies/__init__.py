"""Which contributors are asked, when, and when it is enough: one file a strategy, with its record.

A new strategy is a file and a line in STRATEGIES; nothing else names it.
"""

from strategies.async_window import ASYNC_WINDOW
from strategies.deadline import DEADLINE
from strategies.everyone import EVERYONE
from strategies.fair import FAIR
from strategies.over_select import OVER_SELECT
from strategies.quota import QUOTA
from strategies.strategy import Progress, Settings, Strategy, StrategyRecord, Supply
from strategies.uniform import UNIFORM

__all__ = ["STRATEGIES", "Progress", "Settings", "Strategy", "StrategyRecord", "Supply", "unread"]

STRATEGIES: dict[str, StrategyRecord] = {
    "everyone": EVERYONE,
    "uniform": UNIFORM,
    "over_select": OVER_SELECT,
    "deadline": DEADLINE,
    "quota": QUOTA,
    "fair": FAIR,
    "async_window": ASYNC_WINDOW,
}


def unread(name: str) -> set[str]:
    """Keys that other strategies read and this one does not; none for a name that is unknown here."""
    if name not in STRATEGIES:
        return set()
    return {key for record in STRATEGIES.values() for key in record.reads} - set(STRATEGIES[name].reads)
