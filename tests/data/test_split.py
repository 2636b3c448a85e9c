"""The three groups are disjoint, come from the data, have the sizes asked for and depend on the seed only."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprdc_fl.data.split import COLLECTOR, HOLDOUT, split_people
from tiprdc_fl.errors import InputError

GENERATED = range(2**62)
sizes = st.none() | st.integers(2, 40)
seeds = st.integers(0, 2**31)


def groups(split):
    return [split.holdout.tolist(), split.collector.tolist(), split.contributors.tolist()]


def joined(split):
    return [person for group in groups(split) for person in group]


@given(st.integers(85, 300), st.integers(1, 5), sizes, sizes, seeds)
def test_groups_are_disjoint_and_of_the_sizes_asked_for(available, clients, collector, holdout, seed):
    people = np.arange(available) * 7 + 3
    split = split_people(people, clients, collector, holdout, seed)
    everyone = joined(split)
    assert len(set(everyone)) == len(everyone)
    assert set(everyone) <= set(people.tolist())
    assert len(split.contributors) == clients
    assert len(split.collector) == collector if collector else len(split.collector) >= 2
    assert len(split.holdout) == holdout if holdout else len(split.holdout) >= 2
    assert all(ids.dtype == np.int64 for ids in (split.collector, split.contributors, split.holdout))


@given(st.integers(5, 300), st.data(), seeds)
def test_an_open_group_takes_everyone_left_over(available, data, seed):
    clients = data.draw(st.integers(1, available - 4))
    given_one = data.draw(st.integers(2, available - clients - 2))
    for collector, holdout in ((None, None), (given_one, None), (None, given_one)):
        split = split_people(range(available), clients, collector, holdout, seed)
        assert sorted(joined(split)) == list(range(available))


@pytest.mark.parametrize(
    ("clients", "collector", "holdout"), [(239, 40, 20), (290, 6, 3), (295, 2, 2), (294, 3, 2)]
)
def test_the_rest_is_shared_two_thirds_to_one(clients, collector, holdout):
    split = split_people(range(299), clients, None, None, 0)
    assert (len(split.collector), len(split.holdout)) == (collector, holdout)


def test_the_seed_fixes_the_groups():
    first, again, other = (split_people(range(300), 100, 50, 50, seed) for seed in (1, 1, 2))
    assert groups(first) == groups(again) != groups(other)


@given(st.integers(1, 200), st.integers(1, 200), seeds)
def test_more_contributors_move_nobody(few, many, seed):
    few, many = sorted((few, many))
    for people in (range(300), GENERATED):
        small, large = (split_people(people, clients, 50, 50, seed) for clients in (few, many))
        assert groups(small)[:2] == groups(large)[:2]
        assert small.contributors.tolist() == large.contributors[:few].tolist()


def test_generated_people_are_taken_in_their_order():
    split = split_people(GENERATED, 1000, None, None, 5)
    assert joined(split) == list(range(HOLDOUT + COLLECTOR + 1000))
    assert (len(split.holdout), len(split.collector)) == (HOLDOUT, COLLECTOR) == (200, 400)
    assert joined(split_people(GENERATED, 3, 2, 4, 6)) == list(range(9))


def test_a_million_contributors():
    split = split_people(GENERATED, 1_000_000, None, None, 0)
    assert split.contributors[[0, -1]].tolist() == [600, 1_000_599]


@pytest.mark.parametrize(
    ("people", "sizes", "message"),
    [
        (
            299,
            (400, None, None),
            "clients=400: the data has 299 people and collector and holdout need at least 2 each, "
            "so at most 295 can be contributors",
        ),
        (
            299,
            (290, 8, None),
            "clients=290, data.collector_people=8: the data has 299 people and holdout needs at least 2, "
            "so at most 289 can be contributors",
        ),
        (
            299,
            (290, None, 8),
            "clients=290, data.holdout_people=8: the data has 299 people and collector needs at least 2, "
            "so at most 289 can be contributors",
        ),
        (
            299,
            (100, 100, 100),
            "clients=100, data.collector_people=100, data.holdout_people=100: the data has 299 people, "
            "so at most 99 can be contributors",
        ),
        (
            299,
            (1, 298, None),
            "clients=1, data.collector_people=298: the data has 299 people and holdout needs at least 2, "
            "too few for any contributor: lower data.collector_people",
        ),
        (4, (1, None, None), "the data has 4 people and collector and holdout need at least 2 each, too few"),
        (9, (0, None, None), "clients=0: at least 1 contributor is needed"),
        (9, (1, 1, None), "data.collector_people=1: at least 2 people are needed"),
        (9, (1, None, 0), "data.holdout_people=0: at least 2 people are needed"),
        (10_000_001, (10_000_000, None, None), "so at most 9999401 can be contributors"),
    ],
)
def test_impossible_sizes_are_explained(people, sizes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        split_people(range(people), *sizes, seed=0)


def test_the_largest_number_of_contributors_that_the_error_names_works():
    assert len(split_people(range(299), 295, None, None, 0).contributors) == 295


@given(st.integers(20, 150), st.integers(10, 100), st.integers(1, 5), st.integers(2, 12) | st.none(), seeds)
def test_officially_the_holdout_is_of_the_test_people_and_the_others_are_not(
    others, tested, clients, size, seed
):
    people, holdout = np.arange(others + tested) * 7 + 3, min(size, tested) if size else None
    official = people[-tested:]
    split = split_people(people, clients, size, holdout, seed, official=official)
    everyone = joined(split)
    assert len(set(everyone)) == len(everyone)
    assert set(split.holdout.tolist()) <= set(official.tolist())
    assert not {*split.collector.tolist(), *split.contributors.tolist()} & set(official.tolist())
    assert len(split.holdout) == (holdout or tested)
    assert len(split.contributors) == clients
    assert len(split.collector) == (size or others - clients)
    assert all(ids.dtype == np.int64 for ids in (split.collector, split.contributors, split.holdout))


@given(st.integers(1, 100), st.integers(1, 100), seeds)
def test_officially_more_contributors_move_nobody(few, many, seed):
    few, many = sorted((few, many))
    small, large = (
        split_people(range(300), clients, 50, 20, seed, official=range(100, 150)) for clients in (few, many)
    )
    assert groups(small)[:2] == groups(large)[:2]
    assert small.contributors.tolist() == large.contributors[:few].tolist()


def test_the_seed_fixes_the_official_groups_too():
    first, again, other = (split_people(range(99), 9, 9, 9, seed, official=range(30)) for seed in (1, 1, 2))
    assert groups(first) == groups(again) != groups(other)


def test_official_people_of_whom_the_data_has_nothing_are_nobody():
    split = split_people(range(50), 5, None, None, 0, official=[1, 2, 3, 90])
    assert sorted(split.holdout.tolist()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("official", "sizes", "message"),
    [
        (
            20,
            (10, None, 21),
            "data.split=official, data.holdout_people=21: the data has 20 test people, lower it or leave it out",
        ),
        (
            1,
            (10, None, None),
            "data.split=official: the data has 1 test people, at least 2 are needed; use",
        ),
        (0, (10, None, 2), "data.holdout_people=2: the data has 0 test people, at least 2 are needed"),
        (
            20,
            (79, None, None),
            "data.split=official, clients=79: the data has 80 people besides the test people and collector "
            "needs at least 2, so at most 78 can be contributors",
        ),
        (
            20,
            (41, 40, None),
            "data.split=official, clients=41, data.collector_people=40: the data has 80 people besides the test "
            "people, so at most 40 can be contributors",
        ),
        (20, (1, 80, None), "besides the test people, too few for any contributor"),
        (20, (0, None, None), "clients=0: at least 1 contributor is needed"),
    ],
)
def test_impossible_official_sizes_are_explained(official, sizes, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        split_people(range(100), *sizes, seed=0, official=range(official))
    assert "\n" not in str(caught.value)


def test_official_sizes_that_just_fit():
    split = split_people(range(100), 40, 40, 20, 0, official=range(20))
    assert sorted(joined(split)) == list(range(100))
    assert len(split_people(range(100), 78, None, 2, 0, official=range(20)).collector) == 2
