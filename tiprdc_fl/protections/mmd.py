"""Algorithm 1 with the maximum mean discrepancy for the adversary (Gretton et al. 2012; Louizos et al. 2016)."""

from dataclasses import replace

from tiprdc_fl.protections.protection import TRAINING, Protection, Settings, send_features
from tiprdc_fl.training.loop import Plan

BATCH = 256  # examples of Algorithm 1: what is chance in the distance of a batch falls with their number


def train(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """The plan without adversaries: what hides is a distance between the features' distributions."""
    return replace(plan, hiding="mmd", adversaries=1, restarts=0, batch_size=BATCH)


MMD = Protection(
    label="Algorithm 1 with the features' maximum mean discrepancy for the adversary",
    apply=send_features,
    train=train,
    describe=lambda keys: f"budget {keys['training.budget']:g}",
    reads=("training.budget", *(key for key in TRAINING if key != "training.batch_size")),
)
