"""Training's speed: the hybrid step against Algorithm 1 as it is written, and against its convolutions."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.optim import Adam

from simulations.benchmarks.scaling.equality import measure_equality
from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.literal import literal_step, networks_like
from simulations.benchmarks.scaling.roofline import (
    CONVOLUTIONS,
    PRODUCTS,
    calls_of,
    operations,
    repeat,
    shares,
)
from simulations.benchmarks.scaling.setting import (
    BUDGET,
    DECAY,
    RATE,
    Batch,
    Size,
    batch_of,
    chosen_precision,
    players_of,
    step,
)
from simulations.benchmarks.scaling.trials import (
    Way,
    measure_compiled,
    measure_surroundings,
    measure_trials,
    with_adam,
)
from simulations.benchmarks.scaling.turns import rate, seconds_in_turns, time
from tiprdc_fl.training.hybrid import Players

Say = Callable[[str], None]

LITERAL = "Algorithm 1 written literally, float32"
# Size, turns, and how many times faster than the literal form the step is to be. At width 64 a literal step takes
# ten seconds and more: a batch of half the paper's 64, and few turns. Still smaller ones flatter the literal form:
# casts of the weights and Adam take as long for few images as for many.
QUICK = ((Size(32, 16, 64), 3, None), (Size(64, 16, 64), 3, 3.0))
FULL = ((Size(64, 16, 64), 9, 3.0), (Size(64, 32, 64), 5, 6.0), (Size(64, 64, 32), 3, 6.0))
EQUAL = Size(32, 4, 64)
KERNEL_STEPS = 3  # whose kernels are timed one by one
PRODUCT = 2048  # side of the matrices whose product shows what the processor can do


def measure_training(quick: bool, say: Say) -> list[Measured]:
    """Every figure of the server's training; see the module.

    Args:
        quick: smaller sizes and fewer turns, about a minute in all.
        say: shows a line of progress.

    Raises:
        ArithmeticError: the step and the literal form do not compute the same.
    """
    say(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {chosen_precision()}")
    found = measure_equality(EQUAL, say)
    for size, turns, goal in QUICK if quick else FULL:
        found += measure_step(size, turns, goal, say)
        if not quick:
            found += measure_trials(size, turns, say)
    first, turns, _ = (QUICK if quick else FULL)[0]
    found += measure_surroundings(first, turns, say)
    return found if quick else found + measure_ladder(first, turns, say) + measure_compiled(first, turns, say)


def measure_step(size: Size, turns: int, goal: float | None, say: Say) -> list[Measured]:
    """One step beside the literal form's, beside its convolutions alone, and beside a matrix product."""
    batch, players = batch_of(size), players_of(size, chosen_precision())
    work = partial(step, players, batch)
    work()  # the first step sets optimisers up, and weights away from zero
    calls = calls_of(work)
    parts = {
        kind: partial(repeat, [call for call in calls if call.operator in operators])
        for kind, operators in (("convolutions", CONVOLUTIONS), ("products", PRODUCTS))
    }
    ways = {"ours": work, "literal": literally(size, batch), **parts, "square": square(players)}
    found = seconds_in_turns(ways, turns)
    ours, convolutions = found["ours"], found["convolutions"]
    kernels = convolutions + found["products"]
    measured = [
        replace(rate("training", f"step, {size}", LITERAL, size.batch, ours, found["literal"]), goal=goal),
        time("training", f"step, {size}", "its convolutions alone", ours, convolutions),
        time("training", f"step, {size}", "its convolutions and matrix products alone", ours, kernels),
        _efficiency(size, operations(work), kernels, found["square"]),
    ]
    for one in measured:
        say(f"{one.what}: {one.value:,.1f} {one.unit}, {one.ratio:.2f} times {one.against}")
    return measured + _kernels(size, work, 1e3 * float(np.median(ours)), say)


def _kernels(size: Size, work: Way, step_ms: float, say: Say) -> list[Measured]:
    """What the step's time goes into, by kind of kernel."""
    found = shares(work, KERNEL_STEPS)
    say(f"step, {size}: " + ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in found.items()))
    return [
        Measured("training", f"{kind}, {size}", share * step_ms, "ms", "the step", step_ms, None)
        for kind, share in found.items()
    ]


def literally(size: Size, batch: Batch) -> Way:
    """A literal step on the same images, from the same first weights."""
    networks = networks_like(
        players_of(size, "float32"), lambda weights: Adam(weights, RATE, weight_decay=DECAY)
    )
    x, u = batch.x.contiguous(), batch.u[:, 0]
    return lambda: literal_step(networks, x, u, batch.order, BUDGET)


def square(players: Players) -> Way:
    """A product of two matrices large enough to be computed as fast as the processor can."""
    kind = torch.bfloat16 if players.precision == "bfloat16" else torch.float32
    matrix = torch.ones(PRODUCT, PRODUCT, dtype=kind)
    return lambda: matrix @ matrix


def _efficiency(size: Size, count: float, kernels: np.ndarray, product: np.ndarray) -> Measured:
    """How far the step's own kernels are from the processor's best: what better kernels could gain at most."""
    speed = count / float(np.median(kernels)) / 1e9
    gain = float(np.median(2 * PRODUCT**3 / product / (count / kernels)))
    what = f"convolutions and matrix products of a step, {size}"
    return Measured("training", what, speed, "GFLOP/s", "a large matrix product", speed * gain, None)


def measure_ladder(size: Size, turns: int, say: Say) -> list[Measured]:
    """Where the gain comes from: from the literal form to the project's step, one change after another."""
    batch = batch_of(size)
    plain = replace(batch, x=batch.x.contiguous())
    slow = [with_adam(players_of(size, "float32")) for _ in range(2)]
    contiguous(slow[0])
    ways: dict[str, Way] = {
        LITERAL: literally(size, batch),
        "one pass of the extractor, no gradients to throw away": partial(step, slow[0], plain),
        "and channels last": partial(step, slow[1], batch),
        "and bfloat16": partial(step, with_adam(players_of(size, chosen_precision())), batch),
        "and fused Adam: the step as it is": partial(step, players_of(size, chosen_precision()), batch),
    }
    found = seconds_in_turns(ways, turns)
    base = found.pop(LITERAL)
    measured = []
    for name, seconds in found.items():
        measured.append(rate("training", f"{name}, {size}", LITERAL, size.batch, seconds, base))
        say(f"{measured[-1].what}: {measured[-1].ratio:.2f} times {LITERAL}")
    return measured


def contiguous(players: Players) -> None:
    """Puts the weights into PyTorch's own memory format."""
    networks: tuple[nn.Module, ...] = (players.extractor, players.adversary, players.estimator)
    for network in networks:
        network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
