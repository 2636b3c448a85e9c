"""Two probes on the same people: the difference by hand, its interval, and the file between runs."""

import numpy as np
import pytest

from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.intervals import people_of
from tiprdc_fl.evaluation.paired import (
    RowPredictions,
    figure_of,
    load_predictions,
    paired_difference,
    save_predictions,
)
from tiprdc_fl.evaluation.scores import balanced_accuracy, measure_people


def predictions(
    people: int = 80, skill: float = 0.5, noise: int = 1, shared: float = 0.9, seed: int = 0
) -> RowPredictions:
    """A trait of people with 6 rows each, inferred from scores that two probes share for the most part."""
    both, own = np.random.default_rng(seed), np.random.default_rng([seed, noise])
    person = np.repeat(np.arange(people), 6)
    labels = (np.arange(people) % 2)[person]
    size = len(person)
    common = 0.5 * both.normal(size=people)[person] + both.normal(size=size)
    scores = (
        shared * common + np.sqrt(1.25 * (1 - shared**2)) * own.normal(size=size) + skill * (2 * labels - 1)
    )
    logits = np.stack([np.zeros(size), scores], axis=1).astype(np.float32)
    return RowPredictions(person, labels, logits, logits)


def test_the_difference_is_that_of_the_figures():
    first, second = predictions(skill=0.8), predictions(skill=0.5, noise=2)
    for pooled in (False, True):
        apart = paired_difference(first, second, pooled)
        values = [figure_of(one, pooled) for one in (first, second)]
        assert apart is not None and apart.value == pytest.approx(values[0] - values[1])
        back = paired_difference(second, first, pooled)
        assert back is not None
        assert (back.value, back.low, back.high) == pytest.approx((-apart.value, -apart.high, -apart.low))


def test_figures_are_those_of_the_scores():
    one = predictions()
    prediction, labels, people = one.units(pooled=False) or pytest.fail("no rows")
    assert figure_of(one, False) == balanced_accuracy(prediction, labels, people).value
    assert figure_of(one, True) == measure_people(prediction, labels, people).value


def test_a_probe_does_not_differ_from_itself():
    apart = paired_difference(predictions(), predictions(), pooled=False)
    assert apart is not None and (apart.value, apart.low, apart.high) == (0, 0, 0)


def test_what_both_probes_share_falls_out_of_the_interval():
    first, second = predictions(shared=0.95), predictions(shared=0.95, noise=2)
    apart = paired_difference(first, second, pooled=False)
    figure = balanced_accuracy(*(first.units(False) or pytest.fail("no rows")))
    assert apart is not None
    assert apart.high - apart.low < 0.7 * (figure.high - figure.low)


def test_intervals_hold_a_difference_of_nothing():
    held = 0
    for seed in range(300):
        first, second = predictions(40, seed=seed), predictions(40, noise=2, seed=seed)
        apart = paired_difference(first, second, pooled=False)
        assert apart is not None
        held += apart.low <= 0 <= apart.high
    assert 0.92 <= held / 300 <= 0.98


def test_other_people_or_labels_are_not_paired():
    first = predictions()
    for other in (
        RowPredictions(first.people + 1, first.labels, first.single),
        RowPredictions(first.people, 1 - first.labels, first.single),
        RowPredictions(first.people[:-1], first.labels[:-1], first.single[:-1]),
    ):
        assert paired_difference(first, other, pooled=False) is None


def test_figures_that_are_not_defined_are_not_paired():
    few, alone = predictions(people=18), predictions()
    assert paired_difference(few, few, pooled=False) is None and figure_of(few, False) is None
    alone = RowPredictions(alone.people, alone.labels, alone.single)
    assert paired_difference(alone, alone, pooled=True) is None
    assert paired_difference(alone, alone, pooled=False) is not None


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "predictions.npz"
    assert load_predictions(path) == {}
    first = predictions()
    second = RowPredictions(first.people, first.labels, first.single[:, ::-1])
    save_predictions(path, {"Male": first, "Wearing a hat/cap": second})
    stored = load_predictions(path)
    assert list(stored) == ["Male", "Wearing a hat/cap"]
    for name, values in vars(first).items():
        assert np.array_equal(getattr(stored["Male"], name), values), name
    assert stored["Wearing a hat/cap"].pooled is None
    assert people_of(stored["Male"].people).count == 80


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "predictions.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"predictions\.npz"):
        load_predictions(path)
