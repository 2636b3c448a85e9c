"""Codes: their numbers, the tree's halves, and what does not depend on others."""

import numpy as np
import pytest
import torch

from tiprdc_fl.models import fair_tree
from tiprdc_fl.models.fair_tree import FairTree, code_numbers, code_of, fit_tree

BITS = 4


def planted(count: int = 4096, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Components of two classes of one mean and variance; those of the second are skewed, and move together."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 2, count)
    rows = generator.normal(size=(count, 3))
    skewed = generator.exponential(size=(count, 3)) - 1
    skewed[:, 1] = 0.6 * skewed[:, 0] + 0.8 * skewed[:, 1]
    rows = np.where(classes[:, None] == 1, skewed, rows) * (1.0, 0.9, 0.8)
    return torch.from_numpy(rows.astype(np.float32)), torch.from_numpy(classes)


def fitted() -> FairTree:
    tree = FairTree(3, BITS, 2)
    fit_tree(tree, *planted())
    return tree


def total_variation(numbers: np.ndarray, classes: torch.Tensor) -> float:
    shares = []
    for number in (0, 1):
        own = np.bincount(numbers[classes.numpy() == number], minlength=2**BITS)
        shares.append(own / own.sum())
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def test_numbers_and_codes_are_each_others_inverse():
    numbers = np.arange(2**BITS)
    assert (code_numbers(code_of(numbers, BITS)) == numbers).all()


def test_the_first_bit_counts_most():
    assert code_numbers(torch.tensor([1.0, 0.5, 0.5])).item() == 4


def test_no_step_of_a_code_looks_like_padding():
    assert code_of(np.arange(2**BITS), BITS).min() > 0


def test_every_class_reaches_every_leaf_equally_often_in_the_sample():
    rows, classes = planted()
    numbers = code_numbers(fitted()(rows, classes))
    for number in (0, 1):
        own = np.bincount(numbers[classes.numpy() == number], minlength=2**BITS)
        # Halving an odd number leaves one over; thresholds are drawn a little towards those of all.
        assert np.abs(own / own.sum() * 2**BITS - 1).max() < 0.15


def test_classes_of_new_people_differ_by_chance_alone():
    rows, classes = planted(seed=1)
    numbers = code_numbers(fitted()(rows, classes))
    # Two samples of 2,048 people, and thresholds of as many: 0.06 where nothing differs.
    assert total_variation(numbers, classes) < 0.1


def test_without_thresholds_of_their_own_classes_differ():
    """The control: a tree for everybody gives the class away."""
    rows, classes = planted()
    tree = FairTree(3, BITS, 1)
    fit_tree(tree, rows, torch.zeros_like(classes))
    numbers = code_numbers(tree(rows, torch.zeros_like(classes)))
    assert total_variation(numbers, classes) > 0.2


def test_a_code_depends_on_no_other_item():
    rows, classes = planted(200)
    tree = fitted()
    together = tree(rows, classes)
    alone = torch.cat([tree(rows[n : n + 1], classes[n : n + 1]) for n in range(200)])
    assert torch.equal(together, alone)


def test_centres_are_the_means_of_their_items():
    rows, classes = planted()
    tree = fitted()
    codes = tree(rows, classes)
    numbers = code_numbers(codes)
    chosen = int(numbers[0])
    expected = rows[torch.from_numpy(numbers == chosen)].mean(dim=0)
    assert tree.centre(codes)[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_class_that_is_missing_somewhere_has_the_others_median():
    rows, classes = planted(64)
    classes[:] = 0
    tree = FairTree(3, 2, 2)
    fit_tree(tree, rows, classes)
    assert torch.equal(tree.thresholds[1], tree.thresholds[0])


def test_thresholds_of_alike_classes_are_hardly_their_own(monkeypatch):
    """Two samples of one distribution: medians of their own tell new items of the classes apart."""
    generator = np.random.default_rng(0)
    rows = torch.from_numpy(generator.normal(size=(200, 3)).astype(np.float32))
    fresh = torch.from_numpy(generator.normal(size=(20_000, 3)).astype(np.float32))
    told = torch.arange(20_000) % 2

    def apart() -> float:
        tree = FairTree(3, BITS, 2)
        fit_tree(tree, rows, torch.arange(200) % 2)
        return total_variation(code_numbers(tree(fresh, told)), told)

    drawn = apart()
    monkeypatch.setattr(fair_tree, "PRIOR", 0)
    assert drawn < 0.7 * apart()


def test_no_two_codes_share_a_centre():
    rows, classes = planted(20)
    tree = FairTree(3, 6, 2)
    fit_tree(tree, rows, classes)
    assert len(tree.centres.unique(dim=0)) == 64


def test_more_leaves_than_items_is_no_error():
    rows, classes = planted(5)
    tree = FairTree(3, 6, 2)
    fit_tree(tree, rows, classes)
    assert tree(rows, classes).shape == (5, 6)
