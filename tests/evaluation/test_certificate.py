"""The bound for every adversary: by hand, by every rule there is, and how often it fails."""

from itertools import product
from math import log, sqrt

import numpy as np
import pytest

from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.certificate import (
    COUNT_BUCKETS,
    certify,
    count_bucket,
    deviation,
    expected_excess,
    joint,
)
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE

REPEATS = 200
# Of each class, the probability of each value; and the number of people of each class.
POPULATIONS = {
    "nothing leaks": ([[1 / 16] * 16] * 2, (100, 100)),
    "little leaks": ([[0.55, 0.45], [0.45, 0.55]], (100, 100)),
    "much leaks": ([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], (60, 60)),
    "nearly everything leaks": ([[0.99, 0.01], [0.01, 0.99]], (50, 50)),
    "nearly one value": ([[0.98, 0.02, 0.0], [0.97, 0.0, 0.03]], (80, 80)),
    "a rare class": ([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]], (1000, FEWEST_PEOPLE)),
    "three classes": ([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4]], (90, 60, 30)),
}


def best(distributions) -> float:
    """The true balanced accuracy of the best rule, by a value's likeliest class."""
    return np.max(distributions, axis=0).sum() / len(distributions)


def drawn(distributions, people, generator):
    """Independent people: their items and their classes."""
    items = [
        generator.choice(len(probabilities), size=count, p=probabilities)
        for probabilities, count in zip(distributions, people, strict=True)
    ]
    return np.concatenate(items), np.repeat(np.arange(len(people)), people)


def test_two_classes_by_hand():
    """Value 0 is sent by 8 of 10 and by 5 of 20: TV is 0.55."""
    items = np.repeat([0, 1, 0, 1], [8, 2, 5, 15])
    classes = np.repeat([0, 1], [10, 20])
    certificate = certify(items, classes, values=2, delta=0.5)
    assert certificate is not None
    assert (certificate.values, certificate.people, certificate.delta) == (2, (10, 20), 0.5)
    assert certificate.measured == pytest.approx(1 / 2 + 0.55 / 2)
    assert certificate.certified == pytest.approx(0.775 + sqrt(log(2) * (1 / 10 + 1 / 20) / 2) / 2)


def test_three_classes_by_hand():
    items = np.repeat([0, 1, 2, 2, 0], [10, 10, 5, 15, 5])
    classes = np.repeat([3, 5, 9], [10, 15, 20])  # any numbers
    certificate = certify(items, classes, values=3)
    assert certificate is not None and certificate.people == (10, 15, 20)
    assert certificate.measured == pytest.approx((1 + 10 / 15 + 15 / 20) / 3)
    spread = sqrt(log(1 / 0.05) * (1 / 10 + 1 / 15 + 1 / 20) / 2)
    assert certificate.certified == pytest.approx(certificate.measured + spread / 3)


def test_the_bound_is_one_at_most():
    certificate = certify(np.repeat([0, 1], 10), np.repeat([0, 1], 10), values=2)
    assert certificate is not None and certificate.measured == certificate.certified == 1.0


@pytest.mark.parametrize("classes", [2, 3])
def test_no_rule_is_better_on_the_measured_people_than_measured(classes):
    generator = np.random.default_rng(0)
    items, labels = generator.integers(0, 4, 300), generator.integers(0, classes, 300)
    certificate = certify(items, labels, values=4)
    rules = np.array(list(product(range(classes), repeat=4)))
    right = rules[:, items] == labels
    accuracies = np.mean([right[:, labels == c].mean(axis=1) for c in range(classes)], axis=0)
    assert certificate is not None and certificate.measured == pytest.approx(accuracies.max())


@pytest.mark.parametrize("delta", [0.05, 0.5])
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_bound_fails_in_at_most_delta_of_the_cases(name, delta):
    distributions, people = POPULATIONS[name]
    generator, truth, failed = np.random.default_rng(1), best(distributions), 0
    for _ in range(REPEATS):
        items, classes = drawn(distributions, people, generator)
        certificate = certify(items, classes, values=len(distributions[0]), delta=delta)
        assert certificate is not None
        failed += certificate.certified < truth
    assert failed <= delta * REPEATS


def test_without_a_deviation_it_would_fail_in_about_half_of_the_cases():
    """With two values that tell much, the best rule is the measured one, and its accuracy is too low as often."""
    distributions, generator = [[0.8, 0.2], [0.2, 0.8]], np.random.default_rng(2)
    failed = 0
    for _ in range(REPEATS):
        certificate = certify(*drawn(distributions, (101, 101), generator), values=2)
        failed += certificate is not None and certificate.measured < 0.8
    assert 0.4 < failed / REPEATS < 0.6


