"""Ratios of densities: how likely a row is under each class, by a kernel density estimate (Parzen 1962).

What few components tell of a class is small in one row and adds up over a person's: the logarithm of the ratio of
two densities is what does add up (Neyman and Pearson), and no linear rule has it.
"""

import math

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.problem import Answer, Problem, last_of_best
from tiprdc_fl.attacks.reduced import Reduced

COMPONENTS = 64  # principal components in which rows are near
WINDOWS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4)  # standard deviations of the window, on components of variance 1
MOST_ROWS = 10_000  # points, drawn at random
BATCH = 2048  # rows that are compared at a time
UNSEEN = -1e4  # logit of a class without points


def learn_density(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """The logarithm of each class's density at a row; validation people choose the window."""
    rows = reduced.leading(COMPONENTS)
    return [_answer(rows, problem) for problem in problems]


def _answer(rows: Reduced, problem: Problem) -> Answer:
    points = problem.training
    if len(points) > MOST_ROWS:
        points = seeding.generator(problem.seed, "density", "points").permutation(points)[:MOST_ROWS]
    known, labels = rows.learned[torch.from_numpy(points)], problem.labels[points]
    classes = [known[torch.from_numpy(np.flatnonzero(labels == value))] for value in range(problem.classes)]
    validation = rows.learned[torch.from_numpy(problem.validation)]
    tried = [_densities(validation, classes, window) for window in WINDOWS]
    best = last_of_best([problem.score(logits) for logits in tried])
    return Answer(tried[best], _densities(rows.measured, classes, WINDOWS[best]))


def _densities(x: Tensor, classes: list[Tensor], window: float) -> np.ndarray:
    """Logarithms of the classes' densities at rows [n, d], but for a common constant, float32 [n, classes]."""
    columns = [
        _density(x, points, window) if len(points) else x.new_full((len(x),), UNSEEN) for points in classes
    ]
    return torch.stack(columns, dim=1).cpu().numpy()


def _density(x: Tensor, points: Tensor, window: float) -> Tensor:
    distances = (torch.cdist(part, points) for part in x.split(BATCH))
    sums = [(-(distance**2) / (2 * window**2)).logsumexp(dim=1) for distance in distances]
    return torch.cat(sums) - math.log(len(points))
