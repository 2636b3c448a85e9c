"""Optimal transport of private classes: closed forms, what probes still read, and what a device does with it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from torch import Tensor, from_numpy, nn

from tests.protections.test_baselines import (
    IMAGES,
    PLAN,
    SETTINGS,
    SOURCE,
    TEXTS,
    WORDS,
    collected_of,
    encoder_of,
    open_dataset,
    protected,
    sent,
)
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import seen_shape
from tiprdc_fl.models.extractor import Extractor, batch_reader, forward, preprocess, restore
from tiprdc_fl.models.transport import DEVIATIONS, FEWEST_ITEMS, Transport
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.protections.aligned import LEAST_ROWS, person_means, values_of
from tiprdc_fl.protections.transports import own_means, transports, two_level_transports
from tiprdc_fl.stages.runtime import check_runtime

ALIGNED, CODES = PROTECTIONS["aligned"], PROTECTIONS["codes"]
UNIT = 1 / (2 * DEVIATIONS)  # standard deviation of what is sent
ROWS, SIZE = 10_000, 6


def normal_classes(count: int, rows: int = ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n, SIZE] of normal classes with means and covariances of their own; ``seed`` draws the rows alone.

    Together they are nearly white, as components are: of components whose variances are orders of magnitude apart,
    Ledoit and Wolf's estimate misses the smallest.
    """
    laws, generator = np.random.default_rng(count), np.random.default_rng(100 + seed)
    parts = []
    for _ in range(count):
        mean, shape = 0.5 * laws.normal(size=SIZE), np.eye(SIZE) + 0.15 * laws.normal(size=(SIZE, SIZE))
        parts.append(mean + generator.normal(size=(rows, SIZE)) @ shape)
    return np.concatenate(parts).astype(np.float32), np.repeat(np.arange(count), rows)


