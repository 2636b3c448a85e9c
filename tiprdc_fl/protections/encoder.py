"""Baseline: the same extractor, trained without a privacy term."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiprdc_fl.protections.protection import ENCODING, Protection, Settings, send_features
from tiprdc_fl.training.loop import Plan

ON_INFORMATION = {"protection.encoder": "information"}  # what null stands for


def train(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """A pretraining of as many epochs as TIPRDC's.

    It teaches the encoder to keep information, the tasks as if they were known, or the proxies.
    """
    alone = replace(
        plan,
        budget=0.0,
        epochs=0,
        pretrain_epochs=plan.epochs + plan.pretrain_epochs,
        pretraining="information",
        adversaries=1,
        hiding="cross_entropy",
        restarts=0,
        batch_size=plan.pretrain_batch_size,
        learning_rate=plan.pretrain_learning_rate,
    )
    if settings.encoder in (None, "information"):
        return alone
    attributes = tasks if settings.encoder == "tasks" else settings.proxies
    return replace(alone, private=attributes, pretraining="private", heads="separate")


def on_proxies(keys: Mapping[str, Any]) -> str:
    """What null stands for where an encoder is trained on proxies if there are any."""
    return "proxies" if keys.get("data.proxies") else "information"


ENCODER = Protection(
    label="features trained without hiding anything",
    apply=send_features,
    train=train,
    describe=lambda keys: f"trained on {keys['protection.encoder']}",
    reads=("protection.encoder", *ENCODING),
    defaults=ON_INFORMATION,
)
