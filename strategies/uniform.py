"""A random share is asked, as federated averaging does in each round (McMahan et al., AISTATS 2017)."""

from strategies.strategy import Settings, Strategy, never


def uniform(settings: Settings) -> Strategy:
    """``fraction`` of the contributors, drawn at random: they are waited for, and nobody takes their place."""
    return Strategy(ask=lambda progress: progress.waiting, enough=never, share=settings.fraction)
