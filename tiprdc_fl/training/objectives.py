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
    """Eq. 9 and 16: the Jensen-Shannon lower bound on the mutual information of x and (z, u).

    Args:
        joint: the estimator's scores of (x, z, u), float [batch].
        marginal: its scores of (x', z, u) with x' another example, float [batch].

    Returns:
        The bound in nats, at most 0; -2 ln 2 for an estimator whose scores are all 0.
    """
    return -F.softplus(-joint.float()).mean() - F.softplus(marginal.float()).mean()


def extractor_objective(adversary: Tensor, bound: Tensor, budget: float) -> Tensor:
    """Eq. 11 and 18: the objective that the extractor maximises, budget * Eq. 8 + (1 - budget) * Eq. 9.

    Its first term is a lower bound (Eq. 6) on an upper bound (Eq. 5) on I(z; u). It therefore guarantees nothing
    about adversaries other than the one in the training.

    Args:
        adversary: loss of the adversary (Eq. 8) in nats, scalar.
        bound: bound of the mutual information (Eq. 9) in nats, scalar.
        budget: the paper's lambda, in [0, 1].
    """
    return budget * adversary + (1 - budget) * bound


def one_hot(u: Tensor, classes: Sequence[int]) -> Tensor:
    """Concatenates the one-hot vectors of all heads: int64 [batch, heads] -> float [batch, sum(classes)]."""
    hot = [F.one_hot(u[:, i], count) for i, count in enumerate(classes)]
    return torch.cat(hot, dim=1).float()


def pair(count: int, pairing: str, generator: np.random.Generator) -> Tensor:
    """Pairs each example of a batch with another example x' of it, for Eq. 9.

    Args:
        count: number of examples in the batch, at least 2.
        pairing: "derangement" draws a random permutation without fixed points; "shift" is the cyclic shift by one
            of the authors' code.
        generator: draws the derangement.

    Returns:
        Index of each example's x', int64 [count].
    """
    if pairing == "shift":
        return torch.arange(count).roll(1)
    while True:  # a permutation is a derangement with probability about 1/e
        order = generator.permutation(count)
        if (order != np.arange(count)).all():
            return torch.from_numpy(order)


def head_labels(labels: np.ndarray, classes: Sequence[int], heads: str) -> tuple[Tensor, tuple[int, ...]]:
    """Encodes the labels of the private attributes as the labels that the adversary predicts.

    Args:
        labels: labels of the private attributes, int [n, attributes].
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
    """Probabilities of each private attribute, float [n, its classes], from the adversary's logits.

    Args:
        logits: float [n, sum of the heads' classes].
        classes: number of classes of each attribute.
        heads: "joint" or "separate", as in ``head_labels``.
    """
    if heads == "separate":
        return [part.softmax(dim=1) for part in logits.float().split(list(classes), dim=1)]
    joint = logits.float().softmax(dim=1).reshape(-1, *classes)
    axes = range(1, len(classes) + 1)
    return [joint.sum(dim=[a for a in axes if a != axis]) if len(classes) > 1 else joint for axis in axes]
