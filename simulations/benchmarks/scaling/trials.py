"""What else might make a step faster, each beside the step as it is."""

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.setting import (
    DECAY,
    RATE,
    Batch,
    Size,
    batch_of,
    chosen_precision,
    players_of,
    step,
)
from simulations.benchmarks.scaling.turns import rate, seconds_in_turns, time
from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import batch_reader
from tiprdc_fl.models.image import ImageEstimator
from tiprdc_fl.training import hybrid
from tiprdc_fl.training.hybrid import Players
from tiprdc_fl.training.objectives import jensen_shannon_bound

Way = Callable[[], object]
AS_IT_IS = "the step as it is"


def measure_trials(size: Size, turns: int, say: Callable[[str], None]) -> list[Measured]:
    """Images a second with one thing changed, beside those of the step as it is: above 1 is a gain."""
    players = _fresh(size)  # one for all: at width 64 their weights, gradients and moments take 1.2 GB
    ways = {AS_IT_IS: _stepping(players, batch_of(size)), **_ways(players, batch_of(size))}
    if torch.get_num_threads() > 1:
        ways["one thread"] = on_one_thread(ways[AS_IT_IS])
    found = seconds_in_turns(ways, turns)
    base = found.pop(AS_IT_IS)
    return [_gain(size, name, seconds, base, say) for name, seconds in found.items()]


def _ways(players: Players, batch: Batch) -> dict[str, Way]:
    """What is tried with as many threads as there are."""
    work = _stepping(players, batch)
    return {
        "Adam's foreach form": _stepping(with_adam(players, foreach=True), batch),
        "Adam, neither fused nor foreach": _stepping(with_adam(players, foreach=False), batch),
        "denormals flushed to zero": flushing(work),
        "scores of x and x' in one batch": in_one_batch(work),
        "ReLU before every pooling": rectifying_first(players, work),
    }


def measure_compiled(size: Size, turns: int, say: Callable[[str], None]) -> list[Measured]:
    """The step on compiled networks, where normalisation, ReLU and pooling are one; needs a C++ compiler."""
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        say("torch.compile: this machine has no C++ compiler, not tried")
        return []
    batch, players = batch_of(size), _fresh(size)
    for network in (players.extractor, players.adversary, players.estimator):
        for part in convolutional(network):
            part.compile()
    start = perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):  # it tells of the CUDA that this machine lacks
        step(players, batch)
    say(f"torch.compile: {perf_counter() - start:.0f} s to compile, before the first step")
    ways = {AS_IT_IS: _stepping(_fresh(size), batch), "torch.compile": _stepping(players, batch)}
    found = seconds_in_turns(ways, turns)
    return [_gain(size, "torch.compile", found["torch.compile"], found[AS_IT_IS], say)]


def measure_surroundings(size: Size, turns: int, say: Callable[[str], None]) -> list[Measured]:
    """What ``train_extractor`` does around a step: reading the batch, and taking the losses off the tensors."""
    players, batch = _fresh(size), batch_of(size)
    generator = seeding.generator(0, "scaling", "rows")
    stored = torch.zeros(20 * size.batch, 3, size.side, size.side, dtype=torch.uint8)
    read = batch_reader(Architecture("image", size.width, (size.side, size.side)), stored)
    losses = step(players, batch)
    found = seconds_in_turns(
        {
            "step": _stepping(players, batch),
            "reading a batch": lambda: read(generator.permutation(len(stored))[: size.batch]),
            "taking the losses": lambda: np.isfinite(losses.cpu().numpy().astype(float)).all(),
        },
        turns,
    )
    whole = found.pop("step")
    measured = [
        time("training", f"{name}, {size}", "the step", seconds, whole) for name, seconds in found.items()
    ]
    for one in measured:
        say(f"{one.what}: {100 * one.ratio:.2f} % of the step's time")
    return measured


def _gain(
    size: Size, name: str, seconds: np.ndarray, base: np.ndarray, say: Callable[[str], None]
) -> Measured:
    measured = rate("training", f"{name}, {size}", AS_IT_IS, size.batch, seconds, base)
    say(f"{measured.what}: {measured.ratio:.2f} times {AS_IT_IS}")
    return measured


def _fresh(size: Size) -> Players:
    return players_of(size, chosen_precision())


def _stepping(players: Players, batch: Batch) -> Way:
    return lambda: step(players, batch)


def with_adam(players: Players, **form: Any) -> Players:
    """The same networks with Adam in another form."""
    networks = {"theta": players.extractor, "psi": players.adversary, "omega": players.estimator}
    forms: dict[str, Any] = {
        name: Adam(network.parameters(), RATE, weight_decay=DECAY, **form)
        for name, network in networks.items()
    }
    return replace(players, **forms)


def flushing(work: Way) -> Way:
    """The work while numbers too small for full precision become zero; they make some processors slow."""

    def flushed() -> None:
        torch.set_flush_denormal(True)
        work()
        torch.set_flush_denormal(False)

    return flushed


def on_one_thread(work: Way) -> Way:
    """The work on one thread."""

    def alone() -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        work()
        torch.set_num_threads(threads)

    return alone


def in_one_batch(work: Way) -> Way:
    """The work where the estimator's head gets (x, z, u) and (x', z, u) in one batch, so reads its weights once."""

    def bound(estimator: ImageEstimator, x: Tensor, z: Tensor, hot: Tensor, order: Tensor) -> Tensor:
        features = estimator.embed_features(z)
        twice = [torch.cat(pair) for pair in ((x, x[order]), (features, features), (hot, hot))]
        joint, marginal = estimator.score(*twice).chunk(2)
        return jensen_shannon_bound(joint, marginal)

    def joined() -> None:
        with patch.object(hybrid, "_bound", bound):
            work()

    return joined


def rectifying_first(players: Players, work: Way) -> Way:
    """The work with the ReLU before each pooling, where the paper has it; the values stay the same."""

    def rectified() -> None:
        networks = (players.extractor, players.adversary, players.estimator)
        for network in networks:
            exchange(network, nn.MaxPool2d, nn.ReLU)
        work()
        for network in networks:
            exchange(network, nn.ReLU, nn.MaxPool2d)

    return rectified


def exchange(network: nn.Module, first: type[nn.Module], second: type[nn.Module]) -> None:
    """Exchanges each layer of one type with the next, where that is of the other type."""
    for block in network.modules():
        for place, (layer, after) in enumerate(_neighbours(block)):
            if isinstance(layer, first) and isinstance(after, second):
                block[place], block[place + 1] = after, layer  # pyright: ignore[reportIndexIssue]


def _neighbours(block: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    layers = list(block.children()) if isinstance(block, nn.Sequential) else []
    return list(pairwise(layers))


def convolutional(network: nn.Module) -> Iterator[nn.Module]:
    """The parts of a network that hold convolutions."""
    yield from (part for name, part in network.named_children() if name != "head")
