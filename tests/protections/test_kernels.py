"""Kernel LEACE and Obliviator: what cannot be read from the rows they are fitted to, and what still can."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import Tensor, nn

from tests.protections.test_baselines import (
    IMAGES,
    SETTINGS,
    SOURCE,
    TEXTS,
    WORDS,
    collected_of,
    encoder_of,
    open_dataset,
    protected,
)
from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import seen_shape
from tiprdc_fl.models.extractor import Extractor, batch_reader, forward, preprocess, restore
from tiprdc_fl.models.kernel_map import KernelMap
from tiprdc_fl.protections import PROTECTIONS, Settings
from tiprdc_fl.protections.kernel_fit import COMPONENTS, most_components
from tiprdc_fl.stages.runtime import check_runtime

KERNEL = replace(SETTINGS, kernel="rbf")
FITTED, OTHERS, SIZE = 1500, 1500, 10
METHODS = [("leace", KERNEL), ("obliviator", SETTINGS)]


@cache
def rows() -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Rows [n, SIZE], whether two of their values have one sign (XOR), and the sign of a third."""
    x = np.random.default_rng(0).normal(size=(FITTED + OTHERS, SIZE)).astype(np.float32)
    x[:, :3] = np.sign(x[:, :3]) * (0.7 + np.abs(x[:, :3]))  # with a margin
    return torch.from_numpy(x), (x[:, 0] * x[:, 1] > 0).astype(int), (x[:, 2] > 0).astype(int)


@cache
def network_of(name: str, settings: Settings) -> KernelMap:
    """A network whose encoder passes rows on, fitted to the first FITTED rows and the XOR."""
    x, private, _ = rows()
    rounds, hidden = (1, 0) if name == "leace" else (settings.rounds, 64)
    seeding.seed_torch(0, "test")
    network = KernelMap(
        nn.Identity(), (SIZE, 1, 1), inputs=SIZE, components=SIZE, fourier=256, rounds=rounds, hidden=hidden
    )
    plain = Extractor(nn.Identity(), replace(IMAGES, transform="pass"), digest="")
    read = lambda chosen: x[torch.from_numpy(chosen)][:, :, None, None]  # noqa: E731
    PROTECTIONS[name].fit(network, collected_of(plain, read, private[:FITTED]))
    return network


@torch.no_grad()
def sent_of(name: str, settings: Settings) -> np.ndarray:
    """What is sent of all rows, float32 [n, SIZE]."""
    return network_of(name, settings)(rows()[0][:, :, None, None]).numpy()


def kernel_accuracy(x: np.ndarray, labels: np.ndarray) -> float:
    """Of a support vector machine with a Gaussian kernel, fitted to half of the rows, on the other half."""
    x = x / x[:FITTED].std(axis=0)
    return float(SVC(C=3.0).fit(x[:FITTED], labels[:FITTED]).score(x[FITTED:], labels[FITTED:]))


def test_after_kernel_leace_the_class_means_of_the_fitted_rows_agree():
    sent, private = sent_of("leace", KERNEL)[:FITTED], rows()[1][:FITTED]
    gap = sent[private == 1].mean(axis=0) - sent[private == 0].mean(axis=0)
    assert np.abs(gap / sent.std(axis=0)).max() < 1e-4


def test_after_kernel_leace_a_linear_probe_is_at_chance_on_the_fitted_rows():
    sent, private = sent_of("leace", KERNEL)[:FITTED], rows()[1][:FITTED]
    scaled = sent / sent.std(axis=0)
    shares = LogisticRegression(C=1e6, max_iter=2000).fit(scaled, private).predict_proba(scaled)
    assert np.abs(shares - [1 - private.mean(), private.mean()]).max() < 0.01


def test_obliviator_hides_what_is_not_linear_and_keeps_what_is_independent():
    x, private, independent = rows()
    sent = sent_of("obliviator", SETTINGS)
    assert kernel_accuracy(x.numpy(), private) > 0.95
    assert kernel_accuracy(sent, private) < 0.65
    assert kernel_accuracy(sent, independent) > 0.8


def test_kernel_leace_does_not_cover_adversaries_that_are_not_linear():
    _, private, independent = rows()
    sent = sent_of("leace", KERNEL)
    assert kernel_accuracy(sent, private) > 0.95
    assert kernel_accuracy(sent, independent) > 0.95


