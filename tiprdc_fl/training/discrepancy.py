"""How differently features are distributed where u differs: ``hiding=mmd``, an adversary in closed form.

The maximum mean discrepancy (Gretton et al. 2012) is the most by which a function of a kernel's unit ball tells two
classes apart. Its gradient is that of an adversary who has converged, on every batch anew; one that is trained
follows the extractor from behind. Louizos et al. (2016) train representations for a known task with it; here it
stands for Eq. 8.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tiprdc_fl.models.text import valid_steps

BANDWIDTHS = (0.5, 1.0, 2.0)  # of the Gaussian kernels, times the root of the number of standardised values
POSITIONS = 64  # of an image's features, others in every batch where there are more
COARSE = 8  # positions along each side of an image's features as a whole
WEIGHT = 100.0  # brings budgets of 0.5 to 0.9 to where information in nats a pixel balances it


def discrepancy(z: Tensor, u: Tensor, people: Tensor) -> Tensor:
    """WEIGHT times the squared discrepancy, estimated without bias from one batch; 0 on average by chance.

    It is the mean over kernels and over what they see: of images every neighbourhood of 3x3 positions and the
    whole, of messages the mean of their states. Pairs of one person's examples do not count: they are alike
    whatever u is. Of more than two classes every pair counts by how well the batch knows it.

    Args:
        z: features, float [batch, c, h, w] or [batch, length, d].
        u: labels, int64 [batch, heads].
        people: person of each example, int64 [batch].

    Returns:
        A scalar without unit; 0 where the batch knows no two classes.
    """
    _, classes = u.unique(dim=0, return_inverse=True)
    hot = F.one_hot(classes).float()
    others = (people[:, None] != people).float()
    counts = hot.T @ others @ hot  # pairs of examples by their classes
    with torch.autocast(z.device.type, enabled=False):  # differences of means are small
        views = _views(z.float(), first=int(people.sum()))
        kernels = torch.stack([_kernel(view) for view in views]).mean(dim=0) * others
        means = hot.T @ kernels @ hot / counts.clamp_min(1)
    own = means.diagonal()
    squared = own[:, None] + own - 2 * means
    sizes = hot.sum(dim=0)
    known = (counts.diagonal() > 0)[:, None] & (counts.diagonal() > 0) & (counts > 0)
    weights = known.float().triu(1) * sizes[:, None] * sizes / (sizes[:, None] + sizes)
    return WEIGHT * (weights * squared).sum() / weights.sum().clamp_min(1e-6)


def _views(z: Tensor, first: int) -> list[Tensor]:
    """What the kernels see, float [batch, positions, values], standardised over the batch."""
    if z.dim() == 3:
        valid = valid_steps(z).unsqueeze(2)
        return [_standardised((z * valid).sum(dim=1) / valid.sum(dim=1)).unsqueeze(1)]
    coarse = F.adaptive_avg_pool2d(z, COARSE) if max(z.shape[2:]) > COARSE else z
    return [_neighbourhoods(_standardised(z), first), _standardised(coarse).flatten(1).unsqueeze(1)]


def _standardised(z: Tensor) -> Tensor:
    """Every value with mean 0 over the batch, every channel with variance 1.

    Neither shrinking the features hides anything then, nor a pattern that is the same for everybody.
    """
    centred = z - z.mean(dim=0)
    axes = tuple(axis for axis in range(z.dim()) if axis != 1)
    return centred / centred.square().mean(dim=axes, keepdim=True).sqrt().clamp_min(1e-20)


def _neighbourhoods(z: Tensor, first: int) -> Tensor:
    """3x3 neighbourhoods of POSITIONS positions at most, [batch, positions, 9 * c]; zeros beyond the border.

    Args:
        z: features, float [batch, c, h, w].
        first: a position; the others follow it at equal distances. From the batch, it is as random as the batch is.
    """
    height, breadth = z.shape[2:]
    count = height * breadth
    seen = min(POSITIONS, count)
    chosen = (first + torch.arange(seen, device=z.device) * count // seen) % count
    rows, columns = chosen // breadth, chosen % breadth
    padded = F.pad(z, (1, 1, 1, 1))
    parts = [padded[:, :, rows + i, columns + j] for i in range(3) for j in range(3)]
    return torch.cat(parts, dim=1).transpose(1, 2)


def _kernel(view: Tensor) -> Tensor:
    """Mean of the Gaussian kernels over bandwidths and positions, [batch, batch]."""
    rows = view.transpose(0, 1)  # [positions, batch, values]
    squares = rows.square().sum(dim=2)
    distances = squares[:, :, None] + squares[:, None] - 2 * rows @ rows.transpose(1, 2)
    size = 2 * view.shape[2]
    return sum(
        (torch.exp(-distances / (size * bandwidth**2)).mean(dim=0) for bandwidth in BANDWIDTHS),
        torch.zeros_like(distances[0]),
    ) / len(BANDWIDTHS)
