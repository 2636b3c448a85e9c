"""Strategies decide from counts alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import STRATEGIES, Progress, Settings, Supply, unread
from strategies.fair import shares
from tiprdc_fl.config import keys as config

PEOPLE = st.lists(st.integers(0, 50), min_size=1, max_size=5)


def progress(people, pending=None, answered=None, given_up=None, examples=None, labels=()):
    zeros = [0] * len(people)
    return Progress(
        people, pending or zeros, answered or zeros, given_up or zeros, examples or zeros, list(labels)
    )


def test_the_configuration_offers_every_strategy_with_its_own_defaults():
    keys = config.keys()
    for name, value in vars(Settings()).items():
        if name != "target":  # null: half of clients
            assert keys[f"strategy.{name}"].default == value


@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_is_asked_of_nobody(name):
    strategy = STRATEGIES[name].make(Settings())
    nobody = progress([0, 0] if strategy.by_device else [0], labels=[0, 0])
    assert all(
        min(wanted, left) <= 0 for wanted, left in zip(strategy.ask(nobody), nobody.waiting, strict=True)
    )


def test_everyone_asks_who_waits_and_never_has_enough():
    strategy = STRATEGIES["everyone"].make(Settings())
    assert strategy.ask(progress([9], [2], [3], [1])) == [3]
    assert not strategy.enough(progress([9], [0], [9]))
    assert strategy.deadline == math.inf


def test_uniform_asks_whoever_is_drawn_and_replaces_nobody():
    strategy = STRATEGIES["uniform"].make(Settings(fraction=0.25))
    assert strategy.share == 0.25
    assert strategy.ask(progress([10], [6], [3])) == [1]  # of those drawn
    assert not strategy.enough(progress([10], [0], [8], [2]))


def test_over_select_asks_more_and_takes_the_first():
    strategy = STRATEGIES["over_select"].make(Settings(target=10, factor=1.3))
    assert strategy.ask(progress([99])) == [13]
    assert strategy.ask(progress([99], [8], [4])) == [1]
    assert not strategy.enough(progress([99], [4], [9]))
    assert strategy.enough(progress([99], [3], [10]))


def test_deadline_is_everyone_with_an_end():
    strategy = STRATEGIES["deadline"].make(Settings(deadline=60))
    assert strategy.deadline == 60
    assert strategy.ask(progress([7], [3])) == [4]


def test_quota_of_devices_asks_the_classes_that_lack_examples():
    strategy = STRATEGIES["quota"].make(Settings(per="device", quota=100, window=10))
    assert strategy.by_device
    assert strategy.ask(progress([50, 50], examples=[100, 20])) == [0, 10]
    assert strategy.ask(progress([50, 50], [2, 3], examples=[0, 20])) == [3, 2]
    # the second class has nobody left: its part of the window goes to the first
    assert strategy.ask(progress([50, 4], [0, 0], [0, 4], examples=[0, 20])) == [10, 0]
    # those under way in a class that has its examples take their part of the window
    assert strategy.ask(progress([50, 50], [4, 0], examples=[100, 0]))[1] == 6
    one_by_one = STRATEGIES["quota"].make(Settings(per="device", quota=100, window=1))
    assert sum(max(0, wanted) for wanted in one_by_one.ask(progress([9, 9, 9]))) == 1
    assert strategy.enough(progress([50, 0], examples=[100, 0]))  # a class that nobody has lacks nothing
    assert strategy.enough(progress([50, 50], examples=[100, 100]))
    assert not strategy.enough(progress([50, 50], examples=[100, 99]))


def test_quota_of_labels_waits_for_the_rarest():
    strategy = STRATEGIES["quota"].make(Settings(per="label", quota=100, window=10))
    assert strategy.ask(progress([50], [4], labels=[100, 3])) == [6]
    assert not strategy.enough(progress([50], labels=[500, 99]))
    assert strategy.enough(progress([50], labels=[500, 100]))
    assert not strategy.enough(progress([50]))  # nobody counts labels: never


def test_fair_wants_the_same_share_of_every_class():
    strategy = STRATEGIES["fair"].make(Settings(target=20))
    assert strategy.ask(progress([60, 30, 10])) == [12, 6, 2]
    assert strategy.ask(progress([60, 30, 10], [0, 2, 2], [12, 3, 0])) == [0, 1, 0]
    assert not strategy.enough(progress([60, 30, 10], answered=[12, 6, 1]))
    assert strategy.enough(progress([60, 30, 10], answered=[12, 6, 2]))


@given(st.integers(0, 500), PEOPLE)
def test_shares_add_up_and_are_within_one_of_the_exact_ones(total, people):
    found, everybody = shares(total, people), sum(people)
    assert sum(found) == min(total, everybody)
    for share, number in zip(found, people, strict=True):
        assert share <= number
        assert abs(share - min(total, everybody) * number / max(1, everybody)) < 1


def test_async_window_keeps_its_window_full():
    strategy = STRATEGIES["async_window"].make(Settings(target=30, window=5))
    assert strategy.ask(progress([99], [2], [11])) == [3]
    assert strategy.enough(progress([99], [5], [30]))


def test_every_strategy_says_which_settings_it_reads():
    """What it says it does not read changes nothing in what it asks, and in when it ends."""
    other = {
        "fraction": 0.7,
        "target": 7,
        "factor": 3.0,
        "deadline": 9.0,
        "quota": 8,
        "per": "device",
        "window": 4,
    }
    moments = [
        progress([40, 40], examples=[9, 0], labels=[9, 0]),
        progress([40, 40], [3, 0], [20, 5], labels=[9, 9]),
    ]

    def behaviour(name: str, **changed) -> list:
        strategy = STRATEGIES[name].make(Settings(**changed))
        asked = [(list(strategy.ask(one)), strategy.enough(one)) for one in moments]
        return [asked, strategy.by_device, strategy.share, strategy.deadline]

    for name, record in STRATEGIES.items():
        for setting, value in other.items():
            same = behaviour(name) == behaviour(name, **{setting: value})
            assert same == (f"strategy.{setting}" not in record.reads), (name, setting)


def test_who_ends_by_time_or_tells_devices_apart_needs_devices():
    needing = {name for name, record in STRATEGIES.items() if record.make(Settings()).needs_devices}
    assert needing == {"deadline", "fair"}
    assert STRATEGIES["quota"].make(Settings(per="device")).needs_devices


def test_a_target_above_the_number_of_contributors_is_refused():
    supply = Supply(contributors=30, examples=dict)
    targeted = {name for name, record in STRATEGIES.items() if "strategy.target" in record.reads}
    refusing = {name for name, record in STRATEGIES.items() if record.check(Settings(target=31), supply)}
    assert refusing == targeted == {"over_select", "fair", "async_window"}
    assert not any(record.check(Settings(target=30), supply) for record in STRATEGIES.values())


def test_a_quota_above_the_rarest_value_is_refused():
    supply, check = Supply(30, lambda: {"Smiling=0": 9, "Smiling=1": 5}), STRATEGIES["quota"].check
    complaint = check(Settings(quota=6), supply)
    assert complaint == (
        "strategy.quota=6: of the rarest value, Smiling=1, the contributors have 5 examples; "
        "lower it, or raise clients"
    )
    assert check(Settings(quota=5), supply) is None
    assert check(Settings(quota=6, per="device"), supply) is None
    assert check(Settings(quota=6), Supply(30, dict)) is None  # without tasks


def test_keys_that_only_other_strategies_read():
    assert unread("over_select") == {
        f"strategy.{name}" for name in ("fraction", "deadline", "quota", "per", "window")
    }
    assert unread("one of another version") == set()
