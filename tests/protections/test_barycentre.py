"""Maps from sums over people: near to those from rows, and better the more people there are."""

import numpy as np
import pytest
import torch
from sklearn.covariance import OAS
from torch import from_numpy, nn

from tests.protections.test_baselines import IMAGES, collected_of
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.class_sums import REACH, ClassSums, class_sums, row_values
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.models.transport import DEVIATIONS, Transport
from tiprdc_fl.protections import PROTECTIONS, Collected
from tiprdc_fl.protections.barycentre import approximating_shrinkage, laws_of_rows, laws_of_sums, transports
from tiprdc_fl.protections.transport_fit import refit

SIZE, UNIT = 4, 1 / (2 * DEVIATIONS)


def people_of(count: int, seed: int = 0, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows [count, each, SIZE] of people of two normal classes, and the class of each; the laws never change."""
    laws, generator = np.random.default_rng(0), np.random.default_rng([1, seed])
    classes = np.arange(count) % 2
    means, shapes = (
        laws.normal(0.5, 0.5 * UNIT, (2, SIZE)),
        np.eye(SIZE) + 0.3 * laws.normal(size=(2, SIZE, SIZE)),
    )
    noise = UNIT * generator.normal(size=(count, each, SIZE))
    return means[classes][:, None] + np.einsum("nij,nkj->nki", shapes[classes], noise), classes


def sums_of(rows: np.ndarray, classes: np.ndarray, count: int = 2) -> ClassSums:
    """What a federation adds up of people."""
    values = [row_values(own, np.full(len(own), c), count) for own, c in zip(rows, classes, strict=True)]
    return class_sums(np.sum(values, axis=0), SIZE)


def test_sums_give_the_means_and_covariances_of_rows():
    rows, classes = people_of(4000)
    laws = laws_of_sums(sums_of(rows, classes))
    for number, law in laws.items():
        own = rows[classes == number, 0]
        assert law.weight == pytest.approx(0.5)
        assert np.allclose(law.mean, own.mean(axis=0), atol=1e-3 * UNIT)
        assert np.allclose(law.covariance, OAS().fit(own).covariance_, atol=1e-3 * UNIT**2)


def test_covariances_of_few_people_with_many_items_are_hardly_shrunk():
    """Near to white classes are told apart by their covariances: those of 100 people are not to be evened out."""
    rows, classes = people_of(100, each=20)
    for number, law in laws_of_sums(sums_of(rows, classes)).items():
        own = np.cov(rows[classes == number].reshape(-1, SIZE).T, bias=True)
        assert np.abs(law.covariance - own).max() < 0.02 * np.trace(own) / SIZE


def test_shrinkage_is_that_of_scikit_learn():
    rows = np.random.default_rng(0).normal(size=(12, SIZE)) * [1, 2, 3, 4]
    mine = approximating_shrinkage(np.cov(rows.T, bias=True), rows=12)
    assert np.allclose(mine, OAS().fit(rows).covariance_)
    alike = 0.3 * np.eye(SIZE)
    assert np.allclose(approximating_shrinkage(alike, rows=12), alike)


def test_maps_of_sums_are_near_to_those_of_rows():
    rows, classes = people_of(4000)
    of_sums = transports(laws_of_sums(sums_of(rows, classes)), 2)
    of_rows = transports(laws_of_rows(rows[:, 0], classes), 2)
    for mine, theirs in zip(of_sums, of_rows, strict=True):
        assert np.allclose(mine, theirs, atol=0.02)


def test_a_class_without_people_has_no_law():
    rows, classes = people_of(100)
    assert list(laws_of_sums(sums_of(rows, classes, count=3))) == [0, 1]


def test_one_person_moves_the_maps_by_little():
    """Someone whose items all lie at the edge, and as many as count, among people with twenty items each."""
    rows, classes = people_of(1000, each=20)
    sums = sums_of(rows, classes)
    false = row_values(np.full((100, SIZE), 0.5 + 5 * REACH), np.zeros(100, int), 2)
    added = class_sums(false, SIZE)
    together = ClassSums(*(getattr(sums, name) + getattr(added, name) for name in vars(sums)))
    (maps, offsets), (false_maps, false_offsets) = (
        transports(laws_of_sums(own), 2) for own in (sums, together)
    )
    point = np.full(SIZE, 0.5)
    sent, false_sent = (o + m @ point for m, o in ((maps, offsets), (false_maps, false_offsets)))
    assert np.abs(sent - false_sent).max() < 0.1 * UNIT


def fitted(rows: np.ndarray, classes: np.ndarray) -> tuple[Transport, Collected]:
    """A network whose encoder passes rows on, fitted to the collector's people."""
    network = Transport(nn.Identity(), (SIZE, 1, 1), components=SIZE, classes=2)
    plain = Extractor(nn.Identity(), IMAGES, digest="")
    images = from_numpy(rows[:, 0].astype(np.float32))[:, :, None, None]
    collected = collected_of(plain, lambda chosen: images[from_numpy(chosen)], classes)
    PROTECTIONS["aligned"].fit(network, collected)
    return network, collected


def gap(network: Transport, rows: np.ndarray, classes: np.ndarray) -> float:
    """Largest difference between what the classes send on average, in deviations."""
    images = from_numpy(rows[:, 0].astype(np.float32))[:, :, None, None]
    sent = network.send(network(images), classes).numpy()
    return float(np.abs(sent[classes == 0].mean(axis=0) - sent[classes == 1].mean(axis=0)).max() / UNIT)


def test_statistics_of_many_contributors_hide_better_than_those_of_few_people_of_the_collector():
    own, own_classes = people_of(60, seed=1)
    fresh, fresh_classes = people_of(20_000, seed=2)
    network, collected = fitted(own, own_classes)
    before = gap(network, fresh, fresh_classes)
    gaps = []
    for count in (100, 4000):
        rows, classes = people_of(count, seed=3)
        images = from_numpy(rows[:, 0].astype(np.float32))[:, :, None, None]
        components = network(images).numpy()
        sums = sums_of(components[:, None].astype(float), classes)
        refit(network, collected, sums)
        gaps.append(gap(network, fresh, fresh_classes))
    assert gaps[1] < 0.1 < before
    assert gaps[1] < gaps[0]


def test_a_private_class_of_too_few_contributors_is_refused():
    own, own_classes = people_of(60)
    network, collected = fitted(own, own_classes)
    rows, classes = people_of(100)
    kept = np.flatnonzero((classes == 0) | (np.arange(100) < 14))
    with pytest.raises(InputError, match=r"has 7 contributors .* fewer than 10: raise clients, name fewer"):
        refit(network, collected, sums_of(rows[kept], classes[kept]))
    only = np.flatnonzero(classes == 0)
    with pytest.raises(InputError, match=r"has 0 contributors"):
        refit(network, collected, sums_of(rows[only], classes[only]))


def test_refitting_with_the_collector_s_own_sums_changes_little():
    own, classes = people_of(2000)
    network, collected = fitted(own, classes)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = from_numpy(own[:, 0].astype(np.float32))[:, :, None, None]
    sums = sums_of(network(images).numpy()[:, None].astype(float), classes)
    refit(network, collected, sums)
    for name, value in network.state_dict().items():
        assert torch.allclose(value, before[name], atol=0.05), name
