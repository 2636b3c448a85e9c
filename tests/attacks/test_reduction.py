"""Rows that examples are reduced to, by hand."""

import math

import pytest
import torch

from tiprdc_fl.attacks.reduction import (
    MAX_CHANNELS,
    MAX_VALUES,
    ROW_VALUES,
    WORDS,
    bag_of_words,
    cells,
    channel_means,
    image_row,
    mean_and_max,
    message_means,
    message_row,
    pooled,
    second_moments,
)
from tiprdc_fl.models.text import PAD

# Two messages of two values a step: one of two steps and one without any.
MESSAGES = torch.tensor([[[-1.0, 2.0], [-3.0, 0.0], [0.0, 0.0]], [[0.0, 0.0]] * 3])


@pytest.mark.parametrize("shape", [(128, 54, 44), (3, 218, 178), (32, 8, 8), (2, 4, 4), (1, 1, 3000)])
def test_averaged_images_are_short(shape):
    x = torch.ones(2, *shape)
    averaged = cells(x)
    assert averaged.shape[1] <= MAX_VALUES and torch.allclose(averaged, torch.ones_like(averaged))
    if x[0].numel() <= MAX_VALUES:
        assert torch.equal(averaged, x.flatten(1))


def test_an_image_s_row_has_all_values_of_small_features_then_summaries_of_each_channel():
    x = torch.rand(2, 32, 8, 8)
    row = image_row(x)
    assert row.shape == (2, ROW_VALUES + 3 * 32)
    assert torch.equal(row[:, :ROW_VALUES], x.flatten(1)) and torch.equal(row[:, ROW_VALUES:], pooled(x))


def test_mean_spread_and_maximum_of_a_channel():
    x = torch.tensor([[[[1.0, 3.0], [1.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]]])
    assert pooled(x)[0].tolist() == pytest.approx([2, 5, 0, math.log(1e-6), 3, 5], abs=1e-5)
    assert channel_means(x).tolist() == [[2, 5]]


def test_products_of_two_channels_are_averaged_over_places():
    x = torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]])
    assert second_moments(x).tolist() == [[2, 6, 5, 13, 37]]  # (1 + 9) / 2, (5 + 21) / 2, (25 + 49) / 2
    many = second_moments(torch.rand(3, 2 * MAX_CHANNELS, 4, 4))
    assert many.shape == (3, MAX_CHANNELS + MAX_CHANNELS * (MAX_CHANNELS + 1) // 2)


def test_mean_and_largest_value_over_valid_steps():
    assert mean_and_max(MESSAGES).tolist() == [[-2.0, 1.0, -1.0, 2.0], [0.0] * 4]
    assert message_means(MESSAGES).tolist() == [[-2, 1], [0, 0]]


def test_a_message_s_row_ends_with_its_first_and_last_step_and_their_number():
    assert message_row(MESSAGES).tolist() == [[-2.0, 1, -1, 2, -1, 2, -3, 0, 2], [0.0] * 9]


def test_a_bag_counts_the_most_frequent_words():
    tokens = torch.tensor([[1, 3, 3, WORDS], [2, WORDS + 1, PAD, PAD]])
    bag = bag_of_words(tokens)
    assert bag.shape == (2, WORDS)
    assert [(i, j, int(bag[i, j])) for i, j in bag.nonzero().tolist()] == [
        (0, 0, 1),
        (0, 2, 2),
        (0, WORDS - 1, 1),
        (1, 1, 1),
    ]
