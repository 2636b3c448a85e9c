"""One code of few bits, which private classes send about equally often, certified.

Components are moved as ``aligned`` moves them, without noise. A tree then halves each private class at about its
own medians (``models.fair_tree``), so that every class reaches every leaf about equally often: the collector's
people do, new people as far as these medians hold for them. What is sent has few possible values, so that there is
an upper bound for every adversary (docs/certificate.md), which the report states beside the adversaries' figures.
With ``protection.response`` a device replaces its code at random as well (K-ary randomised response, Kairouz et
al. 2014), which bounds what one code alone tells, whatever the population.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, from_numpy
from torch.nn.functional import one_hot

from tiprdc_fl.evaluation.randomised_response import response_bound
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.models.fair_tree import code_numbers
from tiprdc_fl.protections import aligned, encoder
from tiprdc_fl.protections.gaussian import PERSON
from tiprdc_fl.protections.protection import (
    ENCODING,
    NOISE,
    Informed,
    Protection,
    Settings,
    item_of,
    rounded_up,
)


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes components, moves them, and sends the number of a leaf."""
    return replace(
        aligned.apply(architecture, settings),
        bits=settings.bits,
        noise_common=0.0,
        noise="none" if settings.response is None else "response",
        noise_scale=settings.response or 0.0,
    )


def check(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when the components do not fit, or a private class has too few examples for the codes."""
    aligned.check(settings, shape, private)
    aligned.check_classes(np.unique(private, axis=0, return_counts=True)[1], 2**settings.bits)


def indicators(extractor: Extractor, sent: Tensor) -> Tensor:
    """Which code was sent, as one of 2^bits values that is 1: [n, ..., bits] -> [n, 2^bits].

    A linear rule on these is a table with a figure for each code, the most that can be learned from a code alone;
    their mean over a person's items says how often which code was sent.
    """
    count = 2**extractor.architecture.bits
    return one_hot(from_numpy(code_numbers(sent).reshape(-1)), count).float()


def _describe(keys: Mapping[str, Any]) -> str:
    values, epsilon = 2 ** keys["protection.bits"], keys["protection.response"]
    said = f"{values:,} codes of {aligned.described(keys)}, one for {item_of(keys, 'an example')}"
    if epsilon is None:
        return said
    once, many = (rounded_up(100 * response_bound(epsilon, values, items)) for items in (1, PERSON))
    said += (
        f", randomised response with epsilon {epsilon:g}: alone, a code gives any binary attribute away at "
    )
    if keys["protection.per"] == "person":
        return f"{said}{once} % at most"
    return f"{said}{once} % at most, a person's {PERSON} at {many} %"


CODES = Protection(
    label="a code of few bits that private classes send about equally often",
    apply=apply,
    train=encoder.train,
    adapt=aligned.adapt,
    fit=aligned.fit,
    describe=_describe,
    reads=(
        "protection.bits",
        "protection.response",
        "protection.components",
        "protection.misstated",
        "protection.encoder",
        *ENCODING,
    ),
    check=check,
    states=True,
    public=f"{NOISE}, the map and the thresholds of each private class",
    informed=Informed("table", "a table with a figure for each code", indicators),
    defaults={"protection.components": aligned.COMPONENTS, "protection.encoder": encoder.on_proxies},
)