@pytest.mark.parametrize(("name", "settings"), METHODS)
def test_fitting_twice_gives_the_same_network(name, settings):
    assert protected(name, settings=settings).digest == protected(name, settings=settings).digest


@pytest.mark.parametrize(("name", "settings"), METHODS)
def test_the_collector_restores_features_of_the_encoder_s_shape(name, settings):
    extractor = protected(name, settings=replace(settings, components=20))
    images = preprocess(IMAGES, open_dataset(SOURCE).load(range(40)).loaded)
    z, sent = forward(encoder_of(IMAGES), images), forward(extractor, images)
    assert sent.shape == (len(images), 20)
    again = restore(extractor, sent)
    assert again.shape == (len(images), *seen_shape(IMAGES))
    assert (again - z).square().mean() < (z - z.mean(dim=0)).square().mean()  # nearer than the mean


@pytest.mark.parametrize(("name", "settings"), METHODS)
def test_restoring_loses_no_component(name, settings):
    """An adversary who sees restored features can compute what was sent: no direction fades."""
    network = network_of(name, settings)
    x = rows()[0][:, :, None, None]
    with torch.no_grad():
        sent = network(x)
        restored = network.restore(sent).flatten(1)
    strengths = torch.linalg.svdvals((sent - sent.mean(dim=0)) @ network.back)
    assert np.linalg.matrix_rank(network.back.numpy()) == SIZE
    back = torch.linalg.lstsq(restored - network.middle, sent).solution
    assert torch.allclose((restored - network.middle) @ back, sent, atol=1e-3)
    assert strengths[-1] > 0.05 * strengths[0]


@pytest.mark.parametrize(("name", "settings"), METHODS)
def test_a_padded_step_of_a_message_stays_zero(name, settings):
    x = batch_reader(WORDS, TEXTS)(np.arange(20))
    extractor = protected(name, WORDS, settings)
    sent = forward(extractor, x)
    assert torch.equal((sent != 0).any(dim=2), x != 0)
    assert torch.equal((restore(extractor, sent) != 0).any(dim=2), x != 0)


def test_as_many_components_are_sent_as_there_can_be_where_none_are_named():
    for settings in (KERNEL, SETTINGS):
        name = "leace" if settings.kernel == "rbf" else "obliviator"
        extractor = protected(name, WORDS, replace(settings, components=None))
        assert extractor.architecture.components == most_components(seen_shape(WORDS), 60) == 38
    assert most_components(seen_shape(IMAGES), 4000) == 512 > COMPONENTS


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "obliviator",
            replace(SETTINGS, components=600),
            r"protection.components=600: .* at most 512; lower it",
        ),
        ("leace", replace(KERNEL, components=600), r"protection.components=600: .* at most 512; lower it"),
        ("leace", SETTINGS, r"protection.components=8: .* whole features; .* set protection.kernel=rbf"),
    ],
)
def test_components_that_do_not_fit_are_refused_before_training(name, settings, message):
    check, private = PROTECTIONS[name].check, np.arange(4000)[:, None] % 2
    assert check is not None
    with pytest.raises(InputError, match=message):
        check(settings, seen_shape(IMAGES), private)
    check(replace(settings, components=None), seen_shape(IMAGES), private)


@pytest.mark.parametrize("name", ["leace", "obliviator"])
def test_private_attributes_that_cannot_be_erased_are_refused_before_training(name):
    check, settings = PROTECTIONS[name].check, replace(SETTINGS, components=None)
    assert check is not None
    for private, fix in (
        (np.arange(100) % 20, "fewer in data.private"),
        (np.zeros(100), "raise data.collector"),
    ):
        with pytest.raises(InputError, match=rf"protection.name={name}: .* combinations .*{fix}"):
            check(settings, seen_shape(IMAGES), private[:, None])


def test_too_few_examples_are_refused():
    check = PROTECTIONS["obliviator"].check
    assert check is not None
    with pytest.raises(InputError, match=r"16 examples are too few .* raise data.collector_people"):
        check(replace(SETTINGS, components=None), seen_shape(IMAGES), np.arange(16)[:, None] % 2)


def test_obliviator_in_8_bits_is_refused():
    with pytest.raises(InputError, match=r"int8: protection.name=obliviator .* set federation.runtime"):
        check_runtime("onnxruntime-int8", "obliviator")
