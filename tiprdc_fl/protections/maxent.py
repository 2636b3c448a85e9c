"""Algorithm 1 that maximises the entropy of the adversary's predictions (Roy and Boddeti 2019)."""

from dataclasses import replace

from tiprdc_fl.protections.protection import TRAINING, Protection, Settings, send_features
from tiprdc_fl.training.loop import Plan


def train(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """The plan with entropy for Eq. 8, in the extractor's update alone."""
    return replace(plan, hiding="entropy")


MAXENT = Protection(
    label="Algorithm 1 that maximises the entropy of the adversary's predictions",
    apply=send_features,
    train=train,
    describe=lambda keys: f"budget {keys['training.budget']:g}",
    reads=("training.budget", "training.adversaries", "training.restarts", *TRAINING),
)
