"""Randomised response: by hand, over every sequence of items, and beside the bounds of composition."""

from itertools import product
from math import exp, inf, log, nan, tanh

import numpy as np
import pytest

from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.randomised_response import response_bound


def test_one_item_by_hand():
    assert response_bound(log(3), values=2) == pytest.approx(0.75)
    assert response_bound(log(3), values=16) == pytest.approx(1 / 2 + (2 / 18) / 2)
    assert response_bound(0.0, values=16) == pytest.approx(0.5)
    assert response_bound(inf, values=16) == 1.0


def test_several_items_is_that_of_all_sequences():
    """The classes' sequences differ in every item: the adversary cannot be better off."""
    epsilon, values, items = 1.2, 4, 3
    other = 1 / (exp(epsilon) + values - 1)
    first = np.array([exp(epsilon) * other, other, other, other])
    second = first[[1, 0, 2, 3]]
    distance = sum(
        abs(first[list(sent)].prod() - second[list(sent)].prod())
        for sent in product(range(values), repeat=items)
    )
    assert response_bound(epsilon, values, items) == pytest.approx(1 / 2 + distance / 4)


@pytest.mark.parametrize("items", [1, 2, 5, 40])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
def test_several_items_is_below_the_bounds_of_composition(epsilon, items):
    for values in (2, 16):
        bound = response_bound(epsilon, values, items)
        distance = 2 * response_bound(epsilon, values) - 1
        assert bound <= (1 + tanh(items * epsilon / 2)) / 2 + 1e-12
        assert bound <= 1 - (1 - distance) ** items / 2 + 1e-12
        assert bound >= response_bound(epsilon, values) - 1e-12


def test_classes_that_send_alike_are_told_apart_less_well():
    """What either class sends is a mixture of values: its distance shrinks by the same factor."""
    epsilon, values = 1.2, 4
    other = 1 / (exp(epsilon) + values - 1)
    channel = np.full((values, values), other) + np.eye(values) * (exp(epsilon) - 1) * other
    first, second = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    before, after = (abs(a - b).sum() / 2 for a, b in ((first, second), (first @ channel, second @ channel)))
    assert after == pytest.approx(before * (2 * response_bound(epsilon, values) - 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((nan, 4), r"epsilon=nan: expected a number, at least 0"),
        ((-1.0, 4), r"epsilon=-1.0: expected a number, at least 0"),
        ((1.0, 1), r"values=1: expected an integer, at least 2"),
        ((1.0, 2, 0), r"items=0: expected an integer, at least 1"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        response_bound(*arguments)
