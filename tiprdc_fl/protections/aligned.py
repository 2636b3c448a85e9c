"""Components moved by optimal transport, so that private classes look alike, and noise.

A device knows its own private attributes. It moves few components of an encoder's features by the optimal transport
of its private class's normal distribution to the barycentre of all classes (Agueh and Carlier 2011; fair regression
does so, Chzhen et al. 2020). It adds normal noise, which covers what a normal distribution does not describe. The
collector fits classes, barycentre and maps to its own people. Everything but the device's own private
attributes is public, the maps included; who knows them and does not know the class can undo a map for each class,
and no more. A device whose private class the collector's people lack sends nothing, which tells that much.

Nothing is promised: the normal distributions that were estimated of the collector's people become one, and classes
differ in what these estimates miss, the more the fewer people they are of. With
``protection.statistics=contributors`` they are estimated from sums over the contributors themselves
(``stages.statistics``). With ``protection.per=person`` a device moves the mean of its examples' components, and
classes are fitted to such means.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.models.transport import DEVIATIONS, Transport
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.combinations import combinations
from tiprdc_fl.protections.components import check_components
from tiprdc_fl.protections.protection import ENCODING, NOISE, Collected, Informed, Protection, Settings
from tiprdc_fl.protections.transport_fit import check_classes, fit, refit, values_of

COMPONENTS = 16


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes components, moves them, and adds normal noise; ``adapt`` names the private attributes."""
    return replace(
        architecture,
        transform="transport",
        misstated=settings.misstated,
        components=settings.components or COMPONENTS,
        pooled=architecture.modality == "text",
        noise="gaussian" if settings.noise else "none",
        noise_scale=settings.noise / (2 * DEVIATIONS),
    )


def adapt(architecture: Architecture, collected: Collected) -> Architecture:
    """The private attributes that the device states, and how many values each has."""
    return replace(architecture, stated=collected.names, stated_values=values_of(collected.private))


def check(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when private classes are too many, one alone or too small, or components too many."""
    combinations(private, "aligned")
    check_classes(np.unique(private, axis=0, return_counts=True)[1])
    check_components(settings, shape[1:] if shape[0] < 0 else shape, private)  # a message has one row


def preimages(extractor: Extractor, sent: Tensor) -> Tensor:
    """What a device of each private class would have moved to what was sent: [n, ...] -> [n, classes * d]."""
    network = extractor.network
    if not isinstance(network, Transport):
        raise TypeError("aligned needs a Transport")
    return network.preimages(sent.reshape(len(sent), -1))


def described(keys: Mapping[str, Any]) -> str:
    """The components in a few words, and whether people state another private class than theirs."""
    count, proxies = keys["protection.components"], keys["data.proxies"] or ()
    share = keys["protection.misstated"]
    contributors = keys["protection.statistics"] == "contributors"
    known = f"components that say most about {len(proxies)} proxies"
    what = f"{count} {known if proxies else 'principal components'}"
    what += ", moved by the contributors' statistics" if contributors else ""
    return f"{what}, the private class misstated by {100 * share:g} % of people" if share else what


def _describe(keys: Mapping[str, Any]) -> str:
    return f"{described(keys)}, noise of {keys['protection.noise']:g} deviations"


ALIGNED = Protection(
    label="few components of an encoder's features, moved to where private classes look alike, with noise",
    apply=apply,
    train=encoder.train,
    adapt=adapt,
    fit=fit,
    refit=refit,
    describe=_describe,
    reads=(
        "protection.noise",
        "protection.components",
        "protection.misstated",
        "protection.statistics",
        "protection.encoder",
        *ENCODING,
    ),
    check=check,
    states=True,
    public=f"{NOISE}, the map of each private class",
    informed=Informed("preimages", preimages),
    defaults={"protection.components": COMPONENTS, "protection.encoder": encoder.on_proxies},
)
