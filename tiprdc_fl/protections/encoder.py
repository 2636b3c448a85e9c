"""Baseline: the same extractor, trained without a privacy term."""

from dataclasses import replace

from tiprdc_fl.protections.protection import TRAINING, Protection, Settings, send_features
from tiprdc_fl.training.loop import Plan


def train(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """As many epochs without a privacy term: on Eq. 9 alone, or on the tasks as if they were known."""
    epochs = plan.epochs + plan.pretrain_epochs
    if settings.encoder == "tasks":
        return replace(
            plan, private=tasks, epochs=0, pretrain_epochs=epochs, pretraining="private", heads="separate"
        )
    return replace(plan, epochs=0, pretrain_epochs=epochs, pretraining="information")


ENCODER = Protection(
    label="features trained without hiding anything",
    apply=send_features,
    train=train,
    describe=lambda keys: f"trained on {keys['protection.encoder']}",
    reads=("protection.encoder", *TRAINING),
)
