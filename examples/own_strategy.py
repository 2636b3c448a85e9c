"""A collection strategy of your own: whom to ask and when it is enough, from counts, and its name in STRATEGIES."""

from examples.own_attack import KEYS
from strategies import STRATEGIES, Settings, Strategy, StrategyRecord
from tiprdc_fl import load_config, run


def half(settings: Settings) -> Strategy:
    """Everybody is asked; the answers of half of them are enough."""
    return Strategy(
        ask=lambda progress: progress.waiting,
        enough=lambda progress: 2 * sum(progress.answered) >= sum(progress.people),
    )


STRATEGIES["half"] = StrategyRecord(label="everyone, until half have answered", make=half)

if __name__ == "__main__":
    keys = ("evaluation.attacks=[linear]", "devices.name=phones", "strategy.name=half")
    run(load_config(None, [*KEYS.split(), *keys]))
