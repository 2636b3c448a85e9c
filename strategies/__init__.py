"""Who is asked when, and what counts as enough: one file a strategy, ``STRATEGIES`` names them.

A strategy is a function ``Settings -> Strategy``; a new one is a file and a line in each dictionary here.
"""

from collections.abc import Callable

from strategies.async_window import async_window
from strategies.deadline import deadline
from strategies.everyone import everyone
from strategies.fair import fair
from strategies.over_select import over_select
from strategies.quota import quota
from strategies.strategy import Progress, Settings, Strategy
from strategies.uniform import uniform

__all__ = ["STRATEGIES", "USED", "Progress", "Settings", "Strategy"]

STRATEGIES: dict[str, Callable[[Settings], Strategy]] = {
    "everyone": everyone,
    "uniform": uniform,
    "over_select": over_select,
    "deadline": deadline,
    "quota": quota,
    "fair": fair,
    "async_window": async_window,
}

# The settings that each strategy reads.
USED: dict[str, tuple[str, ...]] = {
    "everyone": (),
    "uniform": ("fraction",),
    "over_select": ("target", "factor"),
    "deadline": ("deadline",),
    "quota": ("quota", "per", "window"),
    "fair": ("target",),
    "async_window": ("target", "window"),
}
