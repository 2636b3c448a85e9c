"""Nonlinear lifts: new values on which a linear rule is a nonlinear one on the old.

The kernel Fisher discriminant is a linear discriminant on random Fourier features (Rahimi and Recht 2007).
"""

import math
from functools import partial

import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.discriminant import class_means, discriminate
from tiprdc_fl.attacks.logistic import regress
from tiprdc_fl.attacks.problem import Answer, Problem
from tiprdc_fl.attacks.reduced import Reduced

FEATURES = 1024  # random Fourier features
COMPONENTS = 256  # principal components that they read
# Bandwidths as multiples of the root of twice the components' number, the usual distance of two rows.
BANDWIDTHS = (0.7, 2.0)
FACTORS = 45  # principal components that are multiplied with one another: 1,035 products
MOST_VALUES, KEPT = 64, 24  # values whose products are looked at one by one, and how many of these are kept


def discriminate_by_kernel(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Kernel Fisher discriminant with a Gaussian kernel; validation people choose the bandwidth too."""
    components = reduced.leading(COMPONENTS)
    answers = [
        discriminate(
            components.lifted(partial(fourier, bandwidth=bandwidth, seed=problems[0].seed)), problems
        )
        for bandwidth in BANDWIDTHS
    ]
    return [
        max(tried, key=lambda answer, problem=problem: problem.score(answer.validated))
        for problem, *tried in zip(problems, *answers, strict=True)
    ]


def fourier(x: Tensor, bandwidth: float, seed: int) -> Tensor:
    """Random Fourier features of a Gaussian kernel: rows [n, d] -> [n, FEATURES].

    Args:
        x: components of variance 1.
        bandwidth: the kernel's, as a multiple of sqrt(2 d).
        seed: seed of the frequencies.
    """
    generator = seeding.torch_generator(seed, "probe", "fourier")
    size = x.shape[1]
    frequencies = torch.randn(size, FEATURES, generator=generator) / (bandwidth * math.sqrt(2 * size))
    phases = torch.rand(FEATURES, generator=generator) * 2 * math.pi
    return torch.cos(x @ frequencies.to(x.device) + phases.to(x.device))


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
