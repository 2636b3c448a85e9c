"""What a step cannot go below: its convolutions and matrix products alone, as it calls them, and nothing else."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from tiprdc_fl import seeding

# What a kernel's name contains -> what it does; the first that fits.
KINDS = {
    "convolution": "convolutions",
    "mm": "matrix products",
    "batch_norm": "batch normalisation",
    "max_pool": "pooling",
    "clamp_min": "ReLU",
    "relu": "ReLU",
    "threshold": "ReLU",
    "adam": "Adam",
    "_to_copy": "casts",
    "bernoulli": "dropout's random numbers",
}
CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)
PRODUCTS = (torch.ops.aten.addmm.default, torch.ops.aten.mm.default)


@dataclass(frozen=True)
class Call:
    """One call of an operator, to be repeated.

    Attributes:
        operator: one of CONVOLUTIONS or PRODUCTS.
        arguments: other numbers in tensors of the same shapes, strides and types; what else was given is as it
            was, in particular which gradients a backward convolution has to compute (``output_mask``).
    """

    operator: OpOverload
    arguments: tuple[Any, ...]


class _Noting(TorchDispatchMode):
    """Notes calls on their way to the CPU's kernels: below autograd and autocast, so as they are carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in CONVOLUTIONS or func in PRODUCTS:
            self.calls.append(Call(func, tree_map_only(Tensor, _likeness, args)))
        return func(*args, **(kwargs or {}))


class _Timing(TorchDispatchMode):
    """Adds up the time in kernels, by what they do."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        start = perf_counter()
        result = func(*args, **(kwargs or {}))
        kind = next((kind for part, kind in KINDS.items() if part in func.__name__), "the rest")
        self.seconds[kind] += perf_counter() - start
        return result


def shares(step: Callable[[], object], times: int) -> dict[str, float]:
    """Share of each kind of kernel in the time that a step spends in kernels, largest first."""
    with _Timing() as timing:
        for _ in range(times):
            step()
    whole = sum(timing.seconds.values())
    longest_first = sorted(timing.seconds.items(), key=lambda item: -item[1])
    return {kind: seconds / whole for kind, seconds in longest_first}


def calls_of(step: Callable[[], object]) -> list[Call]:
    """The convolutions and matrix products of a step, forward and backward, in their order."""
    seeding.seed_torch(0, "scaling", "roofline")
    with _Noting() as noting:
        step()
    return noting.calls


def repeat(calls: list[Call]) -> None:
    """Makes the calls again; what they return is dropped at once, as a step drops most of it."""
    with torch.no_grad():
        for call in calls:
            call.operator(*call.arguments)


def operations(step: Callable[[], object]) -> float:
    """Floating point operations of a step's convolutions and matrix products; multiply and add are two."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def _likeness(tensor: Tensor) -> Tensor:
    """Random numbers in the shape, strides and type of a tensor; neither zeros nor denormals flatter a kernel."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype).normal_()
