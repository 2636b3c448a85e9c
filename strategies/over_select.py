"""More are asked than are wanted, and the first answers taken.

Bonawitz et al. (MLSys 2019) select 130 % in a round of learning. Here whoever is lost makes room for another one,
so that ``target`` is reached whatever the losses.
"""

import math

from strategies.strategy import Settings, Strategy


def over_select(settings: Settings) -> Strategy:
    """``factor`` times ``target`` contributors are under way or have answered, until ``target`` have answered."""
    asked = math.ceil(settings.factor * settings.target - 1e-9)
    return Strategy(
        ask=lambda progress: [asked - sum(progress.answered) - sum(progress.pending)],
        enough=lambda progress: sum(progress.answered) >= settings.target,
    )
