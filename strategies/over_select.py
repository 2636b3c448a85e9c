"""More contributors are asked than are wanted, and the first answers count.

Bonawitz et al. (MLSys 2019) select 130 % in a round of learning. Here a contributor who is lost is replaced, so
that ``target`` is reached whatever the losses.
"""

import math

from strategies.strategy import Settings, Strategy, StrategyRecord, enough_contributors


def over_select(settings: Settings) -> Strategy:
    """``factor`` times ``target`` contributors are under way or have answered, until ``target`` have answered."""
    asked = math.ceil(settings.factor * settings.target - 1e-9)
    return Strategy(
        ask=lambda progress: [asked - sum(progress.answered) - sum(progress.pending)],
        enough=lambda progress: sum(progress.answered) >= settings.target,
    )


OVER_SELECT = StrategyRecord(
    label="more than are wanted; the first answers count",
    make=over_select,
    reads=("strategy.target", "strategy.factor"),
    check=enough_contributors,
)
