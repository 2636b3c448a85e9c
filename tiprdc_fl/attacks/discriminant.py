"""Shrinkage linear discriminant analysis, in closed form for every strength of shrinkage at once.

The covariance within classes is that of all rows less the scatter of the class means, so one set of principal
axes serves every attribute and every source of labels. Along these axes the inverse of a shrunk covariance is a
diagonal and a correction of low rank (Woodbury's identity). For two classes the direction is that of ridge
regression on the labels (Hastie, Tibshirani and Friedman 2009, Section 4.3), and after a nonlinear lift that of
the kernel Fisher discriminant (Mika et al. 1999).
"""

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl.attacks.problem import Answer, Problem, last_of_best
from tiprdc_fl.attacks.reduced import Reduced

# Shrinkage towards the mean variance; 1 compares class means alone (Ledoit and Wolf 2004 estimate one such number,
# here validation people choose).
SHRINKAGES = (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0)
LEAST_WITHIN = 0.05  # share of a direction's variance that lies within classes, at least
UNSEEN = (
    -14.0
)  # logit of a class without rows, less the least offset of the others: it is never the best guess


def discriminate(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Learns every problem; validation people choose the shrinkage, then everybody's rows give the class means."""
    return [_answer(reduced, problem) for problem in problems]


def _answer(reduced: Reduced, problem: Problem) -> Answer:
    weights, offsets = _rules(reduced, problem, problem.training, SHRINKAGES)
    validation = reduced.learned[torch.from_numpy(problem.validation)]
    logits = (validation @ weights + offsets).unflatten(1, (len(SHRINKAGES), -1)).cpu().numpy()
    best = last_of_best([problem.score(logits[:, place]) for place in range(len(SHRINKAGES))])
    everybody = np.concatenate([problem.training, problem.validation])
    weights, offsets = _rules(reduced, problem, everybody, SHRINKAGES[best : best + 1])
    return Answer(logits[:, best], (reduced.measured @ weights + offsets).cpu().numpy())


def _rules(
    reduced: Reduced, problem: Problem, rows: np.ndarray, shrinkages: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    """Linear rules of all shrinkages, side by side.

    Returns:
        Weights, float [d, shrinkages * classes], and offsets, float [shrinkages * classes]: the logits of rows x
        under balanced classes are x @ weights + offsets.
    """
    variances, axes = reduced.axes
    means, shares = class_means(reduced.learned, problem, rows)
    seen = shares > 0
    centre = means[seen].mean(dim=0)
    apart = (means - centre).where(seen[:, None], 0) @ axes
    spread = (means - shares @ means) @ axes * shares.sqrt()[:, None]
    parts = [_shrunk(variances, reduced.mean_variance, apart, spread, shrinkage) for shrinkage in shrinkages]
    weights = axes @ torch.cat(parts).T
    offsets = torch.stack([-(part * apart).sum(dim=1) / 2 for part in parts])
    unseen = offsets[:, seen].amin(dim=1, keepdim=True) + UNSEEN
    return weights, offsets.where(seen, unseen).flatten() - centre @ weights


def _shrunk(variances: Tensor, mean: Tensor, apart: Tensor, spread: Tensor, shrinkage: float) -> Tensor:
    """Class means times the inverse of the shrunk covariance within classes, along the axes, [classes, r].

    Args:
        variances: of all rows along the axes, [r].
        mean: variance of a value.
        apart: class means less their mean, along the axes, [classes, r].
        spread: class means less the mean of all rows, times the root of their share, [classes, r].
        shrinkage: in [0, 1].
    """
    shrunk = (1 - shrinkage) * variances + shrinkage * mean
    direct, across = apart / shrunk, (1 - shrinkage) ** 0.5 * spread / shrunk
    within, basis = torch.linalg.eigh(
        torch.eye(len(spread), device=spread.device) - (1 - shrinkage) ** 0.5 * spread @ across.T
    )
    inverse = basis @ torch.diag(1 / within.clamp(min=LEAST_WITHIN)) @ basis.T
    return direct + apart @ across.T @ inverse @ across


def class_means(x: Tensor, problem: Problem, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean of the rows of each class, [classes, d], 0 where it has none; and the classes' shares, [classes]."""
    members = torch.zeros(problem.classes, len(x), device=x.device)
    members[torch.from_numpy(problem.labels[rows]), torch.from_numpy(rows)] = 1
    counts = members.sum(dim=1)
    return members @ x / counts.clamp(min=1)[:, None], counts / counts.sum()
