"""The objectives of hybrid training, numbered as in the paper."""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def adversary_loss(logits: Tensor, u: Tensor, classes: Sequence[int]) -> Tensor:
    """Eq. 8 and 12: cross-entropy of the adversary, in nats, summed over its heads.

    Args:
        logits: float [batch, sum(classes)], the heads' logits side by side.
        u: private labels, int64 [batch, heads].
        classes: number of classes of each head.
    """
    heads = logits.float().split(list(classes), dim=1)
    return sum((F.cross_entropy(head, u[:, i]) for i, head in enumerate(heads)), logits.new_zeros(()).float())


def jensen_shannon_bound(joint: Tensor, marginal: Tensor) -> Tensor:
    """Eq. 9 and 16: the Jensen-Shannon lower bound of the mutual information of x and (z, u).

    Args:
        joint: the estimator's scores of (x, z, u), float [batch].
        marginal: its scores of (x', z, u) with x' another example, float [batch].

    Returns:
        The bound in nats, at most 0; -2 ln 2 for an estimator that says 0 to everything.
    """
    return -F.softplus(-joint.float()).mean() - F.softplus(marginal.float()).mean()


def extractor_objective(adversary: Tensor, bound: Tensor, budget: float) -> Tensor:
    """Eq. 11 and 18: what the extractor maximises, budget * Eq. 8 + (1 - budget) * Eq. 9.

    It holds a lower bound (Eq. 6) of an upper bound (Eq. 5) of I(z; u), so it guarantees nothing about
    adversaries other than the one that was trained with it.
    """
    return budget * adversary + (1 - budget) * bound


def one_hot(u: Tensor, classes: Sequence[int]) -> Tensor:
    """The heads' one-hot vectors side by side: int64 [batch, heads] -> float [batch, sum(classes)]."""
    hot = [F.one_hot(u[:, i], count) for i, count in enumerate(classes)]
    return torch.cat(hot, dim=1).float()


def pair(count: int, pairing: str, generator: np.random.Generator) -> Tensor:
    """For each example of a batch, the index of the x' it is paired with in Eq. 9, int64 [count].

    Args:
        count: examples in the batch, at least 2.
        pairing: "derangement" draws a permutation that leaves nobody in place; "shift" is the cyclic shift
            by one of the authors' code.
        generator: draws the derangement.
    """
    if pairing == "shift":
        return torch.arange(count).roll(1)
    while True:  # a permutation is a derangement with probability about 1/e
        order = generator.permutation(count)
        if (order != np.arange(count)).all():
            return torch.from_numpy(order)


def head_labels(labels: np.ndarray, classes: Sequence[int], heads: str) -> tuple[Tensor, tuple[int, ...]]:
    """The labels the adversary predicts, from those of the private attributes.

    Args:
        labels: int [n, attributes].
        classes: number of classes of each attribute.
        heads: "joint": one softmax over all combinations; "separate": one head for each attribute.

    Returns:
        Labels int64 [n, heads], and the number of classes of each head.
    """
    if heads == "separate":
        return torch.from_numpy(labels.astype(np.int64)), tuple(classes)
    joint = np.ravel_multi_index(tuple(labels.T.astype(np.int64)), tuple(classes))
    return torch.from_numpy(joint).unsqueeze(1), (prod(classes),)


def attribute_probabilities(logits: Tensor, classes: Sequence[int], heads: str) -> list[Tensor]:
    """Probabilities of each private attribute, float [n, classes of it], whatever the heads are."""
    if heads == "separate":
        return [part.softmax(dim=1) for part in logits.float().split(list(classes), dim=1)]
    joint = logits.float().softmax(dim=1).reshape(-1, *classes)
    axes = range(1, len(classes) + 1)
    return [joint.sum(dim=[a for a in axes if a != axis]) if len(classes) > 1 else joint for axis in axes]
