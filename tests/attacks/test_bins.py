"""Bins of the columns that trees learn from."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from tiprdc_fl.attacks.classical import BINS, balanced_limits, binned


def rare_class(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Columns that differ by class in mean, variance, and a share; one in twenty rows is of class 1."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.05).astype(np.int64)
    columns = random.normal(size=(rows, 4)).astype(np.float32)
    columns[:, 0] += labels
    columns[:, 1] *= 1 + labels
    columns[:, 2] = random.random(rows) < 0.2 + 0.4 * labels
    return columns, labels


def test_bins_weigh_the_same_under_balanced_classes():
    columns, labels = rare_class(0)
    codes = binned(columns, balanced_limits(columns, labels))[:, 0].astype(int)
    weights = np.bincount(codes, weights=0.5 / np.bincount(labels)[labels], minlength=BINS)
    assert codes.max() == BINS - 1
    # A row of the rare class weighs 0.5 / 150: a bin may be wrong by one of them.
    assert np.abs(weights - 1 / BINS).max() < 1 / 200


def test_bins_keep_the_order_and_few_values_apart():
    columns, labels = rare_class(1)
    codes = binned(columns, balanced_limits(columns, labels))
    for column, code in zip(columns.T, codes.T, strict=True):
        assert (np.diff(code[np.argsort(column)]) >= 0).all()
    assert np.array_equal(codes[:, 2] == codes[:, 2].max(), columns[:, 2] == 1)
    new = np.array([[-9.0, 0.0, 0.0, 9.0]], np.float32)  # beyond all that was seen
    assert binned(new, balanced_limits(columns, labels))[0, [0, 3]].tolist() == [0, BINS - 1]


def test_trees_guess_as_from_the_values_themselves():
    (columns, labels), (others, truth) = rare_class(2), rare_class(3)
    limits = balanced_limits(columns, labels)
    recalls = []
    for fitted, tried in ((columns, others), (binned(columns, limits), binned(others, limits))):
        model = HistGradientBoostingClassifier(
            max_bins=BINS, max_leaf_nodes=8, class_weight="balanced", max_iter=20, random_state=0
        )
        guesses = model.fit(fitted, labels).predict(tried)
        recalls.append([np.mean(guesses[truth == value] == value) for value in (0, 1)])
    assert np.allclose(recalls[0], recalls[1], atol=0.02)
