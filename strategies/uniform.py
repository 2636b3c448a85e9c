"""A random share is asked, as federated averaging does in each round (McMahan et al., AISTATS 2017)."""

from strategies.strategy import Settings, Strategy, StrategyRecord, never


def uniform(settings: Settings) -> Strategy:
    """``fraction`` of the contributors, drawn at random, are asked and waited for; none of them is replaced."""
    return Strategy(ask=lambda progress: progress.waiting, enough=never, share=settings.fraction)


UNIFORM = StrategyRecord(
    label="a share drawn at random; all of it is waited for",
    make=uniform,
    reads=("strategy.fraction",),
)
