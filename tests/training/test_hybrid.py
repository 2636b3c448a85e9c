"""What training writes and resumes, and what its steps leave behind."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import load_extractor
from tiprdc_fl.training.hybrid import Losses, Players, build_players, hybrid_step, pretrain_step, restart
from tiprdc_fl.training.information import OBJECTIVES
from tiprdc_fl.training.loop import Plan, train_extractor

IMAGE = Architecture("image", 2, image_size=(32, 32))
PLAN = Plan(
    private=("Male",),
    budget=0.9,
    objective="likelihood",
    epochs=2,
    pretrain_epochs=1,
    pretraining="private",
    adversaries=1,
    hiding="cross_entropy",
    restarts=0,
    pretrain_batch_size=8,
    batch_size=8,
    pretrain_learning_rate=2e-3,
    learning_rate=1e-3,
    optimiser="adamw",
    weight_decay=1e-4,
    decay_at=0.5,
    pairing="derangement",
    negatives=1,
    heads="joint",
    convolutions=3,
    seed=7,
    device="cpu",
)


def players_of(architecture: Architecture, dropout: bool = True, adversaries: int = 1) -> Players:
    seeding.seed_torch(3, "players")
    players = build_players(
        architecture, OBJECTIVES["jsd"], batch_of(), (2,), 3, 1e-3, 1e-4, "cpu", adversaries
    )
    for network in (players.adversaries, players.estimator):
        for module in network.modules():
            if isinstance(module, nn.Dropout) and not dropout:
                module.p = 0.0
    return players


def batch_of() -> torch.Tensor:
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def test_the_step_leaves_every_weight_trainable_and_losses_detached():
    players = players_of(IMAGE)
    losses = hybrid_step(
        players, batch_of(), torch.tensor([[0], [1]] * 3), torch.arange(6).roll(1)[None], 0.5
    )
    for network in (players.extractor, players.adversaries, players.estimator):
        assert all(p.requires_grad for p in network.parameters())
    assert not losses.extractor.requires_grad
    assert losses.bound <= 0


def test_pretraining_lowers_the_adversary_s_loss():
    players = players_of(IMAGE, dropout=False)
    x, u = batch_of(), torch.tensor([[0], [1]] * 3)
    losses = [pretrain_step(players, x, u).item() for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_pretraining_alone_trains_the_extractor(tmp_path):
    """The adversary's output starts at zero, so that it is the second step that first reaches the extractor."""
    trained, fresh = tmp_path / "trained", tmp_path / "fresh"
    for folder, epochs in ((trained, 2), (fresh, 0)):
        folder.mkdir()
        plan = replace(PLAN, epochs=0, pretrain_epochs=epochs)
        train_extractor(people_examples(), IMAGE, plan, folder)
    one, other = (load_extractor(folder / "extractor.safetensors").network for folder in (trained, fresh))
    assert all(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def people_examples(people: int = 12, each: int = 6) -> Examples:
    """Images whose brightness is the private attribute."""
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(people), each)
    male = (person % 2).astype(np.int8)
    images = generator.integers(0, 100, (len(person), 3, 32, 32)) + 100 * male[:, None, None, None]
    return Examples(
        torch.from_numpy(images.astype(np.uint8)),
        {"Male": male, "Smiling": generator.integers(0, 2, len(person)).astype(np.int8)},
        person.astype(np.int64),
        np.tile(np.arange(each), people).astype(np.int32),
        np.full(len(person), 3 * 32 * 32),
    )


def test_training_writes_an_extractor_and_its_log(tmp_path):
    seen, epochs = [], []
    history = train_extractor(people_examples(), IMAGE, PLAN, tmp_path, seen.append, epochs.append)
    assert load_extractor(tmp_path / "extractor.safetensors").architecture == IMAGE
    assert json.loads((tmp_path / "training.json").read_text()) == history == epochs
    assert [h["phase"] for h in history] == ["pretrain", "hybrid", "hybrid"]
    assert sum(seen) == 3 * 11 * 6  # one of twelve people is held out
    assert [h["mutual_information_bound"] is None for h in history] == [True, False, False]
    assert set(history[0]["adversary_balanced_accuracy"]) == {"Male"}


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_pretraining_on_information_trains_no_adversary(objective, tmp_path):
    plan = replace(
        PLAN, objective=objective, pretraining="information", pretrain_epochs=2, epochs=0, negatives=3
    )
    history = train_extractor(people_examples(), IMAGE, plan, tmp_path)
    for epoch in history:
        assert (epoch["adversary_loss"], epoch["adversary_balanced_accuracy"]) == (None, {})
        assert (
            epoch["extractor_loss"] != -epoch["mutual_information_bound"] != 0
        )  # before and after omega's update