@pytest.mark.parametrize("name", POPULATIONS)
def test_measured_exceeds_the_truth_on_average_by_no_more_than_expected(name):
    distributions, people = POPULATIONS[name]
    generator, values = np.random.default_rng(3), len(distributions[0])
    samples = (certify(*drawn(distributions, people, generator), values=values) for _ in range(REPEATS))
    measured = [sample.measured for sample in samples if sample is not None]
    error = np.std(measured) / sqrt(REPEATS)
    excess = np.mean(measured) - best(distributions)
    assert -3 * error <= excess <= expected_excess(values, people) + 3 * error


@pytest.mark.parametrize(
    ("people", "union_over_means", "bound"),
    [(3_000, 0.576, 0.558), (10_000, 0.542, 0.532), (100_000, 0.513, 0.510), (1_000_000, 0.504, 0.503)],
)
def test_where_nothing_leaks_the_bound_is_below_the_coarser_one(people, union_over_means, bound):
    """Sixteen values, half of the people of either class, delta 0.05.

    The coarser bound adds up what each class's empirical distribution is off by on average, and McDiarmid's
    deviation on both sides. It is larger than a union over the 2^16 rules too.
    """
    half = people / 2
    inverse = 2 / half
    coarser = 1 / 2 + (sqrt(16 / half) + sqrt(log(2 / 0.05) * inverse / 2)) / 2
    union = 1 / 2 + sqrt((16 * log(2) + log(1 / 0.05)) * inverse / 2) / 2
    ours = 1 / 2 + expected_excess(16, [people // 2] * 2) + deviation([people // 2] * 2)
    assert coarser == pytest.approx(union_over_means, abs=0.0005)
    assert ours == pytest.approx(bound, abs=0.0005)
    assert 1 / 2 + deviation([people // 2] * 2) < union < coarser


def test_few_people_or_one_class_have_no_certificate():
    for fewest, known in ((FEWEST_PEOPLE, True), (FEWEST_PEOPLE - 1, False)):
        classes = np.repeat([False, True], [100, fewest])
        assert (certify(np.zeros(len(classes), dtype=int), classes, values=1) is not None) == known
    assert certify(np.zeros(100, dtype=int), np.ones(100, dtype=int), values=1) is None
    assert certify(np.zeros(0, dtype=int), np.zeros(0, dtype=int), values=1) is None


def test_combinations_are_numbered():
    code, label, bucket = np.array([0, 2, 1]), np.array([1, 1, 0]), np.array([3, 0, 2])
    items, values = joint([code, label, bucket], [3, 2, 4])
    assert (items.tolist(), values) == ([7, 20, 10], 24)
    every = np.array(list(product(range(3), range(2), range(4)))).T
    assert joint(list(every), [3, 2, 4])[0].tolist() == list(range(24))


def test_what_travels_along_is_a_part_of_the_item():
    """Neither column tells anything by itself; together they tell all."""
    code, label = np.tile([0, 0, 1, 1], 10), np.tile([0, 1, 0, 1], 10)
    classes = code ^ label
    items, values = joint([code, label], [2, 2])
    alone, both = certify(code, classes, values=2), certify(items, classes, values=values)
    assert alone is not None and both is not None
    assert (alone.measured, both.measured, both.values) == (0.5, 1.0, 4)


def test_buckets_of_counts():
    counts = np.array([1, 2, 4, 5, 16, 17, 1000])
    assert count_bucket(counts).tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert count_bucket(counts).max() == COUNT_BUCKETS - 1


ITEMS, CLASSES = np.arange(4), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: certify(ITEMS, CLASSES, values=3), r"items: expected whole numbers from 0 to 2, got 0 to 3"),
        (lambda: certify(ITEMS - 1, CLASSES, values=4), r"items: .*got -1 to 2"),
        (
            lambda: certify(ITEMS * 1.0, CLASSES, values=4),
            r"items: expected integers \[people\], got float64",
        ),
        (lambda: certify(ITEMS, CLASSES, values=0), r"items: expected at least one possible value, got 0"),
        (lambda: certify(ITEMS, CLASSES[:3], values=4), r"classes: expected 4 integers, .* shape \[3\]"),
        (lambda: certify(ITEMS, CLASSES, values=4, delta=0.0), r"delta=0.0: expected a number above 0"),
        (lambda: certify(ITEMS, CLASSES, values=4, delta=1.0), r"delta=1.0: .* below 1"),
        (lambda: deviation([10]), r"people=\[10\]: expected at least two classes"),
        (lambda: joint([ITEMS], [4, 2]), r"sizes: expected one for each of 1 columns, .* got 2"),
        (
            lambda: joint([ITEMS, CLASSES], [4, 1]),
            r"column 1: expected whole numbers from 0 to 0, got 0 to 1",
        ),
        (lambda: joint([ITEMS, CLASSES[:2]], [4, 2]), r"column 1: expected 4 values, as in column 0, got 2"),
        (lambda: joint([ITEMS, CLASSES], [2**40, 2**40]), r"sizes: .* combinations are more than"),
        (lambda: count_bucket(np.array([1, 0])), r"counts: expected whole numbers from 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
