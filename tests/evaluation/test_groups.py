"""Figures by group: by hand, and what must hold whatever the groups are."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.evaluation.groups import DEVICE, Grouping, by_group, groupings
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE, UNDEFINED, Interval, People, people_of
from tiprdc_fl.evaluation.scores import measure


def logits(guess: np.ndarray, classes: int = 2) -> np.ndarray:
    return np.where(guess[:, None] == np.arange(classes), 1.0, 0.0)


def guessing(balanced, natural=None) -> Prediction:
    """A prediction whose guesses are these classes."""
    balanced = np.asarray(balanced)
    return Prediction(logits(balanced), logits(balanced if natural is None else np.asarray(natural)))


def some_people(count: int, each: int, seed: int = 0) -> tuple[Prediction, np.ndarray, People]:
    """A prediction that is right three times in four, labels, and ``count`` people."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count * each)
    guess = np.where(generator.random(count * each) < 0.75, labels, 1 - labels)
    natural = np.where(generator.random(count * each) < 0.8, guess, 0)
    return guessing(guess, natural), labels, people_of(np.repeat(np.arange(count), each))


def divided(members, names=("a", "b"), group_by: str = "Kind") -> Grouping:
    return Grouping(group_by, names, np.asarray(members))


def test_figures_of_a_group_by_hand():
    """Ten people with two examples each; the second ones, all of class 1, are inferred in 7 of 10 cases."""
    people = people_of(np.repeat(np.arange(20), 2))
    labels = np.tile([0, 1], 20)
    balanced, natural = np.zeros(40, int), np.zeros(40, int)
    balanced[1:20:2] = [1] * 7 + [0] * 3  # people 0 to 9
    balanced[21::2] = 1  # people 10 to 19
    balanced[20] = 1  # and of person 10 the first one is taken for class 1
    first, second = by_group(
        guessing(balanced, natural), labels, people, divided([0] * 20 + [1] * 20), False, 0
    )
    assert (first.group, first.people, first.examples) == ("a", 10, 20)
    assert first.accuracy.value == 0.5  # natural guesses class 0 always
    assert first.balanced_accuracy.value == pytest.approx((1 + 0.7) / 2)
    assert second.balanced_accuracy.value == pytest.approx((0.9 + 1) / 2)


def test_a_group_of_everybody_has_the_figures_of_the_whole():
    prediction, labels, people = some_people(40, 8)
    [found] = by_group(prediction, labels, people, divided([0] * 320, ("all",)), False, 0)
    whole = measure(prediction, labels, people)
    assert (found.accuracy, found.balanced_accuracy) == (whole.accuracy, whole.balanced_accuracy)
    assert (found.people, found.examples) == (40, 320)


@pytest.mark.parametrize("seed", range(5))
def test_groups_add_up_to_the_whole(seed):
    prediction, labels, people = some_people(60, 8, seed)
    members = np.random.default_rng(seed).integers(0, 2, 480)
    found = by_group(prediction, labels, people, divided(members), False, 0)
    assert sum(one.examples for one in found) == 480
    right = sum(one.examples * (one.accuracy.value or 0) for one in found)
    assert right == pytest.approx(480 * (measure(prediction, labels, people).accuracy.value or 0))


def test_values_of_the_attribute_itself_have_its_recalls_as_figures():
    prediction, labels, people = some_people(60, 8)
    found = list(by_group(prediction, labels, people, divided(labels), True, 0))
    recalls = [one.balanced_accuracy.value or 0 for one in found]
    assert np.mean(recalls) == pytest.approx(measure(prediction, labels, people).balanced_accuracy.value)
    for one in found:
        assert one.balanced_accuracy.low is not None and one.balanced_accuracy.high is not None
        assert one.balanced_accuracy.low < (one.balanced_accuracy.value or 0) < one.balanced_accuracy.high


def test_figures_do_not_depend_on_names_or_their_order():
    prediction, labels, people = some_people(60, 8)
    members = np.random.default_rng(1).integers(0, 3, 480)
    plain = by_group(prediction, labels, people, divided(members, ("a", "b", "c")), False, 0)
    order = np.array([2, 0, 1])  # a is now the third
    turned = by_group(prediction, labels, people, divided(order[members], ("B", "C", "A")), False, 0)
    by_name = {one.group: one for one in turned}
    assert [one.group for one in plain] == ["a", "b", "c"]
    for one in plain:
        other = replace(by_name[one.group.upper()], group=one.group)
        assert (other.chance_low, other.chance_high) == pytest.approx(
            (one.chance_low, one.chance_high), abs=0.02
        )
        assert replace(other, chance_low=one.chance_low, chance_high=one.chance_high) == one


