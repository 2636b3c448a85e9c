"""Rows of metadata: what travels with features, in columns that mean the same wherever they are read."""

import numpy as np
import torch

from tiprdc_fl.attacks.probe import Rows
from tiprdc_fl.evaluation.metadata import metadata_rows


def rows_of(people: list[int], task: list[int]) -> Rows:
    values = torch.zeros(len(people), 1)
    return Rows(lambda chosen: values[chosen], np.array(people), {"task": np.array(task)})


def devices(people: np.ndarray) -> list[str]:
    return [("slow", "fast", "middle")[int(person) % 3] for person in people]


def test_a_row_holds_labels_sizes_and_the_device():
    rows = rows_of([3, 3, 4], [0, 1, 1])
    made = metadata_rows(rows, ["task"], {"bytes": np.array([10, 30, 7])}, devices)
    read = made.read(np.arange(3))
    # task=0, task=1, bytes, fast, slow
    expected = [[1, 0, 10, 0, 1], [0, 1, 30, 0, 1], [0, 1, 7, 1, 0]]
    assert np.allclose(read.numpy(), expected)


def test_columns_mean_the_same_for_people_who_lack_a_class():
    sizes = {"bytes": np.ones(3)}
    learned = rows_of([0, 1, 2], [0, 1, 2])
    measured = rows_of([3, 4, 6], [2, 2, 0])
    first = metadata_rows(learned, ["task"], sizes, devices).read(np.arange(3))
    second = metadata_rows(measured, ["task"], sizes, devices, like=learned).read(np.arange(3))
    assert second.shape == first.shape
    # Person 3 is as slow as person 0, and shows what person 2 shows.
    assert torch.equal(second[0, :3], first[2, :3])
    assert torch.equal(second[0, -3:], first[0, -3:])
    assert torch.equal(second[1, -3:], first[1, -3:])


def test_a_value_that_nobody_has_learned_is_no_column():
    learned, measured = rows_of([0, 1], [0, 1]), rows_of([2], [5])
    read = metadata_rows(measured, ["task"], {}, None, like=learned).read(np.arange(1))
    assert read.tolist() == [[0, 0]]