def exact(covariance: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Rows whose sample mean is 0 and whose sample covariance is the given one."""
    x = np.random.default_rng(seed).normal(size=(rows, len(covariance)))
    x -= x.mean(axis=0)
    white = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / rows)).T
    return white @ np.linalg.cholesky(covariance).T


def moved(x: np.ndarray, classes: np.ndarray, maps: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return offsets[classes] + np.einsum("nij,nj->ni", maps[classes], x)


@pytest.mark.parametrize("count", [2, 4])
def test_normal_classes_end_with_equal_means_and_covariances(count):
    x, classes = normal_classes(count)
    y = moved(x, classes, *transports(x, classes, count))
    for number in range(count):
        own = y[classes == number]
        assert np.allclose(own.mean(axis=0), 0.5, atol=1e-4)
        assert np.allclose(np.cov(own.T), np.cov(y.T), atol=0.02 * UNIT**2)
        assert np.allclose(own.std(axis=0), UNIT, rtol=0.02)


def of_persons(each: int = 20, persons: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of two classes that are alike row by row: class 1 differs more between persons, class 0 within them."""
    generator = np.random.default_rng(0)
    classes = np.repeat(np.arange(2), persons)
    between, within = np.array([0.5, 1.0])[classes], np.array([np.sqrt(1.75), 1.0])[classes]
    means = between[:, None] * generator.normal(size=(2 * persons, SIZE))
    rows = means[:, None] + within[:, None, None] * generator.normal(size=(2 * persons, each, SIZE))
    people = np.repeat(np.arange(2 * persons), each)
    return rows.reshape(-1, SIZE), np.repeat(classes, each), people


def two_level(x: np.ndarray, classes: np.ndarray, people: np.ndarray) -> np.ndarray:
    mean = own_means(x, classes, people)
    between, within, offsets = two_level_transports(x, classes, mean, 2)
    y = offsets[classes] + np.einsum("nij,nj->ni", between[classes], mean)
    return y + np.einsum("nij,nj->ni", within[classes], x - mean)


def spread_of_means(rows: np.ndarray, classes: np.ndarray, people: np.ndarray) -> list[float]:
    """Standard deviation of the persons' means, of class 0 and of class 1."""
    means, labels = person_means(rows, classes[:, None], people)
    return [float(means[labels[:, 0] == number].std(axis=0).mean()) for number in (0, 1)]


def test_two_levels_even_out_what_the_items_of_a_person_have_in_common():
    x, classes, people = of_persons()
    y = two_level(x, classes, people)
    assert np.allclose(y.mean(axis=0), 0.5, atol=1e-5) and np.allclose(y.std(axis=0), UNIT, rtol=1e-4)
    low, high = spread_of_means(y, classes, people)
    assert low == pytest.approx(high, rel=0.03)
    one, other = spread_of_means(moved(x, classes, *transports(x, classes, 2)), classes, people)
    assert other > 1.5 * one  # at one level who pools a person's items tells the classes apart


def test_who_holds_items_of_both_classes_has_a_mean_of_each():
    """So that classes end alike where contributors hold several people's examples, too."""
    x, classes, people = of_persons()
    x[classes == 1] += 2.0
    y = two_level(x, classes, people % 300)  # each of 300 has 20 items of each class
    for number in (0, 1):
        assert np.allclose(y[classes == number].mean(axis=0), 0.5, atol=0.01)
        assert np.allclose(y[classes == number].std(axis=0), UNIT, rtol=0.05)


@pytest.mark.parametrize(("each", "persons"), [(20, 5), (FEWEST_ITEMS - 1, 300), (1, 300)])
def test_few_persons_of_a_class_or_few_items_of_each_are_moved_at_one_level(each, persons):
    x, classes, people = of_persons(each, persons)
    mean = own_means(x, classes, people)
    assert np.isnan(mean).all() == (each < FEWEST_ITEMS)
    assert not any(part.any() for part in two_level_transports(x, classes, mean, 3))


def test_a_device_with_few_items_moves_them_at_one_level():
    network = protected("aligned", settings=replace(SETTINGS, noise=0.0)).network
    assert isinstance(network, Transport) and network.centred
    rows, classes = torch.rand(4, len(network.basis)), np.zeros(4, np.int64)
    network.between[:] = network.within[:] = network.maps
    network.origins[:] = network.offsets + 0.1  # so that both can be told apart
    alone = network.move(rows, classes)
    means = torch.full_like(rows, torch.nan)
    assert torch.equal(network.move(rows, classes, means), alone)
    means[2] = rows.mean(dim=0)
    kept = torch.tensor([True, True, False, True])
    assert torch.equal((network.move(rows, classes, means) == alone).all(dim=1), kept)


def test_the_laws_that_are_fitted_end_equal_exactly():
    x, classes = normal_classes(3, rows=40)
    maps, offsets = transports(x, classes, 3)
    laws = [LedoitWolf().fit(x[classes == number]) for number in range(3)]
    ends = [matrix @ law.covariance_ @ matrix.T for matrix, law in zip(maps, laws, strict=True)]
    for end, matrix, offset, law in zip(ends, maps, offsets, laws, strict=True):
        assert np.allclose(end, ends[0], atol=1e-4 * UNIT**2)
        assert np.allclose(np.sqrt(np.diag(end)), UNIT, rtol=1e-4)
        assert np.allclose(offset + matrix @ law.location_, 0.5, atol=1e-5)


def test_transport_is_the_gradient_of_a_convex_function():
    """Brenier: a map is symmetric and positive, once the components' scale is taken off its rows."""
    x, classes = normal_classes(2)
    for matrix in transports(x, classes, 2)[0]:
        ratios = matrix / matrix.T  # scale[i] / scale[j] off the diagonal
        scale = ratios[:, 0] / ratios[0, 0]
        plain = matrix / scale[:, None]
        assert np.allclose(plain, plain.T, atol=1e-3 * np.abs(plain).max())
        assert np.linalg.eigvalsh((plain + plain.T) / 2).min() > 0


def test_the_map_of_one_class_alone_is_the_identity_but_for_the_scale():
    x, classes = normal_classes(1)
    (matrix,), (offset,) = transports(x, classes, 1)
    law = LedoitWolf().fit(x)
    assert np.allclose(matrix, np.diag(UNIT / np.sqrt(np.diag(law.covariance_))), atol=1e-5)
    assert np.allclose(offset, 0.5 - matrix @ law.location_, atol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("sizes", [(2000, 2000), (3000, 1000)])
def test_covariances_that_commute_have_the_closed_form(sizes, turned):
    """Along common axes, the barycentre's deviation is the mean of the classes', weighted by their rows."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0] if turned else np.eye(3)
    wanted = ([3.0, 1.0, 0.5], [1.0, 2.0, 0.7])
    parts = [
        exact((axes * np.square(one)) @ axes.T, size, seed=n)
        for n, (one, size) in enumerate(zip(wanted, sizes, strict=True))
    ]
    classes = np.repeat([0, 1], sizes)
    deviations = [np.sqrt(np.diag(axes.T @ LedoitWolf().fit(part).covariance_ @ axes)) for part in parts]
    assert np.allclose(deviations, wanted, rtol=0.02)  # shrunk a little, along the same axes
    centre = np.average(deviations, axis=0, weights=sizes)
    scale = UNIT / np.sqrt(np.diag((axes * centre**2) @ axes.T))
    maps, _ = transports(np.concatenate(parts), classes, 2)
    for matrix, own in zip(maps, deviations, strict=True):
        assert np.allclose(matrix, scale[:, None] * ((axes * (centre / own)) @ axes.T), atol=1e-5)


def test_a_class_without_rows_has_no_map_and_changes_none():
    x, classes = normal_classes(2)
    maps, offsets = transports(x, classes, 3)
    assert not maps[2].any() and not offsets[2].any()
    assert np.array_equal(maps[:2], transports(x, classes, 2)[0])


def test_a_device_of_a_class_without_rows_sends_nothing():
    network = Transport(nn.Identity(), (2, 1, 2), components=4, classes=2)
    network.maps[0] = torch.eye(4)
    with pytest.raises(
        InputError, match=r"combination of private attributes is one that the protection was not"
    ):
        network.send(torch.ones(2, 4), np.array([0, 1]))


def test_a_class_with_few_rows_is_refused():
    private = np.repeat([0, 1], [30, LEAST_ROWS - 1])[:, None]
    assert ALIGNED.check is not None
    with pytest.raises(InputError, match=r"has 9 items .* fewer than 10: raise data.collector_people"):
        ALIGNED.check(SETTINGS, (2, 8, 8), private)


def test_codes_need_as_many_items_of_each_class():
    private = np.repeat([0, 1], [300, 60])[:, None]
    assert CODES.check is not None
    CODES.check(replace(SETTINGS, bits=5), (2, 8, 8), private)
    with pytest.raises(InputError, match=r"has 60 items .* fewer than 64: .*or lower protection.bits"):
        CODES.check(replace(SETTINGS, bits=6), (2, 8, 8), private)


def test_a_class_with_enough_rows_has_its_own():
    x, classes = normal_classes(2)
    rare = np.random.default_rng(5).normal(9, 3, (LEAST_ROWS, SIZE)).astype(np.float32)
    x, classes = np.concatenate([x, rare]), np.concatenate([classes, np.full(LEAST_ROWS, 2)])
    maps, offsets = transports(x, classes, 3)
    assert np.allclose(moved(rare, np.full(LEAST_ROWS, 2), maps, offsets).mean(axis=0), 0.5, atol=1e-4)


@cache
def fitted(per: str = "example") -> tuple[Transport, Tensor, np.ndarray, np.ndarray]:
    """A network whose encoder passes rows on, fitted to two normal classes; rows, their classes and their people.

    A person's 4 rows are of one class, and have a mean in common.
    """
    x, classes = normal_classes(2)
    people = np.arange(len(x)) // 4
    x += np.random.default_rng(7).normal(size=(len(x) // 4, SIZE))[people].astype(np.float32)
    network = Transport(nn.Identity(), (SIZE, 1, 1), components=SIZE, classes=2)
    plain = Extractor(nn.Identity(), replace(IMAGES, transform="pass"), digest="")
    rows = from_numpy(x)[:, :, None, None]
    collected = replace(
        collected_of(plain, lambda chosen: rows[from_numpy(chosen)], classes),
        people=people,
        per=per,
    )
    ALIGNED.fit(network, collected)
    return network, rows, classes, people


def accuracy(probe, x: np.ndarray, classes: np.ndarray, fresh: np.ndarray) -> float:
    """Of a probe that learns from one half's rows, on the fresh ones."""
    return float(probe.fit(x, classes).score(fresh, classes))


@pytest.mark.parametrize(
    "probe",
    [LogisticRegression(max_iter=1000), QuadraticDiscriminantAnalysis()],
    ids=["linear", "quadratic"],
)
def test_linear_and_quadratic_probes_are_at_chance_on_people_nobody_fitted_to(probe):
    """Means and covariances are all that tells normal classes apart, so that no adversary does better."""
    fitted_to, classes = normal_classes(2)
    maps, offsets = transports(fitted_to, classes, 2)
    (x, _), (fresh, _) = (normal_classes(2, seed=seed) for seed in (1, 2))
    assert accuracy(probe, x, classes, fresh) > 0.75
    x, fresh = (moved(rows, classes, maps, offsets) for rows in (x, fresh))
    assert accuracy(probe, x, classes, fresh) == pytest.approx(0.5, abs=0.03)


def test_what_a_network_sends_after_the_fit_has_one_mean_and_covariance():
    network, rows, classes, _ = fitted()
    y = network.send(network(rows), classes).numpy()
    halves = [y[classes == number] for number in (0, 1)]
    assert np.abs(halves[0].mean(axis=0) - halves[1].mean(axis=0)).max() < 0.01 * UNIT
    assert np.abs(np.cov(halves[0].T) - np.cov(halves[1].T)).max() < 0.05 * UNIT**2
    plain = network(rows).numpy()
    assert np.abs(plain[classes == 0].mean(axis=0) - plain[classes == 1].mean(axis=0)).max() > 0.5 * UNIT


def test_with_one_item_a_person_it_is_fitted_to_their_means():
    """Means of 4 rows vary less than rows do: fitted to rows, they would be sent with smaller deviations."""
    spreads = {}
    for per in ("example", "person"):
        network, rows, classes, people = fitted(per)
        means = from_numpy(person_means(network(rows).numpy(), classes[:, None], people)[0])
        y = network.send(means, classes[::4]).numpy()
        spreads[per] = [y[classes[::4] == number].std(axis=0) for number in (0, 1)]
        assert np.allclose(y.mean(axis=0), 0.5, atol=0.01)
    assert np.allclose(spreads["person"], UNIT, rtol=0.03)
    assert np.mean(spreads["example"]) < 0.8 * UNIT


def test_means_and_most_frequent_labels_of_persons_by_hand():
    z = np.array([[1.0, 0.0], [5.0, 5.0], [3.0, 4.0], [2.0, 2.0]], np.float32)
    private = np.array([[1, 0], [0, 2], [1, 1], [1, 1]])
    means, labels = person_means(z, private, np.array([7, 3, 7, 7]))
    assert means.tolist() == [[5, 5], [2, 2]]  # of 3, then of 7
    assert labels.tolist() == [[0, 2], [1, 1]]


def test_restoring_loses_no_component():
    """Whoever sees restored features can compute what was sent."""
    network, rows, classes, _ = fitted()
    y = network.send(network(rows), classes)
    restored = network.restore(y).flatten(1)
    back = torch.linalg.lstsq(restored - network.middle, y).solution
    assert torch.allclose((restored - network.middle) @ back, y, atol=1e-3)


def test_the_file_names_what_a_device_states_and_how_loud_its_noise_is():
    architecture = protected("aligned").architecture
    assert (architecture.stated, architecture.stated_values) == (("Male",), (2,))
    assert (architecture.noise, architecture.components) == ("gaussian", SETTINGS.components)
    assert architecture.noise_scale == pytest.approx(0.5 * UNIT)  # in deviations of what is sent
    quiet = protected("aligned", settings=replace(SETTINGS, noise=0.0, components=None)).architecture
    assert (quiet.noise, quiet.noise_scale, quiet.components) == ("none", 0.0, 16)
    assert values_of(np.array([[0, 3], [1, 0]])) == (2, 4)


def test_a_device_moves_components_by_its_own_private_attribute():
    extractor = protected("aligned", settings=replace(SETTINGS, noise=0.0))
    network = extractor.network
    assert isinstance(network, Transport)
    for person in (0, 1, 2, 3):
        examples = open_dataset(SOURCE).load([person])
        components = forward(extractor, preprocess(IMAGES, examples.loaded))
        own = examples.attributes["Male"].astype(np.int64)
        few = len(components) < FEWEST_ITEMS
        mean = torch.full_like(components[:1], torch.nan) if few else components.mean(dim=0, keepdim=True)
        means = mean.expand_as(components)
        assert np.allclose(sent(extractor, person), network.send(components, own, means), atol=1e-6)
        assert not np.allclose(sent(extractor, person), network.send(components, 1 - own, means), atol=1e-3)


def test_one_item_a_person_is_the_mean_moved_by_the_map_of_means():
    settings = replace(SETTINGS, noise=0.0, per="person")
    extractor = protected("aligned", settings=settings)
    network, examples = extractor.network, open_dataset(SOURCE).load([7])
    assert isinstance(network, Transport)
    components = forward(extractor, preprocess(IMAGES, examples.loaded)).mean(dim=0, keepdim=True)
    own = examples.attributes["Male"][:1].astype(np.int64)
    assert np.allclose(sent(extractor, 7), network.send(components, own), atol=1e-5)


def test_noise_is_that_many_deviations():
    loud, quiet = (
        protected("aligned", settings=replace(SETTINGS, components=20, noise=value)) for value in (2.0, 0.0)
    )
    noise = np.concatenate([sent(loud, person) - sent(quiet, person) for person in range(20)])
    assert noise.std() == pytest.approx(2.0 * UNIT, rel=6 / np.sqrt(noise.size))


@pytest.mark.parametrize("architecture", [IMAGES, WORDS], ids=["images", "messages"])
@pytest.mark.parametrize("per", ["example", "person"])
def test_fitting_twice_gives_the_same_file_and_restores_the_encoder_s_shape(architecture, per):
    settings = replace(SETTINGS, per=per)
    extractor = protected("aligned", architecture, settings)
    assert extractor.digest == protected("aligned", architecture, settings).digest
    inputs = TEXTS if architecture is WORDS else open_dataset(SOURCE).load(range(40)).loaded
    x = batch_reader(architecture, inputs)(np.arange(20))
    restored = restore(extractor, forward(extractor, x))
    assert restored.shape == (20, *(abs(side) for side in seen_shape(architecture)))
    z = forward(encoder_of(architecture), x)
    assert restored[0].numel() == (z.shape[-1] if architecture is WORDS else z[0].numel())


@pytest.mark.parametrize(
    ("settings", "private", "message"),
    [
        (
            SETTINGS,
            np.zeros(4000),
            r"protection.name=aligned: .* 1 combinations .* raise data.collector_people",
        ),
        (
            SETTINGS,
            np.arange(4000) % 20,
            r"protection.name=aligned: .* 20 combinations .* fewer in data.private",
        ),
        (
            replace(SETTINGS, components=100_000),
            np.arange(4000) % 2,
            r"protection.components=100000: .* at most 512; lower it",
        ),
    ],
    ids=["one class", "many classes", "many components"],
)
def test_what_does_not_fit_is_refused_before_training(settings, private, message):
    assert ALIGNED.check is not None
    with pytest.raises(InputError, match=message):
        ALIGNED.check(settings, seen_shape(IMAGES), private[:, None].astype(np.int64))
    ALIGNED.check(SETTINGS, seen_shape(IMAGES), np.arange(4000)[:, None] % 2)


def test_as_many_messages_are_needed_as_components():
    """A message has one row."""
    assert ALIGNED.check is not None
    with pytest.raises(InputError, match=r"so at most 20; lower it"):
        ALIGNED.check(replace(SETTINGS, components=30), (-1, 75), np.arange(20)[:, None] % 2)
    ALIGNED.check(replace(SETTINGS, components=20), (-1, 75), np.arange(20)[:, None] % 2)


def test_the_encoder_learns_the_proxies():
    assert ALIGNED.train is not None
    known = replace(SETTINGS, encoder="proxies", proxies=("Young", "Bald"))
    plan = ALIGNED.train(PLAN, known, ("Smiling",))
    assert (plan.private, plan.pretraining, plan.heads) == (("Young", "Bald"), "private", "separate")
    assert (plan.epochs, plan.pretrain_epochs, plan.budget) == (0, 4, 0.0)
    assert ALIGNED.train(PLAN, replace(known, encoder="tasks"), ("Smiling",)).private == ("Smiling",)
    assert ALIGNED.train(PLAN, replace(known, encoder="information"), ()).pretraining == "information"


@pytest.mark.parametrize(
    ("proxies", "misstated", "said"),
    [
        ([], 0.0, "16 principal components"),
        (["Young", "Bald"], 0.0, "16 components that say most about 2 proxies"),
        ([], 0.05, "16 principal components, the private class misstated by 5 % of people"),
    ],
)
def test_the_report_says_what_is_sent(proxies, misstated, said):
    keys = {"protection.components": 16, "protection.misstated": misstated, "data.proxies": proxies}
    keys |= {"protection.noise": 0.5, "protection.common": 0.25}
    noise = f"{said}, noise of 0.5 deviations"
    assert ALIGNED.describe(keys | {"protection.per": "person"}) == noise
    common = ", 25 % of its variance common to a person's items"
    assert ALIGNED.describe(keys | {"protection.per": "example"}) == noise + common
    codes = {"protection.bits": 2, "protection.response": None, "protection.per": "person"}
    assert CODES.describe(keys | codes) == f"4 codes of {said}, one for a person"


def test_the_report_says_what_randomised_response_bounds():
    """1/2 + (e - 1) / (e + 3) / 2 of four codes and an epsilon of 1, by hand."""
    keys = {
        "protection.components": 16,
        "protection.misstated": 0.0,
        "data.proxies": [],
        "protection.bits": 2,
    }
    keys |= {"protection.response": 1.0}
    assert CODES.describe(keys | {"protection.per": "person"}).endswith("attribute away at 65.03 % at most")
    of_many = CODES.describe(keys | {"protection.per": "example"})
    assert float(of_many.split(" 20 at ")[1].removesuffix(" %")) > 80


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnxruntime-int8"])
def test_a_runtime_of_exported_files_is_refused(runtime):
    with pytest.raises(InputError, match=rf"{runtime} runs an exported file, .*=aligned has none: .*=torch"):
        check_runtime(runtime, "aligned")
    check_runtime("torch", "aligned")
