"""The paper's method: features of an extractor that was trained to hide the private attributes (Algorithm 1)."""

from tiprdc_fl.protections.protection import TRAINING, Protection, Settings, send_features
from tiprdc_fl.training.loop import Plan


def train(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """The plan as the configuration has it."""
    return plan


TIPRDC = Protection(
    label="features trained to hide the private attributes: the paper's method",
    apply=send_features,
    train=train,
    describe=lambda keys: f"budget {keys['training.budget']:g}",
    reads=("training.budget", "training.adversaries", "training.hiding", "training.restarts", *TRAINING),
)
