"""What ``aligned`` and ``codes`` fit: components, a map for each private class, the tree of codes, the way back."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import from_numpy, nn

from tiprdc_fl.data.examples import most_frequent
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.class_sums import ClassSums
from tiprdc_fl.models.fair_tree import fit_tree
from tiprdc_fl.models.transport import DEVIATIONS, Transport, private_class
from tiprdc_fl.protections.barycentre import Law, laws_of_rows, laws_of_sums, transports
from tiprdc_fl.protections.components import encoded
from tiprdc_fl.protections.kernel_fit import fit_restore
from tiprdc_fl.protections.protection import Collected
from tiprdc_fl.protections.semantic import semantic

LEAST_ROWS = 10  # of a private class


@dataclass(frozen=True, eq=False)
class _Items:
    """The collector's items that a network is fitted to.

    Attributes:
        z: features, float32 [n, values].
        x: components, float32 [n, d].
        classes: private class of each, int64 [n].
    """

    z: np.ndarray
    x: np.ndarray
    classes: np.ndarray


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, components, a map for each private class, the tree of codes, the way back."""
    network = _transport(network)
    z, examples = encoded(network, collected)
    mean, basis = semantic(z, collected.proxies[examples], len(network.basis), collected.seed)
    network.mean.copy_(from_numpy(mean))
    network.basis.copy_(from_numpy(basis))
    items = _items(network, collected, z, examples)
    sizes = np.bincount(items.classes, minlength=len(network.maps))
    check_classes(sizes[sizes > 0], 2 ** (network.tree.bits if network.tree else 0))
    _set_maps(network, items, laws_of_rows(items.x, items.classes))


def refit(network: nn.Module, collected: Collected, sums: ClassSums) -> None:
    """The same maps, of the contributors' statistics; what follows the maps is fitted to the collector's people.

    Args:
        network: as ``fit`` left it.
        collected: what it was fitted to.
        sums: of the contributors' components, as this network computes them.

    Raises:
        InputError: a private class has too few contributors.
    """
    network = _transport(network)
    items = _items(network, collected, *encoded(network, collected))
    people, known = np.round(sums.people), np.bincount(items.classes, minlength=len(sums.people)) > 0
    fewest = people[known | (people > 0)].min()
    if fewest < LEAST_ROWS:
        raise InputError(
            f"protection.statistics=contributors: a combination of the private attributes has {fewest:,.0f} "
            f"contributors whose sums arrived, fewer than {LEAST_ROWS}: raise clients, name fewer in data.private, "
            "or leave protection.statistics out"
        )
    _set_maps(network, items, laws_of_sums(sums))


def _transport(network: nn.Module) -> Transport:
    if not isinstance(network, Transport):
        raise TypeError("aligned needs a Transport")
    return network


def _items(network: Transport, collected: Collected, z: np.ndarray, examples: np.ndarray) -> _Items:
    """What the collector's people would send, before it is moved.

    Args:
        network: has mean and basis.
        collected: the collector's examples.
        z: features, float32 [n, values].
        examples: number of the example of each row, int64 [n].
    """
    private = collected.private[examples]
    if collected.per == "person":
        z, private = person_means(z, private, collected.people[examples])
    x = ((z - network.mean.numpy()) @ network.basis.numpy().T / (2 * DEVIATIONS) + 0.5).astype(np.float32)
    return _Items(z, x, private_class(private, values_of(collected.private), collected.names))


def _set_maps(network: Transport, items: _Items, laws: Mapping[int, Law]) -> None:
    """Sets a map for each private class, then the tree and the way back to what is moved by these."""
    maps, offsets = transports(laws, len(network.maps))
    network.maps.copy_(from_numpy(maps))
    network.offsets.copy_(from_numpy(offsets))
    moved = network.move(from_numpy(items.x), items.classes)
    if network.tree is not None:
        fit_tree(network.tree, moved, from_numpy(items.classes))
    fit_restore(network, moved, items.z)


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
