"""A moving average of a network's weights: the state of a training at a constant rate, less that rate's noise.

A schedule that ends at a rate of zero gives good weights at its last step only, and its length must be known
beforehand. Weights averaged over the latest steps are about as good after every step, so that a training can end
where it stops improving (Polyak and Juditsky 1992; Shamir and Zhang 2013).
"""

import copy

import torch
from torch import Tensor, nn

SHARE = 0.1  # of the steps so far that the average covers


class WeightAverage:
    """Average of a network's weights, and of its batch statistics, over the latest steps.

    After t steps the average covers about the latest SHARE * t of them, so that the first steps are forgotten at
    any length of the training (polynomial decay, Shamir and Zhang 2013), and at most ``horizon``.

    Args:
        network: network in training, on its device.
        horizon: largest number of steps that the average covers.

    Attributes:
        network: copy of the network with the averaged weights, in evaluation mode and without gradients.
    """

    def __init__(self, network: nn.Module, horizon: float = float("inf")):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.horizon = horizon
        self._numbers, self._counters = _tensors(self.network)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Adds the network's weights after a step; its counters are copied.

        Args:
            network: network in training, with the layers of the one at the start.
            step: number of the step, from 0; step 0 replaces the average.
        """
        numbers, counters = _tensors(network)
        weight = 1 / min(self.horizon, 1 + SHARE * step)
        torch._foreach_lerp_(self._numbers, numbers, weight)  # pyright: ignore[reportPrivateImportUsage]
        for average, counter in zip(self._counters, counters, strict=True):
            average.copy_(counter)

    def load_into(self, network: nn.Module) -> None:
        """Gives a network of the same layers the averaged weights and batch statistics."""
        network.load_state_dict(self.network.state_dict())


def _tensors(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and buffers of a network: those that can be averaged, and counters (of batches, int64)."""
    tensors = [*network.parameters(), *network.buffers()]
    numbers = [tensor for tensor in tensors if tensor.is_floating_point()]
    return numbers, [tensor for tensor in tensors if not tensor.is_floating_point()]
