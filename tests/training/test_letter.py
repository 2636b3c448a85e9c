"""The fast step of ``training/hybrid.py`` leads to the weights of Algorithm 1 by the letter."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from examples.algorithm1 import literal_step
from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.image import initialise
from tiprdc_fl.models.text import build_vocabulary
from tiprdc_fl.training import hybrid, information
from tiprdc_fl.training.hybrid import Players, build_players, hybrid_step, pretrain_step
from tiprdc_fl.training.information import OBJECTIVES

IMAGE = Architecture("image", 2, image_size=(32, 32))
TEXT = Architecture(
    "text", 4, vocabulary=build_vocabulary(["a b c d e f g"] * 3, [1, 2, 3], 20), max_tokens=6
)
NETWORKS = ("extractor", "adversaries", "estimator")
STEPS, BATCH = 3, 6
TOLERANCE = 1e-5  # the objectives round logits to float32 also where everything else is float64


def players_of(architecture: Architecture, dtype: torch.dtype, rate: float) -> Players:
    """Players of which every step depends on weights and batch alone, and moves every weight.

    Dropout is off: the two forms draw it in different orders. Output layers, which start at zero, start as the
    others do: nothing flows back through zeros. Gradient descent stands for Adam, which makes a whole step of the
    rounding of a gradient near 0.
    """
    seeding.seed_torch(3, "letter")
    x, *_ = batch_of(architecture, torch.float32, 0)
    players = build_players(architecture, OBJECTIVES["jsd"], x, (2,), 3, 1e-3, 1e-4, "cpu")
    networks = {name: getattr(players, name).to(dtype) for name in NETWORKS}
    for module in (module for network in networks.values() for module in network.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.Linear) and not module.weight.any():
            initialise(module)
    theta, psi, omega = (SGD(network.parameters(), rate) for network in networks.values())
    return replace(players, theta=theta, psi=(psi,), omega=omega)


def batch_of(architecture: Architecture, dtype: torch.dtype, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, binary labels and x' of a batch; another number gives another batch."""
    generator = seeding.torch_generator(5, "letter", number)
    x = torch.rand(BATCH, 3, 32, 32, generator=generator, dtype=dtype)
    if architecture.modality == "text":
        x = torch.randint(1, 9, (BATCH, 4), generator=generator)
    u = torch.randint(0, 2, (BATCH,), generator=generator)
    return x, u, torch.arange(BATCH).roll(1 + number)


def weights_of(players: Players) -> dict[str, Tensor]:
    return {
        name: torch.cat([weight.detach().flatten() for weight in getattr(players, name).parameters()])
        for name in NETWORKS
    }


def differences(architecture: Architecture, budget: float) -> dict[str, float]:
    """How far the two forms are apart after STEPS steps in float64: of each network, as a share of its movement."""
    start, fast, literal = (players_of(architecture, torch.float64, rate=0.05) for _ in range(3))
    for number in range(STEPS):
        x, u, order = batch_of(architecture, torch.float64, number)
        hybrid_step(fast, x, u[:, None], order[None], budget)
        literal_step(literal, x, u, order, budget)
    first, ours, theirs = map(weights_of, (start, fast, literal))
    return {
        name: float((ours[name] - theirs[name]).norm() / (theirs[name] - first[name]).norm())
        for name in NETWORKS
    }


@pytest.mark.parametrize("architecture", [IMAGE, TEXT], ids=["image", "text"])
@pytest.mark.parametrize("budget", [0.0, 0.5, 0.9, 1.0])
def test_the_fast_step_is_algorithm_1(architecture, budget):
    apart = differences(architecture, budget)
    if budget == 1:  # the estimator plays no part: the fast step leaves it as it is
        assert apart.pop("estimator") == 1
    assert max(apart.values()) < TOLERANCE


@pytest.mark.parametrize(
    ("module", "name", "changed"),
    [
        (
            hybrid,
            "extractor_objective",
            lambda adversary, bound, budget: budget * adversary + (1.001 - budget) * bound,
        ),
        (information, "jensen_shannon_bound", lambda joint, marginal: -F.softplus(-joint).mean()),
    ],
)
def test_another_step_is_told_apart(module, name, changed, monkeypatch):
    monkeypatch.setattr(module, name, changed)
    assert max(differences(IMAGE, 0.5).values()) > 100 * TOLERANCE


def test_bfloat16_updates_theta_on_the_current_weights_of_the_others():
    """Autocast keeps its casts of trainable weights for a context: theta must not be served those from before.

    A context of its own or freezing suffices; without both, theta's gradient here is 0.
    """
    architecture = replace(IMAGE, precision="bfloat16")
    fast, literal = (players_of(architecture, torch.float32, rate=1.0) for _ in range(2))
    before = weights_of(fast)["extractor"]
    x, u, order = batch_of(architecture, torch.float32, 0)
    hybrid_step(fast, x, u[:, None], order[None], 0.7)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        literal_step(literal, x, u, order, 0.7)
    ours, theirs = (weights_of(players)["extractor"] - before for players in (fast, literal))
    assert ours.norm() > 0
    assert F.cosine_similarity(ours, theirs, dim=0) > 0.99


@pytest.mark.parametrize("architecture", [IMAGE, TEXT], ids=["image", "text"])
def test_a_pretraining_step_updates_extractor_and_adversary_on_one_loss(architecture):
    """Against plain gradient descent on the cross-entropy; the estimator plays no part."""
    stepped, literal = (players_of(architecture, torch.float32, rate=0.05) for _ in range(2))
    x, u, _ = batch_of(architecture, torch.float32, 0)
    told = pretrain_step(stepped, x, u[:, None])
    loss = F.cross_entropy(literal.adversaries[0](literal.extractor(x)), u)
    loss.backward()
    assert told.item() == pytest.approx(loss.item())
    assert any(weight.grad.abs().max() > 1e-3 for weight in literal.extractor.parameters())
    for name in ("extractor", "adversaries"):
        for weight, before in zip(
            getattr(stepped, name).parameters(), getattr(literal, name).parameters(), strict=True
        ):
            assert torch.allclose(weight, before - 0.05 * before.grad, atol=1e-6)
    assert torch.equal(weights_of(stepped)["estimator"], weights_of(literal)["estimator"])