def test_without_adversaries_they_have_no_figures(tmp_path):
    history = train_extractor(people_examples(), IMAGE, replace(PLAN, hiding="mmd"), tmp_path)
    assert [epoch["adversary_loss"] is None for epoch in history] == [False, True, True]
    assert history[-1]["adversary_balanced_accuracy"] == {}


def test_the_discrepancy_trains_the_extractor_and_leaves_adversaries_as_they_are():
    players = replace(players_of(IMAGE), hiding="mmd")
    before = [
        {name: value.clone() for name, value in network.named_parameters()}
        for network in (players.extractor, players.adversaries)
    ]
    u = torch.tensor([[0], [1]] * 3)
    losses = hybrid_step(players, batch_of(), u, torch.arange(6).roll(1)[None], 1.0, adversaries=False)
    assert losses.extractor != 0
    extractor, adversaries = players.extractor.named_parameters(), players.adversaries.named_parameters()
    assert any(not torch.equal(value, before[0][name]) for name, value in extractor)
    assert all(torch.equal(value, before[1][name]) for name, value in adversaries)


def test_the_likelihood_rises(tmp_path):
    plan = replace(PLAN, pretraining="information", pretrain_epochs=4, epochs=0)
    history = train_extractor(people_examples(), IMAGE, plan, tmp_path)
    bounds = [epoch["mutual_information_bound"] for epoch in history]
    assert bounds == sorted(bounds)


def test_adversaries_restart_in_turn(tmp_path, monkeypatch):
    turns = []
    monkeypatch.setattr("tiprdc_fl.training.loop.restart", lambda players, number, made: turns.append(number))
    plan = replace(PLAN, pretrain_epochs=1, epochs=6, adversaries=2, restarts=2, batch_size=66)
    train_extractor(people_examples(), IMAGE, plan, tmp_path)
    assert turns == [0, 1]


def test_a_restart_makes_one_adversary_fresh():
    players = players_of(IMAGE, adversaries=2)
    x, u = batch_of(), torch.tensor([[0], [1]] * 3)
    for _ in range(3):
        hybrid_step(players, x, u, torch.arange(6).roll(1)[None], 0.5)
    before = [{k: v.clone() for k, v in network.state_dict().items()} for network in players.adversaries]
    restart(players, 1, IMAGE)
    kept, fresh = (network.state_dict() for network in players.adversaries)
    assert all(torch.equal(kept[name], before[0][name]) for name in kept)
    assert not torch.equal(fresh["head.0.weight"], before[1]["head.0.weight"])
    assert not fresh["head.6.weight"].any()  # an output layer starts at zero
    assert players.psi[0].state and not players.psi[1].state


def test_several_adversaries_learn_as_if_each_were_alone():
    """Weights after a step, whether the extractor faces one or two; their output layers start at zero."""
    alone, together = (players_of(IMAGE, dropout=False, adversaries=count) for count in (1, 2))
    together.extractor.load_state_dict(alone.extractor.state_dict())
    together.adversaries[0].load_state_dict(alone.adversaries[0].state_dict())
    for players in (alone, together):
        hybrid_step(players, batch_of(), torch.tensor([[0], [1]] * 3), torch.arange(6).roll(1)[None], 1.0)
    for weight, other in zip(
        alone.adversaries[0].parameters(), together.adversaries[0].parameters(), strict=True
    ):
        assert torch.allclose(weight, other)


@pytest.mark.parametrize(
    "changes", [{}, {"objective": "jsd", "adversaries": 2, "restarts": 1, "hiding": "entropy"}]
)
def test_a_resumed_training_equals_an_undisturbed_one(changes, tmp_path):
    class Stop(Exception):
        pass

    def stop_after_two(figures):
        if figures["epoch"] == 2:
            raise Stop

    plan = replace(PLAN, **changes)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    train_extractor(people_examples(), IMAGE, plan, tmp_path / "a")
    # The second epoch is trained but not yet saved when the process ends, so it is trained again.
    with pytest.raises(Stop):
        train_extractor(people_examples(), IMAGE, plan, tmp_path / "b", on_epoch=stop_after_two)
    later = []
    train_extractor(people_examples(), IMAGE, plan, tmp_path / "b", on_epoch=later.append)
    assert [figures["epoch"] for figures in later] == [2, 3]
    one, two = ((tmp_path / name / "extractor.safetensors").read_bytes() for name in "ab")
    assert one == two


