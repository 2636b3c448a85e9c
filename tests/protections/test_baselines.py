"""Baselines: what the device computes and adds, and that it travels as TIPRDC's features do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.test_hybrid import PLAN as HYBRID_PLAN
from tiprdc_fl import seeding
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import contribute, layout_of
from tiprdc_fl.models.architecture import Architecture, Per, build_extractor, feature_shape, seen_shape
from tiprdc_fl.models.extractor import (
    Extractor,
    batch_reader,
    forward,
    from_bytes,
    preprocess,
    restore,
    to_bytes,
)
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.text import build_vocabulary
from tiprdc_fl.protections import PROTECTIONS, Collected, Settings, apply_protection, check_protection
from tiprdc_fl.store.codec import channels, decode

SETTINGS = Settings(
    sigma=40.0,
    epsilon=0.5,
    components=8,
    encoder="information",
    adversaries=3,
    noise_multiplier=1.0,
    per="example",
    kernel="linear",
    rounds=2,
    noise=0.5,
    common=0.5,
    misstated=0.0,
    bits=3,
    response=None,
)
SOURCE = DataSource("faces", None, (32, 32), 0, most=6)
IMAGES = Architecture("image", 4, image_size=(32, 32))
TEXTS = ["so it goes", "and so on", "so on and on it goes and goes"] * 20
WORDS = Architecture("text", 8, vocabulary=build_vocabulary(TEXTS, list(range(60)), 20), max_tokens=6)
PLAN = replace(HYBRID_PLAN, epochs=3, batch_size=64)


def encoder_of(architecture: Architecture):
    seeding.seed_torch(3, "test")
    return from_bytes(to_bytes(build_extractor(architecture), architecture))


def collected_of(
    encoder: Extractor | None, read: Callable[[np.ndarray], Tensor], private: np.ndarray, per: Per = "example"
) -> Collected:
    """The collector's examples, of 20 people in turn, without proxies.

    Args:
        encoder: the trained encoder.
        read: numbers of examples -> preprocessed examples.
        private: label of each example's private attribute, int [n].
        per: what an item is sent for.
    """
    return Collected(
        encoder=encoder,
        read=read,
        examples=len(private),
        private=private[:, None],
        seed=0,
        names=("Male",),
        people=np.arange(len(private)) % 20,
        proxies=np.empty((len(private), 0), np.int64),
        per=per,
    )


def protected(name: str, architecture: Architecture = IMAGES, settings: Settings = SETTINGS):
    inputs = TEXTS if architecture.modality == "text" else open_dataset(SOURCE).load(range(40)).loaded
    encoder = encoder_of(architecture) if PROTECTIONS[name].train else None
    read = batch_reader(architecture, inputs)
    collected = collected_of(encoder, read, np.arange(len(inputs)) % 2, settings.per)
    return from_bytes(apply_protection(PROTECTIONS[name], settings, architecture, collected))


def sent(extractor, person: int, seed: int = 0) -> np.ndarray:
    """Everything that a contributor sends of its examples, float32 [n, *shape]."""
    layout = layout_of(extractor, "float32", ("Smiling",))
    found, failures = contribute(extractor, open_dataset(SOURCE), [person], layout, seed)
    assert failures == []
    rows, _ = decode(found.payload, found.payload_bytes, "float32", channels(layout.shape)[1])
    return rows.reshape(-1, *layout.shape).numpy()


@pytest.mark.parametrize("name", PROTECTIONS)
def test_what_an_item_is_sent_for_is_in_the_file_of_every_protection(name):
    assert protected(name).architecture.per == "example"
    assert protected(name, settings=replace(SETTINGS, per="person")).architecture.per == "person"


@pytest.mark.parametrize(("name", "scale"), [("noisy", 40 / 255), ("dp", 1 / 0.5)])
def test_the_extractor_s_file_holds_the_noise_s_scale_for_pixels_from_0_to_1(name, scale):
    assert protected(name).architecture.noise_scale == pytest.approx(scale, rel=1e-12)


def test_raw_sends_the_image_itself():
    images = preprocess(IMAGES, open_dataset(SOURCE).load([7]).loaded).numpy()
    assert np.array_equal(sent(protected("raw"), 7), images)


@pytest.mark.parametrize(
    ("name", "spread", "expected"),
    [
        ("noisy", np.std, 40 / 255),
        ("dp", lambda noise: np.abs(noise).mean(), 1 / 0.5),  # E|x| of a Laplace distribution is its scale
    ],
)
def test_noise_has_the_scale_that_is_asked_for(name, spread, expected):
    clean = sent(protected("raw"), 7)
    noise = sent(protected(name), 7) - clean
    values = noise.size
    assert spread(noise) == pytest.approx(expected, rel=6 / np.sqrt(values))
    assert abs(noise.mean()) < 6 * noise.std() / np.sqrt(values)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 6 / np.sqrt(noise[0].size)


def test_noise_depends_on_seed_and_contributor_and_on_nothing_else():
    extractor = protected("dp")
    assert np.array_equal(sent(extractor, 7), sent(extractor, 7))
    assert not np.array_equal(sent(extractor, 7), sent(extractor, 7, seed=1))
    clean = protected("raw")
    first, second = (sent(extractor, person) - sent(clean, person) for person in (7, 8))
    assert not np.allclose(first[0], second[0])


@pytest.mark.parametrize("architecture", [IMAGES, WORDS])
def test_all_components_restore_the_features(architecture):
    encoder = encoder_of(architecture)
    inputs = TEXTS if architecture.modality == "text" else open_dataset(SOURCE).load(range(400)).loaded
    read = batch_reader(architecture, inputs)
    size = int(np.prod([side for side in seen_shape(architecture) if side > 0]))
    settings = replace(SETTINGS, components=min(size, 60))
    network = build_extractor(
        replace(PROTECTIONS["hybrid"].apply(architecture, settings), noise="none", noise_scale=0.0)
    )
    collected = collected_of(encoder, read, np.arange(len(inputs)) % 2)
    data = apply_protection(PROTECTIONS["hybrid"], settings, architecture, collected)
    network.eval().load_state_dict(from_bytes(data).network.state_dict())
    x = read(np.arange(20))
    with torch.no_grad():
        z, components = encoder.network(x), network(x)
        again = network.restore(components)
    assert components.min() >= 0 and components.max() <= 1
    assert again.shape == z.shape
    kept = 1 - (again - z).pow(2).sum() / (z - z.mean(dim=0)).pow(2).sum()
    assert kept > 0.5  # of the variance; clipping at the 1st and 99th percentile costs some
    if architecture.modality == "text":
        assert torch.equal((z != 0).any(2), (components != 0).any(2))
        assert torch.equal((z != 0).any(2), (again != 0).any(2))


def test_components_are_the_directions_of_most_variance():
    few, more = (
        protected("hybrid", settings=replace(SETTINGS, components=count, epsilon=1e9)) for count in (2, 20)
    )
    images = preprocess(IMAGES, open_dataset(SOURCE).load(range(40)).loaded)
    z = forward(encoder_of(IMAGES), images)
    losses = [
        float((restore(one, forward(one, images)) - z).pow(2).mean() / z.var(dim=0).mean())
        for one in (few, more)
    ]
    assert losses[1] < losses[0] < 1


def test_hybrid_sends_only_components():
    extractor = protected("hybrid")
    assert feature_shape(extractor.architecture) == (8,)
    assert sent(extractor, 7).shape == (6, 8)
    assert restore(extractor, torch.rand(3, 8)).shape == (3, *seen_shape(IMAGES))
    assert isinstance(extractor.network, Projection)


@pytest.mark.parametrize(
    ("name", "keys", "text"),
    [
        ("dp", {"epsilon": 0.9, "size": (32, 32)}, "epsilon 0.9 a value: 2,765 an image"),
        ("dp", {"epsilon": 0.5, "size": (218, 178)}, "epsilon 0.5 a value: 58,206 an image"),
        ("hybrid", {"epsilon": 0.7}, "64 components, epsilon 0.7 a value: 45 an image or step of a message"),
    ],
)
def test_the_report_says_what_an_epsilon_composes_to(name, keys, text):
    """3 * 32 * 32 * 0.9 = 2,764.8; 3 * 218 * 178 * 0.5 = 58,206; 64 * 0.7 = 44.8."""
    values = {"protection.epsilon": keys["epsilon"], "protection.components": 64, "protection.per": "example"}
    values["data.image_size"] = keys.get("size")
    assert PROTECTIONS[name].describe(values) == text
    assert PROTECTIONS[name].describe(values | {"protection.per": "person"}).endswith(" a person")


def test_more_components_than_the_features_have_are_refused():
    with pytest.raises(InputError, match=r"protection.components=100000: .* lower it"):
        protected("hybrid", settings=replace(SETTINGS, components=100_000))


@pytest.mark.parametrize("name", ["encoder", "hybrid"])
def test_an_encoder_is_trained_as_long_as_tiprdc_without_its_privacy_term(name):
    train = PROTECTIONS[name].train
    assert train is not None
    on_information = train(PLAN, SETTINGS, ("Smiling",))
    assert (on_information.pretraining, on_information.epochs) == ("information", 0)
    other = replace(
        PLAN, batch_size=9, budget=0.1, adversaries=4, hiding="entropy", restarts=2, learning_rate=0.5
    )
    assert train(other, SETTINGS, ("Smiling",)) == on_information
    assert on_information.pretrain_epochs == 4
    on_tasks = train(PLAN, replace(SETTINGS, encoder="tasks"), ("Smiling", "Young"))
    assert (on_tasks.private, on_tasks.pretraining) == (("Smiling", "Young"), "private")
    assert (on_tasks.epochs, on_tasks.pretrain_epochs) == (0, 4)


def test_ensemble_maxent_and_mmd_are_algorithm_1_with_another_adversary():
    ensemble, maxent = (PROTECTIONS[name].train for name in ("ensemble", "maxent"))
    assert ensemble is not None and maxent is not None
    assert ensemble(PLAN, SETTINGS, ()) == replace(PLAN, adversaries=3, restarts=1)
    assert maxent(PLAN, SETTINGS, ()) == replace(PLAN, hiding="entropy")
    assert PROTECTIONS["mmd"].train is not None
    other = replace(PLAN, adversaries=3, restarts=2, batch_size=512)
    assert PROTECTIONS["mmd"].train(other, SETTINGS, ()) == replace(PLAN, hiding="mmd", batch_size=256)


def test_untrained_and_trained_extractors_differ_only_in_their_weights():
    random, encoder = protected("random"), protected("encoder")
    assert random.architecture == encoder.architecture == IMAGES
    assert random.digest != encoder.digest
    assert encoder.digest == encoder_of(IMAGES).digest


@pytest.mark.parametrize("name", ["noisy", "dp", "raw"])
def test_protections_of_pixels_are_refused_for_text(name):
    with pytest.raises(
        InputError, match=f"protection.name={name} works on image .* tiprdc, ensemble, maxent, mmd, .* random"
    ):
        check_protection(name, "text")
    check_protection(name, "image")


def test_the_file_of_a_baseline_is_enough_to_use_it():
    for name in PROTECTIONS:
        extractor = protected(name)
        again = from_bytes(to_bytes(extractor.network, extractor.architecture))
        assert again.architecture == extractor.architecture
        assert np.array_equal(sent(again, 5), sent(extractor, 5))