def test_a_groups_interval_is_that_of_its_own_people_alone():
    """Its interval is as wide as that of its people alone, whoever else is measured."""
    prediction, labels, people = some_people(100, 8)
    members = np.repeat([0, 1], [50 * 8, 50 * 8])
    whole = divided(members)
    first = by_group(prediction, labels, people, whole, False, 0)[0]
    kept = slice(0, 400)
    alone = measure(
        Prediction(prediction.balanced[kept], prediction.natural[kept]),
        labels[kept],
        people_of(np.repeat(np.arange(50), 8)),
    ).balanced_accuracy
    assert first.balanced_accuracy.value == alone.value

    def width(figure: Interval) -> float:
        assert figure.low is not None and figure.high is not None
        return figure.high - figure.low

    assert width(first.balanced_accuracy) == pytest.approx(width(alone))


@pytest.mark.parametrize(
    ("people", "of_class_1", "known"),
    [
        (FEWEST_PEOPLE, FEWEST_PEOPLE, (True, True)),
        (FEWEST_PEOPLE - 1, 5, (False, False)),
        (FEWEST_PEOPLE + 5, FEWEST_PEOPLE - 1, (True, False)),
        (FEWEST_PEOPLE, 0, (True, False)),  # one class only
    ],
)
def test_of_few_people_nothing_is_said(people, of_class_1, known):
    labels = np.zeros((people, 2), int)
    labels[:of_class_1, 1] = 1
    [found] = by_group(
        guessing(np.zeros(2 * people, int)),
        labels.reshape(-1),
        people_of(np.repeat(np.arange(people), 2)),
        divided([0] * 2 * people, ("all",)),
        False,
        0,
    )
    assert (found.accuracy != UNDEFINED, found.balanced_accuracy != UNDEFINED) == known
    assert (found.people, found.examples) == (people, 2 * people)


def rows_of(people, **labels) -> Rows:
    return Rows(lambda chosen: torch.zeros(len(chosen)), np.array(people), labels)


def test_groups_are_device_classes_and_attributes_values():
    rows = rows_of([7, 3, 7], Kind=np.array([10, 2, 10]), Male=np.array([1, 0, 1]))
    asked: list[list[int]] = []

    def device_of(ids: np.ndarray) -> list[str]:
        asked.append(ids.tolist())
        return [{3: "slow", 7: "fast"}[person] for person in ids.tolist()]

    device, kind, male = groupings(rows, device_of)
    assert asked == [[3, 7]]  # once for each person
    assert (device.group_by, device.names, device.members.tolist()) == (DEVICE, ["fast", "slow"], [0, 1, 0])
    assert (kind.names, kind.members.tolist()) == (["Kind=2", "Kind=10"], [1, 0, 1])
    assert male.names == ["Male=0", "Male=1"]
    assert [one.group_by for one in groupings(rows, None)] == ["Kind", "Male"]


@pytest.mark.parametrize("varies", [False, True])
def test_random_groups_are_beyond_chance_in_one_division_of_twenty(varies):
    """Groups that have nothing to do with what is inferred, of people who differ from one another."""
    beyond = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        person = np.repeat(np.arange(60), 8)
        labels = generator.integers(0, 2, 480)
        skill = generator.beta(6, 2, 60)[person]
        guess = np.where(generator.random(480) < skill, labels, 1 - labels)
        members = generator.integers(0, 4, 480 if varies else 60)
        division = divided(members if varies else members[person], ("a", "b", "c", "d"))
        groups = by_group(guessing(guess), labels, people_of(person), division, False, seed)
        beyond += any(group.beyond_chance for group in groups)
    assert beyond <= 12  # 5 expected; more than 12 once in a thousand times


def test_a_group_that_is_inferred_better_is_beyond_chance():
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(100), 8)
    labels, members = generator.integers(0, 2, 800), (np.arange(100) % 4)[person]
    right = generator.random(800) < np.where(members == 2, 0.9, 0.65)
    groups = by_group(
        guessing(np.where(right, labels, 1 - labels)),
        labels,
        people_of(person),
        divided(members, ("a", "b", "c", "d")),
        False,
        0,
    )
    above = [group.group for group in groups if group.balanced_accuracy.value > group.chance_high]
    assert above == ["c"] and groups[2].beyond_chance


def test_a_smaller_group_is_further_out_by_chance():
    prediction, labels, people = some_people(100, 8)
    members = np.repeat((np.arange(100) < 15).astype(int), 8)
    large, small = by_group(prediction, labels, people, divided(members), False, 0)
    assert small.chance_high - small.chance_low > 1.5 * (large.chance_high - large.chance_low)


def test_values_of_the_attribute_itself_are_not_compared_with_chance():
    prediction, labels, people = some_people(60, 8)
    for group in by_group(prediction, labels, people, divided(labels), True, 0):
        assert (group.chance_low, group.chance_high, group.beyond_chance) == (None, None, None)


def test_many_groups_of_the_default_size_are_affordable():
    """200 people with 19 examples, three attributes by device class and by one another."""
    prediction, labels, _ = some_people(200, 19)
    people = people_of(np.repeat(np.arange(200), 19))
    classes = divided(np.repeat(np.arange(5).repeat(40), 19), tuple("abcde"), DEVICE)
    start = time.process_time()
    for _ in range(3):
        for one in (classes, divided(labels), divided(labels), divided(labels)):
            assert list(by_group(prediction, labels, people, one, False, 0))
    assert time.process_time() - start < 2