def test_a_checkpoint_that_is_none(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a checkpoint of this training.*delete it"):
        train_extractor(people_examples(), IMAGE, PLAN, tmp_path)


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    wild = Plan(**{**PLAN.__dict__, "learning_rate": 1e30})
    with pytest.raises(InputError, match=r"epoch \d+, step \d+: a loss is not finite.*learning_rate"):
        train_extractor(people_examples(), IMAGE, wild, tmp_path)
    assert not (tmp_path / "extractor.safetensors").exists()


def test_too_few_people(tmp_path):
    with pytest.raises(InputError, match=r"1 people and.* 0 examples.*data\.collector_people"):
        train_extractor(people_examples(1), IMAGE, PLAN, tmp_path)


def test_the_learning_rate_is_a_tenth_late_in_a_phase(tmp_path, monkeypatch):
    rates = []

    def pretrained(players, x, u):
        rates.append([optimiser.param_groups[0]["lr"] for optimiser in (players.theta, *players.psi)])
        return torch.zeros(())

    def trained(players, x, u, order, budget, adversaries, people):
        optimisers = (players.theta, *players.psi, players.omega)
        rates.append([optimiser.param_groups[0]["lr"] for optimiser in optimisers])
        return Losses(torch.zeros(()), torch.zeros(()), torch.zeros(()))

    monkeypatch.setattr("tiprdc_fl.training.loop.pretrain_step", pretrained)
    monkeypatch.setattr("tiprdc_fl.training.loop.hybrid_step", trained)
    plan = replace(
        PLAN, pretrain_epochs=3, epochs=4, decay_at=2 / 3, pretrain_batch_size=66, batch_size=66
    )  # a step an epoch
    train_extractor(people_examples(), IMAGE, plan, tmp_path)
    tenth = pytest.approx(0.1 * plan.learning_rate)
    before = [[rate] * 2 for rate in (2e-3, 2e-3, pytest.approx(2e-4))]
    assert rates == [*before, *[[plan.learning_rate] * 3] * 3, [tenth] * 3]


def test_losses_of_an_epoch_are_means_over_its_examples(tmp_path, monkeypatch):
    """Batches of 17, 17, 16 and 16 examples, whose losses are 1 to 4."""
    losses = iter(range(1, 5))
    monkeypatch.setattr(
        "tiprdc_fl.training.loop.pretrain_step", lambda players, x, u: torch.tensor(float(next(losses)))
    )
    plan = replace(PLAN, pretrain_epochs=1, epochs=0, pretrain_batch_size=16)
    (figures,) = train_extractor(people_examples(), IMAGE, plan, tmp_path)
    assert figures["adversary_loss"] == pytest.approx((17 * 1 + 17 * 2 + 16 * 3 + 16 * 4) / 66)


def test_seeds_and_two_private_attributes(tmp_path):
    digests = {}
    for name, change in {
        "first": {},
        "again": {},
        "seed": {"seed": 8},
        "joint": {"private": ("Male", "Smiling")},
        "separate": {"private": ("Male", "Smiling"), "heads": "separate", "pairing": "shift"},
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        history = train_extractor(people_examples(), IMAGE, Plan(**{**PLAN.__dict__, **change}), folder)
        digests[name] = load_extractor(folder / "extractor.safetensors").digest
        assert set(history[-1]["adversary_balanced_accuracy"]) == set(change.get("private", ("Male",)))
    assert digests["first"] == digests["again"]
    assert len(set(digests.values())) == 4


def test_an_adversary_measured_on_one_value_has_no_figure(tmp_path):
    examples = people_examples()
    same = {"Male": np.zeros_like(examples.attributes["Male"])}
    history = train_extractor(replace(examples, attributes=same), IMAGE, PLAN, tmp_path)
    assert history[-1]["adversary_balanced_accuracy"] == {"Male": None}
