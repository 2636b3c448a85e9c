"""An attack of your own: a function (architecture, classes) -> network, and its record in ATTACKS."""

from torch import nn

from tiprdc_fl import ATTACKS, load_config, run
from tiprdc_fl.attacks.suite import Attack
from tiprdc_fl.models.architecture import Architecture, seen_shape


def channel_means(architecture: Architecture, classes: int) -> nn.Module:
    """Logistic regression on the mean of each channel of the features [n, channels, h, w]."""
    channels = seen_shape(architecture)[0]
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


ATTACKS["channel_means"] = Attack("means of channels", channel_means, modalities=("image",))

KEYS = """clients=12 data.collector_people=12 data.holdout_people=8 data.max_examples_per_person=4
    model.width=4 training.epochs=1 training.pretrain_epochs=1 evaluation.steps=20 evaluation.controls=[]
    evaluation.reidentification=false federation.engine=inline open_report=false"""

if __name__ == "__main__":
    run(load_config(None, [*KEYS.split(), "evaluation.attacks=[linear,channel_means]"]))
