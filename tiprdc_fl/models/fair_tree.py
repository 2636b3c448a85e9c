"""A tree that turns components into a code of few bits, with thresholds of its own for each private class."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc_fl.models.projection import constants

PRIOR = 50  # rows that draw a class's threshold towards that of all
ZERO, ONE = 0.5, 1.0  # how a bit is sent; a step of zeros would be padding


class FairTree(nn.Module):
    """Components -> the path to a leaf of a binary tree.

    A node compares one direction of the components with the threshold of the item's private class. Where these are
    the classes' medians and no two items tie, every class reaches every leaf equally often. Nodes are numbered as
    in a heap: those below node n are 2n + 1 and 2n + 2.

    Args:
        components: of an item.
        bits: of a code, the depth of the tree.
        classes: number of private classes.
    """

    def __init__(self, components: int, bits: int, classes: int):
        super().__init__()
        self.bits = bits
        nodes, leaves = 2**bits - 1, 2**bits
        self.directions, self.thresholds, self.centres = constants(
            (nodes, components), (classes, nodes), (leaves, components)
        )

    def forward(self, components: Tensor, classes: Tensor) -> Tensor:
        """Codes [n, bits] of components [n, components], whose private classes are int64 [n].

        Sums are taken one component after the other, so that no bit depends on the other items.
        """
        node, code = torch.zeros_like(classes), []
        for _ in range(self.bits):
            direction, height = self.directions[node], torch.zeros(len(node))
            for number in range(components.shape[1]):
                height = height + direction[:, number] * components[:, number]
            right = height > self.thresholds[classes, node]
            code.append(right)
            node = 2 * node + 1 + right.long()
        return torch.stack(code, dim=1) * (ONE - ZERO) + ZERO

    def centre(self, code: Tensor) -> Tensor:
        """Mean components of the collector's items with this code, [..., bits] -> [..., components]."""
        return self.centres[torch.from_numpy(code_numbers(code))]


def code_numbers(code: Tensor) -> np.ndarray:
    """Number of each code [..., bits], int64 [...]; its first bit counts most."""
    bits = code.shape[-1]
    weights = 2 ** torch.arange(bits - 1, -1, -1)
    return ((code > (ZERO + ONE) / 2).long() * weights).sum(dim=-1).numpy()


def code_of(numbers: np.ndarray, bits: int) -> Tensor:
    """The code [n, bits] of each number, int64 [n] from 0 to 2^bits - 1."""
    shifts = np.arange(bits - 1, -1, -1)
    return torch.from_numpy(((numbers[:, None] >> shifts) & 1).astype(np.float32)) * (ONE - ZERO) + ZERO


@torch.no_grad()
def fit_tree(tree: FairTree, components: Tensor, classes: Tensor) -> None:
    """Sets directions, thresholds and centres to a sample; arguments as in ``FairTree.forward``.

    A node's direction is that of the largest variance within classes. A class's threshold is its own median, drawn
    towards the median of all as if PRIOR further rows had it: a median of few rows is mostly chance, and who knows
    the thresholds could tell classes apart by them. A leaf that nothing of the sample reaches has a centre of its
    own all the same, so that no adversary takes two codes for one.
    """
    for node, rows in _parts(tree, components, classes):
        own, of_own = components[rows], classes[rows]
        if len(own) < 2:  # no items of new people get here but by chance
            continue
        present = of_own.unique()
        centred = own.clone()
        for number in present:
            centred[of_own == number] -= own[of_own == number].mean(dim=0)
        _, vectors = torch.linalg.eigh((centred.T @ centred).double())
        tree.directions[node] = vectors[:, -1].float()
        height = own @ tree.directions[node]
        middle = height.quantile(0.5)
        tree.thresholds[:, node] = middle
        for number in present:
            rows_of_class = height[of_own == number]
            weight = len(rows_of_class) / (len(rows_of_class) + PRIOR)
            tree.thresholds[number, node] += weight * (rows_of_class.quantile(0.5) - middle)
    leaves = torch.from_numpy(code_numbers(tree(components, classes)))
    apart = torch.linspace(-1, 1, len(tree.centres))[:, None] * components.std(dim=0)
    tree.centres[:] = components.mean(dim=0) + apart / 10
    for leaf in leaves.unique():
        tree.centres[leaf] = components[leaves == leaf].mean(dim=0)


def _parts(tree: FairTree, components: Tensor, classes: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each node, from the root down, and the rows that reach it; a depth follows when that above it is set."""
    for depth in range(tree.bits):
        reached = np.zeros(len(components), np.int64)
        if depth:
            reached = code_numbers(tree(components, classes)[:, :depth])
        for number in range(2**depth):
            yield 2**depth - 1 + number, torch.from_numpy(np.flatnonzero(reached == number))
