"""Nonlinear lifts: new values on which a linear rule is a nonlinear one on the old.

The kernel Fisher discriminant is a linear discriminant on the kernel's values at some rows, the landmarks:
Nystrom's approximation (Williams and Seeger 2001), which is exact where there are fewer rows than landmarks. Random
Fourier features would need many times as many values where the components are many.
"""

import math

import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.discriminant import class_means, discriminate
from tiprdc_fl.attacks.logistic import regress
from tiprdc_fl.attacks.problem import Answer, Problem
from tiprdc_fl.attacks.reduced import Reduced

LANDMARKS = 2048  # rows, drawn at random, with which all are compared
COMPONENTS = 256  # principal components in which rows are compared
# Standard deviation of the kernel as a multiple of the root of twice the components' number, the usual distance of
# two rows. Between 0.7 and 1.4 little depends on it.
BANDWIDTH = 1.0
JITTER = 1e-5  # added to the landmarks' kernel, so that it can be factored
BATCH = 4096  # rows that are compared at a time
FACTORS = 45  # principal components that are multiplied with one another: 1,035 products
MOST_VALUES, KEPT = 64, 24  # values whose products are looked at one by one, and how many of these are kept


def discriminate_by_kernel(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Kernel Fisher discriminant with a Gaussian kernel (Mika et al. 1999)."""
    rows = reduced.leading(COMPONENTS)
    order = seeding.generator(problems[0].seed, "probe", "landmarks").permutation(len(rows.learned))
    landmarks = rows.learned[torch.from_numpy(order[:LANDMARKS])]
    factor = factored(landmarks)
    learned, measured = (compared(side, landmarks, factor) for side in (rows.learned, rows.measured))
    centre = learned.mean(dim=0)  # no value is scaled: the least would count as much as the first
    return discriminate(Reduced(learned - centre, measured - centre), problems)


def factored(landmarks: Tensor) -> Tensor:
    """What turns the kernel's values at the landmarks [m, d] into those of ``compared``, float32 [m, m]."""
    # In double precision: float32 tells near landmarks apart too badly for a factor to exist.
    own = _kernel(landmarks.double(), landmarks.double())
    factor = torch.linalg.cholesky(own + JITTER * torch.eye(len(own), device=own.device))
    return torch.linalg.inv(factor).T.float()


def compared(x: Tensor, landmarks: Tensor, factor: Tensor) -> Tensor:
    """Values whose inner products are the kernel's, as nearly as the landmarks span it: [n, d] -> [n, m].

    Args:
        x: rows of components of variance 1, float32 [n, d].
        landmarks: some of such rows, [m, d].
        factor: of the landmarks, as ``factored`` gives it.
    """
    return torch.cat([_kernel(part, landmarks) @ factor for part in x.split(BATCH)])


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """The Gaussian kernel of every two rows, [n, m]."""
    width = BANDWIDTH * math.sqrt(2 * x.shape[1])
    return torch.exp(-torch.cdist(x, y).square() / (2 * width**2))


def regress_on_products(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Logistic regression on the leading components and all their products: a kernel of degree two.

    Products have heavy tails, to which a discriminant gives too much weight. Where one product says it all and rows
    are few, the many others drown it. So of at most MOST_VALUES values, those values and products that separate
    the classes best are tried alone, too, and validation people choose.
    """
    answers = regress(reduced.leading(FACTORS).lifted(products), problems)
    if reduced.learned.shape[1] > MOST_VALUES:
        return answers
    lifted = reduced.lifted(products)
    return [
        max(answer, _of_few(lifted, problem), key=lambda one, problem=problem: problem.score(one.validated))
        for answer, problem in zip(answers, problems, strict=True)
    ]


def _of_few(lifted: Reduced, problem: Problem) -> Answer:
    """Logistic regression on the KEPT standardised values whose means differ most between the classes."""
    means, shares = class_means(lifted.learned, problem, problem.training)
    # Values are standardised over everybody's rows; a source's own mean may be far from 0.
    between = shares @ (means - shares @ means) ** 2
    kept = between.argsort(descending=True, stable=True)[:KEPT]
    (answer,) = regress(Reduced(lifted.learned[:, kept], lifted.measured[:, kept]), [problem])
    return answer


def products(x: Tensor) -> Tensor:
    """Values and products of two values, squares included: [n, d] -> [n, d + d (d + 1) / 2]."""
    first, second = torch.triu_indices(x.shape[1], x.shape[1], device=x.device)
    return torch.cat([x, x[:, first] * x[:, second]], dim=1)
