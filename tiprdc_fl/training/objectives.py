"""The objectives of hybrid training, numbered as in the paper."""

from collections.abc import Sequence
from math import log, prod

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


def hiding_loss(logits: Tensor, u: Tensor, classes: Sequence[int], hiding: str) -> Tensor:
    """What the extractor maximises to hide u, in nats, summed over the adversary's heads.

    Args:
        logits: the adversary's, float [batch, sum(classes)].
        u: private labels, int64 [batch, heads].
        classes: number of classes of each head.
        hiding: "cross_entropy" is Eq. 8, at its largest where the adversary is surely wrong, which its next update
            turns into surely right; "entropy" is that of its predictions, at its largest where it cannot decide
            (Roy and Boddeti 2019).
    """
    if hiding == "cross_entropy":
        return adversary_loss(logits, u, classes)
    parts = (head.log_softmax(dim=1) for head in logits.float().split(list(classes), dim=1))
    return sum((-(part.exp() * part).sum(dim=1).mean() for part in parts), logits.new_zeros(()).float())


def jensen_shannon_bound(joint: Tensor, marginal: Tensor) -> Tensor:
    """Eq. 9 and 16: the Jensen-Shannon lower bound on the mutual information of x and (z, u).

    Args:
        joint: the estimator's scores of (x, z, u), float [batch].
        marginal: its scores of (x', z, u) with x' other examples, float [batch] or [negatives, batch].

    Returns:
        The bound in nats, at most 0; -2 ln 2 for an estimator whose scores are all 0.
    """
    return -F.softplus(-joint.float()).mean() - F.softplus(marginal.float()).mean()


def info_nce_bound(joint: Tensor, marginal: Tensor) -> Tensor:
    """The InfoNCE lower bound on the mutual information of x and (z, u) (van den Oord et al. 2018, Eq. 4).

    Args:
        joint: the estimator's scores of (x, z, u), float [batch].
        marginal: its scores of (x', z, u) with x' other examples, float [negatives, batch].

    Returns:
        The bound in nats, at most log(1 + negatives); 0 for an estimator whose scores are all 0.
    """
    scores = torch.cat([joint[None], marginal]).float()
    return (scores[0] - scores.logsumexp(dim=0)).mean() + log(len(scores))


def extractor_objective(adversary: Tensor, bound: Tensor, budget: float) -> Tensor:
    """Eq. 11 and 18: the objective that the extractor maximises, budget * hiding + (1 - budget) * information.

    Its first term is a lower bound (Eq. 6) on an upper bound (Eq. 5) on I(z; u). It therefore guarantees nothing
    about adversaries other than the one in the training.

    Args:
        adversary: Eq. 8, or another ``hiding_loss``, in nats, scalar.
        bound: Eq. 9, or another estimate of the information, in nats, scalar.
        budget: the paper's lambda, in [0, 1].
    """
    return budget * adversary + (1 - budget) * bound


def one_hot(u: Tensor, classes: Sequence[int]) -> Tensor:
    """Concatenates the one-hot vectors of all heads: int64 [batch, heads] -> float [batch, sum(classes)]."""
    hot = [F.one_hot(u[:, i], count) for i, count in enumerate(classes)]
    return torch.cat(hot, dim=1).float()


def pair(count: int, pairing: str, negatives: int, generator: np.random.Generator) -> Tensor:
    """Pairs each example of a batch with other examples x' of it, for Eq. 9.

    Args:
        count: number of examples in the batch, at least 2.
        pairing: "shift" is the cyclic shift by one of the authors' code, then by two, and so on; "derangement"
            shifts the examples in a random order, by random distances.
        negatives: different examples x' for each x; where the batch has fewer others, all of them.
        generator: draws order and distances.

    Returns:
        Indices of each example's x', int64 [negatives, count].
    """
    most = min(negatives, count - 1)
    if pairing == "shift":
        return torch.stack([torch.arange(count).roll(1 + i) for i in range(most)])
    places, distances = generator.permutation(count), 1 + generator.permutation(count - 1)[:most]
    order = np.empty((most, count), dtype=np.int64)
    for row, distance in zip(order, distances, strict=True):
        row[places] = np.roll(places, distance)
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
