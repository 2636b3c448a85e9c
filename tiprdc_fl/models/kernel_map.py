"""Features through random Fourier features, for the protections obliviator and leace with a Gaussian kernel."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from tiprdc_fl.models.projection import ALIGNED, aligned_product, constants
from tiprdc_fl.models.text import valid_steps

LEAST = 1e-6  # stands for an exact 0 in what is sent, because a step of zeros is padding
UNIT = 1e-12  # added to a squared length, so that a row of zeros has one


class KernelMap(nn.Module):
    """An encoder, whitened principal components of its features, and rounds of random Fourier features.

    Inputs -> components, float [batch, components] for images and [batch, length, components] for messages, whose
    padded steps stay zero. Steps of a message are mapped one by one. The device runs ``forward``; the collector
    runs ``restore``, components -> features.

    Args:
        encoder: inputs -> features z.
        shape: shape of one example's features; a leading -1 for messages.
        inputs: whitened components.
        components: values that each round gives, and that are sent after the last.
        fourier: random Fourier features of a round.
        rounds: number of rounds.
        hidden: units of both hidden layers of each round's perceptron; 0: the rounds have none.
    """

    def __init__(
        self,
        encoder: nn.Module,
        shape: tuple[int, ...],
        *,
        inputs: int,
        components: int,
        fourier: int,
        rounds: int,
        hidden: int,
    ):
        super().__init__()
        self.encoder, self.shape = encoder, shape
        size = shape[-1] if shape[0] < 0 else shape[0] * shape[1] * shape[2]
        self.mean, self.basis, self.back, self.middle = constants(
            (size,), (inputs, size), (components, size), (size,)
        )
        self.rounds = nn.ModuleList(
            Round(components if number else inputs, inputs, components, fourier, hidden)
            for number in range(rounds)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Components of a batch, computed in float32."""
        z = self.encoder(x).float()
        messages = self.shape[0] < 0
        with torch.autocast(x.device.type, enabled=False):
            rows = aligned_product((z if messages else z.flatten(1)) - self.mean, self.basis)
            for turn in self.rounds:
                rows = turn(rows)
            rows = torch.where(rows == 0, LEAST, rows)
        return rows * valid_steps(z).unsqueeze(2) if messages else rows

    def restore(self, components: Tensor) -> Tensor:
        """Converts components to features [batch, *shape] linearly; a step of zeros is padding and stays zero."""
        flat = components @ self.back + self.middle
        if self.shape[0] < 0:
            return flat * valid_steps(components).unsqueeze(2)
        return flat.reshape(len(flat), *self.shape)


class Round(nn.Module):
    """A perceptron where there is one, random Fourier features of its output, and directions of those.

    Rows float [..., inputs] -> [..., outputs]; with a perceptron both its output and the rows have length 1.

    Args:
        inputs: values of a row.
        embedded: values that the perceptron gives.
        outputs: directions.
        fourier: random Fourier features, an even number.
        hidden: units of the perceptron's two hidden layers; 0: there is no perceptron.
    """

    def __init__(self, inputs: int, embedded: int, outputs: int, fourier: int, hidden: int):
        super().__init__()
        sizes = [inputs, hidden, hidden, embedded] if hidden else []
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.frequencies, self.mean, self.basis = constants(
            (fourier // 2, embedded), (fourier,), (outputs, fourier)
        )

    def forward(self, rows: Tensor) -> Tensor:
        """The next rows."""
        lifted = fourier_features(self.embed(rows), self.frequencies)
        found = aligned_product(lifted - self.mean, self.basis)
        return _unit(found) if len(self.layers) else found

    def embed(self, rows: Tensor) -> Tensor:
        """The perceptron's output at length 1; the rows themselves where there is no perceptron."""
        for number, layer in enumerate(self.layers):
            rows = nn.functional.silu(rows) if number else rows
            rows = aligned_product(rows, layer.weight) + layer.bias  # pyright: ignore
        return _unit(rows) if len(self.layers) else rows


def rounds_of(network: KernelMap) -> list[Round]:
    """The rounds of a network, first to last."""
    return [turn for turn in network.rounds if isinstance(turn, Round)]


def fourier_features(rows: Tensor, frequencies: Tensor) -> Tensor:
    """Cosine and sine of each frequency: their products approximate a Gaussian kernel (Rahimi and Recht 2007).

    Args:
        rows: float [..., d].
        frequencies: normal, with the reciprocal of the kernel's bandwidth as standard deviation, [count, d].

    Returns:
        float [..., 2 * count], of length 1.
    """
    angles = aligned_product(rows, frequencies)
    return torch.cat([angles.cos(), angles.sin()], dim=-1) * len(frequencies) ** -0.5


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1. Squares are summed by a product, whose order does not depend on a row's address."""
    ones = rows.new_ones(ALIGNED, rows.shape[-1])
    return rows / (aligned_product(rows.square(), ones) + UNIT).sqrt()[..., :1]
