"""The attacks on arrays: they reach what is known of the data, and refuse what they cannot take."""

import numpy as np
import pytest
from scipy.stats import norm

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.arrays import attack

PEOPLE, EACH = 100, 8


def gaussian(values: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two classes of people whose features differ by ``distance`` standard deviations along the first value."""
    rng = seeding.generator(seed, "arrays")
    people = np.arange(PEOPLE).repeat(EACH)
    labels = people % 2
    features = rng.normal(size=(len(people), values))
    features[:, 0] += distance * labels
    return features, labels, people


def test_an_adversary_comes_near_the_bayes_accuracy_and_never_learns_from_who_is_measured():
    features, labels, people = gaussian(values=5, distance=3.0)
    for result in attack(features, labels, people):
        assert result.balanced_accuracy.value == pytest.approx(norm.cdf(1.5), abs=0.06)
        assert (result.learned_people, result.measured_people) == (70, 30)
        assert result.converged and result.validation is not None and result.validation > 0.85


def test_nothing_is_found_where_nothing_is():
    features, labels, people = gaussian(values=5, distance=0.0)
    (result,) = attack(features, labels, people, ["linear"])
    assert result.balanced_accuracy.value == pytest.approx(0.5, abs=0.1)


def test_several_attributes_and_attacks_at_once_on_feature_maps():
    features, labels, people = gaussian(values=128, distance=0.0)
    maps = (features + labels[:, None]).reshape(-1, 2, 8, 8).astype(np.float32)
    results = attack(
        maps, {"Male": labels, "Other": 1 - labels}, people, ["linear", "conv"], steps=40, batch_size=32
    )
    assert {(r.attribute, r.probe) for r in results} == {
        (attribute, name) for attribute in ("Male", "Other") for name in ("linear", "conv")
    }
    assert len(results) == 4 and all(r.balanced_accuracy.value > 0.9 for r in results)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((4, 3, 2))}, "features: expected .* got shape"),
        ({"features": "text"}, "features: expected an array of numbers, got str"),
        ({"features": np.full((800, 5), np.nan)}, "not finite"),
        ({"features": np.zeros((800, 3, 8, 8))}, "an even number of channels"),
        ({"labels": np.zeros(800)}, "attribute: expected 800 integers"),
        ({"labels": np.full(800, -1)}, "labels are whole numbers from 0, got -1"),
        ({"people": np.arange(7)}, "people: expected 800 integers"),
        ({"people": np.zeros(800, int)}, "at least 2 people"),
        ({"labels": {}}, "labels: expected at least one attribute"),
        ({"steps": 0}, "steps=0: expected an integer, at least 1"),
        ({"batch_size": 1}, "batch_size=1: expected an integer, at least 2"),
        ({"attacks": "foo"}, "attacks=foo: foo cannot be used"),
        ({"measured_share": 1.0}, "measured_share=1.0"),
        ({"attacks": ["table1"]}, "attacks=table1: needs feature maps"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, message):
    features, labels, people = gaussian(values=5, distance=1.0)
    given = {"features": features, "labels": labels, "people": people, **change}
    with pytest.raises(InputError, match=message):
        attack(**given)


def test_the_values_of_labels_do_not_matter_but_their_differences():
    features, labels, people = gaussian(values=5, distance=3.0)
    plain, sparse = (attack(features, column, people, "linear") for column in (labels, labels * 10**9))
    assert plain == sparse
