"""Inversion of a frozen extractor: the image whose features are nearest to those that were sent.

The adversary has the extractor. It searches images by gradient descent on the distance of their features, with
total variation as a prior of natural images (Mahendran and Vedaldi 2015). The decoder of ``reconstruction`` learns
what images look like; the inversion knows nothing of them beyond the prior, and looks through the very extractor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from tiprdc_fl.attacks.averaging import WeightAverage
from tiprdc_fl.attacks.convergence import Course, checks
from tiprdc_fl.attacks.fitting import Fit, split_rows, to_device
from tiprdc_fl.attacks.reconstruction import Images, as_bytes, likeness, spread
from tiprdc_fl.attacks.similarity import Similarity

RATE = 0.2  # Adam's learning rate at the start, for pixels in [0, 1]
SLOWED_AFTER = (
    100  # steps after which the rate has fallen to 0.71 of that; it falls with the root of the steps
)
TOLERANCE = 0.05  # share of the loss; a doubling of the steps that lowers it by less is the last
FEWEST = 128  # steps before which an inversion does not count as converged
STRENGTHS = (0.1, 0.3, 1.0, 3.0)  # of the prior; the one that suits the adversary's own images best is taken
TRIED = 16  # of the adversary's own images, each of another person, to choose the strength on
TRIAL_STEPS = 512  # at most, to choose it
SCALED = 512  # of the adversary's own rows, on which deviations of the channels are measured
MEASURED = 64  # images to invert, each of another person
BATCH = 32  # images that pass through the extractor at a time
SMOOTH = 1e-4  # added under the root of the total variation, which has no gradient at zero

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Inversion:
    """Images searched for the features of a few measured examples.

    Attributes:
        rows: numbers of the measured rows that were inverted, int64 [k].
        inverted: similarity of the images to the originals.
        decoder: similarity of the decoder's images of the same examples.
        strength: weight of the prior.
        course: losses of the optimisation, and whether it has converged.
        pictures: the images, uint8 [k, 3, h, w].
    """

    rows: np.ndarray
    inverted: Similarity
    decoder: Similarity
    strength: float
    course: Course
    pictures: Tensor


def invert_rows(
    encode: Encode,
    own: Images,
    measured: Images,
    rebuild: Callable[[np.ndarray], Tensor],
    start: Tensor,
    fit: Fit,
    on_step: Callable[[], None],
) -> Inversion:
    """Inverts the features of the first example of up to MEASURED people.

    The distance is over channels divided by their standard deviation among the adversary's own features. The
    prior's strength is that of STRENGTHS which gives the least mean absolute error on TRIED images of the
    adversary's validation people.

    Args:
        encode: images float [n, 3, h, w] -> features as the adversary sees them; differentiable.
        own: rows of the adversary's own people.
        measured: rows of the people to invert.
        rebuild: row numbers of ``measured`` -> the decoder's images, to compare with.
        start: image that every search starts from, float [3, h, w] in [0, 1].
        fit: seed, device and upper bound of the steps.
        on_step: called after each step.
    """
    training, validation = split_rows(own.people, fit.seed)
    scales = channel_scales(own.read(spread(training, SCALED)))
    tried = validation[_first_of_each(own.people[validation])][:TRIED]
    strength = _best_strength(encode, own, tried, start, scales, fit, on_step)
    rows = _first_of_each(measured.people)[:MEASURED]
    weight = torch.full((len(rows),), strength)
    images, course = invert(encode, measured.read(rows), start, scales, weight, fit, on_step)
    place = dict(zip(rows.tolist(), range(len(rows)), strict=True))
    return Inversion(
        rows=rows,
        inverted=likeness(
            lambda chosen: images[[place[row] for row in chosen.tolist()]], measured.target, rows, fit
        ),
        decoder=likeness(rebuild, measured.target, rows, fit),
        strength=strength,
        course=course,
        pictures=as_bytes(images),
    )


def _first_of_each(people: np.ndarray) -> np.ndarray:
    """Position of each person's first row, in the order of the people's ids."""
    return np.unique(people, return_index=True)[1]


def _best_strength(
    encode: Encode,
    own: Images,
    tried: np.ndarray,
    start: Tensor,
    scales: Tensor,
    fit: Fit,
    on_step: Callable[[], None],
) -> float:
    """The strength of the prior with the least mean absolute error on the tried rows."""
    z, originals = own.read(tried), own.target(tried)
    images, _ = invert(
        encode=encode,
        z=z.repeat(len(STRENGTHS), *[1] * (z.dim() - 1)),
        start=start,
        scales=scales,
        strengths=torch.tensor(STRENGTHS).repeat_interleave(len(tried)),
        fit=replace(fit, steps=min(fit.steps, TRIAL_STEPS)),
        on_step=on_step,
    )
    errors = (images.view(len(STRENGTHS), *originals.shape) - originals).abs().mean(dim=(1, 2, 3, 4))
    return STRENGTHS[int(errors.argmin())]


def channel_scales(z: Tensor) -> Tensor:
    """Standard deviation of each channel of features [n, c, ...], float [c, 1, ...]; infinite if it is constant."""
    z = z.float().transpose(0, 1)
    scales = z.flatten(1).std(dim=1)
    scales[scales <= 1e-6 * z.flatten(1).abs().amax(dim=1)] = torch.inf
    return scales.view(-1, *[1] * (z.dim() - 2))


class _Guess(nn.Module):
    """The images that are searched: the parameters of a network without inputs."""

    def __init__(self, images: Tensor):
        super().__init__()
        self.images = nn.Parameter(images)


def invert(
    encode: Encode,
    z: Tensor,
    start: Tensor,
    scales: Tensor,
    strengths: Tensor,
    fit: Fit,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Course]:
    """Searches for each example the image that minimises |f(x) - z|^2 + strength * total variation, by Adam.

    Both terms are means over their values. The images do not influence one another. The rate falls with the root of
    the steps, which suits any number of them, and the images are averages over the latest tenth of the steps. The
    search ends where the last doubling of its steps has hardly lowered the mean loss.

    Args:
        encode: images float [n, 3, h, w] -> features [n, *shape]; differentiable, and an image at a time.
        z: features to invert, float [n, *shape].
        start: image that every search starts from, float [3, h, w].
        scales: divisor of the features' differences, broadcast over [n, *shape].
        strengths: weight of the prior for each example, float [n].
        fit: upper bound of the steps, and the device.
        on_step: called after each step.

    Returns:
        The images, float [n, 3, h, w] in [0, 1] on the CPU, and the course of the mean loss.
    """
    targets, weights = to_device(z.float().clone(), fit.device), strengths.to(fit.device)
    divisor = scales.to(fit.device)

    def losses(images: Tensor, part: slice) -> Tensor:
        difference = (encode(images[part]).float() - targets[part]) / divisor
        return difference.square().flatten(1).mean(dim=1) + weights[part] * variation(images[part])

    images = start.expand(len(z), -1, -1, -1).clone().to(fit.device)
    return _descend(images, losses, fit, on_step)


def _descend(
    start: Tensor, losses: Callable[[Tensor, slice], Tensor], fit: Fit, on_step: Callable[[], None]
) -> tuple[Tensor, Course]:
    """Lowers the losses of images by Adam.

    Args:
        start: the images at the start, float [n, 3, h, w].
        losses: (images [n, 3, h, w], some of the rows) -> loss of each of these, float [rows].
        fit: upper bound of the steps.
        on_step: called after each step.

    Returns:
        As ``invert``: averaged images of the check with the least mean loss, and the course of that loss.
    """
    guess, best = _Guess(start), start.clone()
    optimiser = torch.optim.Adam(guess.parameters(), RATE)
    schedule = LambdaLR(optimiser, lambda step: (1 + step / SLOWED_AFTER) ** -0.5)
    average, course, due = WeightAverage(guess), Course(TOLERANCE, FEWEST), set(checks(fit.steps))
    parts = [slice(first, first + BATCH) for first in range(0, len(start), BATCH)]
    for step in range(fit.steps):
        optimiser.zero_grad(set_to_none=True)
        for part in parts:
            losses(guess.images, part).sum().backward()
        optimiser.step()
        schedule.step()
        guess.images.data.clamp_(0, 1)
        average.update(guess, step)
        on_step()
        if step + 1 in due:
            (images,) = average.network.parameters()
            with torch.no_grad():
                loss = float(torch.cat([losses(images, part) for part in parts]).mean())
            if course.add(step + 1, loss):
                best = images.clone()
            if course.converged:
                break
    return best.cpu(), course


def variation(images: Tensor) -> Tensor:
    """Total variation of each image: mean length of the gradient over pixels and colours, [n, 3, h, w] -> [n]."""
    down = (images[..., 1:, :-1] - images[..., :-1, :-1]).square()
    right = (images[..., :-1, 1:] - images[..., :-1, :-1]).square()
    return (down + right + SMOOTH).sqrt().mean(dim=(1, 2, 3))
