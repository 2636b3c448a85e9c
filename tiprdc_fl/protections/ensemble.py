"""Algorithm 1 with several adversaries that start anew in turn (after Elazar and Goldberg 2018)."""

from dataclasses import replace

from tiprdc_fl.protections.protection import TRAINING, Protection, Settings, send_features
from tiprdc_fl.training.loop import Plan

RESTARTS = 1  # epochs after which the next adversary starts anew


def train(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """The plan with ``adversaries`` adversaries, of which one starts anew after every epoch."""
    return replace(plan, adversaries=settings.adversaries, restarts=RESTARTS, hiding="cross_entropy")


ENSEMBLE = Protection(
    label="Algorithm 1 against several adversaries that start anew in turn",
    apply=send_features,
    train=train,
    describe=lambda keys: f"budget {keys['training.budget']:g}, {keys['protection.adversaries']} adversaries",
    reads=("training.budget", "protection.adversaries", *TRAINING),
)
