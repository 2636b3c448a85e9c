"""How near to an image anyone can come from noisy components, by their Fisher information.

A device sends z = f(x) + N(0, sigma^2) of an image x with d values in [0, 1]. With J, the Jacobian [k, d] of f at
x, the information of z on x is J^T J / sigma^2. Its mean diagonal is the diagonal Fisher information leakage

    dFIL = Tr(J^T J) / (d sigma^2)                                                (Maeng et al. 2023).

Two bounds on a reconstruction's mean squared error follow, whatever the attacker computes:

* 1 / dFIL where it is unbiased (Cramer and Rao; Maeng et al. 2023). With k < d the information has no inverse, so
  no reconstruction is unbiased for every image, and this bound alone says little.
* Tr((E[J^T J] / sigma^2 + S^-1)^-1) / d on average over images that are normal with covariance S (van Trees; Gill
  and Levit 1995). This attacker knows mean and covariance of images and no more. One who knows more, such as a
  generator of faces, may come nearer. From few images E[J^T J] has too low a rank, which makes the error too large
  (by a twentieth from 8 generated faces at a noise multiplier of 0.01), and so has S, which makes it too small: an
  estimate.

f is the network in float32, also where a device computes in bfloat16. It is Lipschitz, as the second bound asks:
its gradient is 0 where a component is clipped, and it lacks one only at single points. Noise of other examples is
independent, so each example has its own bound; n times the same image have n times the information.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.protections.protection import Collected, ReconstructionBound

EXAMPLES, FEWEST = 64, 8  # images at which the Jacobian is computed: fewer of large ones
WORK = 2**22  # values of all of them after the first convolution
COVARIANCE = 512  # images that the covariance is estimated from, unless they are large
COVARIANCE_VALUES = 2**25  # 128 MB of float32
BATCH = 8
GREY = 255  # levels of a value in [0, 1]


def bound_reconstruction(extractor: Extractor, collected: Collected) -> ReconstructionBound | None:
    """The bounds for images, estimated on the collector's; None for messages, and for a person's mean.

    Args:
        extractor: sends k components of an image, with Gaussian noise.
        collected: holds the collector's images.
    """
    architecture = extractor.architecture
    if architecture.modality != "image" or architecture.per != "example":
        return None
    values, order = 3 * int(np.prod(architecture.image_size)), _order(collected)
    known = collected.read(order[: max(FEWEST, min(COVARIANCE, COVARIANCE_VALUES // values))]).flatten(1)
    deviations = (known - known.mean(dim=0)) / max(1, len(known) - 1) ** 0.5
    x = collected.read(order[: _examples(architecture)])
    information, seen = information_of(extractor.network, x, deviations, architecture.noise_scale)
    error, blind = informed_error(seen, deviations, len(x))
    return ReconstructionBound(
        examples=len(x),
        values=values,
        information=float(information.mean()),
        unbiased=GREY * float(information.max()) ** -0.5 if information.max() > 0 else None,
        informed=GREY * (error / values) ** 0.5,
        mean_image=GREY * (blind / values) ** 0.5,
    )


def jacobian(network: nn.Module, x: Tensor) -> Tensor:
    """Jacobians of a network that maps each example by itself, by k backward passes.

    Args:
        network: float32 [n, ...] -> [n, k].
        x: float32 [n, ...] with d values each.

    Returns:
        float32 [n, k, d].
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        totals = network(x).sum(dim=0)
        parts = [torch.autograd.grad(total, x, retain_graph=True)[0].flatten(1) for total in totals]
    return torch.stack(parts, dim=1)


def information_of(network: nn.Module, x: Tensor, deviations: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """What noisy outputs say of each input, and of each input along some directions.

    Args:
        network: as for ``jacobian``.
        x: float32 [n, ...] with d values each.
        deviations: directions, float32 [m, d].
        sigma: standard deviation of the noise on each output.

    Returns:
        dFIL of each input, float64 [n]; and J D^T / sigma, float64 [n * k, m].
    """
    information, seen = [], []
    for part in x.split(BATCH):
        rows = jacobian(network, part) / sigma
        information.append(rows.double().square().mean(dim=2).sum(dim=1))
        seen.append((rows @ deviations.T).flatten(0, 1).double())
    return torch.cat(information), torch.cat(seen)


def informed_error(seen: Tensor, deviations: Tensor, examples: int) -> tuple[float, float]:
    """The bound for normal images, and the error of their mean: squared errors, summed over an image's values.

    Images are mean + D^T t with t ~ N(0, I). On t, prior and outputs have the information
    I + E[D J^T J D^T] / sigma^2.

    Args:
        seen: J D^T / sigma of all examples, float64 [n * k, m].
        deviations: D, the root of the covariance D^T D, float32 [m, d].
        examples: n.
    """
    gram = (deviations @ deviations.T).double()
    information = torch.eye(len(gram), dtype=torch.float64) + seen.T @ seen / examples
    return float(torch.linalg.solve(information, gram).trace()), float(gram.trace())


def _order(collected: Collected) -> np.ndarray:
    """The collector's examples in random order."""
    return seeding.generator(collected.seed, "reconstruction bound").permutation(collected.examples)


def _examples(architecture: Architecture) -> int:
    """How many images the Jacobian is computed at: backward passes of large ones take long."""
    height, breadth = architecture.image_size
    return max(FEWEST, min(EXAMPLES, WORK // (height * breadth * architecture.width)))
