"""Components moved by optimal transport, so that private classes look alike, and noise.

A device knows its own private attributes. It moves few components of an encoder's features by the optimal transport
of its private class's normal distribution to the barycentre of all classes (Agueh and Carlier 2011; fair regression
does so, Chzhen et al. 2020). It adds normal noise, which covers what a normal distribution does not describe. The
collector fits classes, barycentre and maps to its own people. Everything but the device's own private
attributes is public, the maps included; who knows them and does not know the class can undo a map for each class,
and no more. A device whose private class the collector's people lack sends nothing, which tells that much.

A device moves the mean of its items and what each differs from it apart (``protections.transports``). Part of the
noise's variance is common to all of its items, because independent noise averages away where they are pooled.

Nothing is promised: the normal distributions that were estimated of the collector's people become one, and classes
differ in what these estimates miss, the more the fewer people they are of. With ``protection.per=person`` a device
moves the mean of its examples' components, and classes are fitted to such means.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import from_numpy, nn

from tiprdc_fl.data.examples import most_frequent
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.fair_tree import fit_tree
from tiprdc_fl.models.transport import DEVIATIONS, Transport, private_class
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.combinations import combinations
from tiprdc_fl.protections.components import check_components, encoded
from tiprdc_fl.protections.kernel_fit import fit_restore
from tiprdc_fl.protections.protection import AS_SENT, ENCODING, NOISE, Collected, Protection, Settings
from tiprdc_fl.protections.semantic import semantic
from tiprdc_fl.protections.transports import own_means, transports, two_level_transports

COMPONENTS = 16
LEAST_ROWS = 10  # of a private class


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
        noise_common=settings.common if settings.noise and settings.per == "example" else 0.0,
        centred=settings.per == "example",
    )


def adapt(architecture: Architecture, collected: Collected) -> Architecture:
    """The private attributes that the device states, and how many values each has."""
    return replace(architecture, stated=collected.names, stated_values=values_of(collected.private))


def check(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when private classes are too many, one alone or too small, or components too many."""
    combinations(private, "aligned")
    check_classes(np.unique(private, axis=0, return_counts=True)[1])
    check_components(settings, shape[1:] if shape[0] < 0 else shape, private)  # a message has one row


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, components, maps for each private class, the tree of codes, the way back."""
    if not isinstance(network, Transport):
        raise TypeError("aligned needs a Transport")
    whole = replace(collected, per="person") if network.centred else collected  # all of a person's examples
    z, examples = encoded(network, whole)
    mean, basis = semantic(z, collected.proxies[examples], len(network.basis), collected.seed)
    network.mean.copy_(from_numpy(mean))
    network.basis.copy_(from_numpy(basis))
    private = collected.private[examples]
    if collected.per == "person":
        z, private = person_means(z, private, collected.people[examples])
    x = ((z - mean) @ basis.T / (2 * DEVIATIONS) + 0.5).astype(np.float32)
    classes = private_class(private, values_of(collected.private), collected.names)
    sizes = np.bincount(classes, minlength=len(network.maps))
    check_classes(sizes[sizes > 0], 2 ** (network.tree.bits if network.tree else 0))
    maps, offsets = transports(x, classes, len(network.maps))
    network.maps.copy_(from_numpy(maps))
    network.offsets.copy_(from_numpy(offsets))
    means = None
    if network.centred:
        means = own_means(x, classes, collected.people[examples])
        parts = two_level_transports(x, classes, means, len(network.maps))
        for buffer, part in zip((network.between, network.within, network.origins), parts, strict=True):
            buffer.copy_(from_numpy(part))
        means = from_numpy(means)
    moved = network.move(from_numpy(x), classes, means)
    if network.tree is not None:
        fit_tree(network.tree, moved, from_numpy(classes))
    fit_restore(network, moved, z)


def check_classes(sizes: np.ndarray, least: int = 1) -> None:
    """Raises InputError when a private class has too few items to be fitted to.

    Args:
        sizes: items of each private class, int [classes].
        least: items it needs, beside LEAST_ROWS.
    """
    if sizes.min() < max(least, LEAST_ROWS):
        raise InputError(
            f"a combination of the private attributes has {sizes.min():,} items of the collector's people to fit "
            f"the protection to, fewer than {max(least, LEAST_ROWS):,}: raise data.collector_people, name fewer in "
            "data.private" + (", or lower protection.bits" if least > LEAST_ROWS else "")
        )


def values_of(private: np.ndarray) -> tuple[int, ...]:
    """Number of values of each private attribute, labels int [n, attributes]."""
    return tuple(int(largest) + 1 for largest in private.max(axis=0))


def person_means(z: np.ndarray, private: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each person's mean row, float32 [persons, values], and most frequent labels, int [persons, attributes].

    Args:
        z: rows of examples, float [n, values].
        private: labels of the private attributes, int [n, attributes].
        people: person of each row, int64 [n].
    """
    ids, owner = np.unique(people, return_inverse=True)
    sums = np.zeros((len(ids), z.shape[1]))
    np.add.at(sums, owner, z)
    means = (sums / np.bincount(owner)[:, None]).astype(np.float32)
    return means, np.stack([most_frequent(column, owner, len(ids)) for column in private.T], axis=1)


def described(keys: Mapping[str, Any]) -> str:
    """The components in a few words, and whether people state another private class than theirs."""
    count, proxies = keys["protection.components"], keys["data.proxies"] or ()
    share = keys["protection.misstated"]
    known = f"components that say most about {len(proxies)} proxies"
    what = f"{count} {known if proxies else 'principal components'}"
    return f"{what}, the private class misstated by {100 * share:g} % of people" if share else what


def _describe(keys: Mapping[str, Any]) -> str:
    said = f"{described(keys)}, noise of {keys['protection.noise']:g} deviations"
    if keys["protection.per"] == "person":
        return said
    return f"{said}, {100 * keys['protection.common']:g} % of its variance common to a person's items"


ALIGNED = Protection(
    label="few components of an encoder's features, moved to where private classes look alike, with noise",
    apply=apply,
    train=encoder.train,
    adapt=adapt,
    fit=fit,
    describe=_describe,
    reads=(
        "protection.noise",
        "protection.common",
        "protection.components",
        "protection.misstated",
        "protection.encoder",
        *ENCODING,
    ),
    check=check,
    states=True,
    public=f"{NOISE}, the map of each private class",
    informed=AS_SENT,
    defaults={"protection.components": COMPONENTS, "protection.encoder": encoder.on_proxies},
)
