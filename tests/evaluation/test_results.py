"""Results of probes: the same for tasks and private attributes, with what a reader needs to judge them."""

import numpy as np
import pytest
import torch

from tests.attacks.problems import rows_of
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Prediction, Rows, Source, Trial
from tiprdc_fl.attacks.problem import balanced_accuracy
from tiprdc_fl.attacks.suite import row_candidates
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.intervals import UNDEFINED
from tiprdc_fl.evaluation.results import Probed, as_person, candidates_of, evaluate, judge
from tiprdc_fl.evaluation.scores import Scores
from tiprdc_fl.models.architecture import Architecture

FIT = Fit(steps=3, batch_size=32, learning_rate=1e-3, seed=0, device="cpu", precision="float32")
SOURCES = {
    "contributors": Source(np.arange(160), ("A", "B")),
    "collector": Source(np.arange(160, 240), ("A",)),
}
NAMES = ("lda", "linear", "trees", "conv")


def maps(seed: int, first_person: int = 0) -> Rows:
    """240 feature maps of 60 people; A is a trait of the person and seen, B changes with every example."""
    generator = np.random.default_rng(seed)
    labels = {"A": np.arange(240) // 4 % 2, "B": generator.integers(0, 3, 240)}
    z = generator.normal(size=(240, 8, 8, 8)).astype(np.float32)
    z[:, 0] += labels["A"][:, None, None]
    return rows_of(labels["A"], torch.from_numpy(z), first_person, B=labels["B"])


@pytest.fixture(scope="module")
def probed() -> tuple[list[Probed], list[int]]:
    """Every probe for every attribute that a source knows, and the calls for progress."""
    calls: list[int] = []
    candidates = candidates_of(Architecture("image", 4, image_size=(32, 32)), NAMES)
    trial = Trial(candidates, rows=maps(0), measured=maps(1, first_person=1000), sources=SOURCES)
    results = evaluate(
        {"features": trial},
        FIT,
        on_probe=lambda: calls.append(1),
        metrics={"rows": lambda labels, logits, people: len(labels), "nan": lambda *_: float("nan")},
    )
    return results["features"], calls


def test_every_probe_for_every_attribute_that_a_source_knows(probed):
    results, calls = [part.result for part in probed[0]], probed[1]
    expected = {
        (name, *key)
        for name in NAMES
        for key in (("A", "contributors"), ("B", "contributors"), ("A", "collector"))
    }
    assert {(one.probe, one.attribute, one.learned_from) for one in results} == expected
    assert len(results) == len(expected)
    assert len(calls) == len(NAMES) * len(SOURCES)
    assert {one.representation for one in results} == {"features"}
    assert {part.prediction.balanced.shape[1] for part in probed[0]} == {2, 3}


def test_a_result_says_what_was_learned_from_and_how_it_ended(probed):
    for part in probed[0]:
        one = part.result
        learned = {"contributors": (40, 160), "collector": (20, 80)}[one.learned_from]
        assert (one.learned_people, one.learned_examples) == learned
        assert (one.measured_people, one.measured_examples) == (60, 240)
        assert one.metrics == {"rows": 240, "nan": None}
        if one.probe == "conv":
            assert (one.steps, one.last_doubling, one.converged) == (3, None, False)
        if one.probe == "lda":
            assert one.steps is one.last_doubling is None and one.converged


def test_validation_is_that_of_the_validation_people(probed):
    rows = maps(0)
    for part in probed[0]:
        one, prediction = part.result, part.prediction
        labels = rows.labels[one.attribute][prediction.validation_rows]
        assert one.validation == pytest.approx(balanced_accuracy(prediction.validated, labels))
        people = np.unique(rows.people[prediction.validation_rows])
        assert len(people) == {"contributors": 10, "collector": 5}[one.learned_from]
        if one.attribute == "B":  # no trait of the person
            assert one.validation_per_person is None and one.per_person == UNDEFINED
            continue
        sums = prediction.validated.reshape(len(people), 4, 2).sum(axis=1)
        assert one.validation_per_person == balanced_accuracy(sums, labels[::4])


def test_a_persons_four_examples_are_worth_more_than_one(probed):
    for part in probed[0]:
        if (part.result.probe, part.result.attribute) == ("lda", "A"):
            single, pooled = part.result.balanced_accuracy.value, part.result.per_person.value
            assert single is not None and pooled is not None and pooled >= single > 0.9


def test_a_probe_of_people_has_a_figure_per_person_only():
    labels = np.arange(40) % 2
    rows = Rows(lambda chosen: torch.zeros(len(chosen), 1), np.arange(40), {"A": labels})
    logits = np.eye(2)[labels]
    prediction = Prediction(logits, logits, logits[:10], np.arange(10), validation=0.9)
    result = as_person(judge("features", ("lda", "A", "both"), prediction, rows, rows, np.arange(40))).result
    assert (result.probe, result.scores) == ("set-lda", Scores())
    assert (result.validation, result.validation_per_person) == (None, 0.9)
    assert result.per_person.value == 1


@pytest.mark.parametrize("value", ["text", None, [1, 2]])
def test_a_metric_that_returns_no_number_is_refused(value):
    rows = maps(0)
    logits = np.zeros((240, 2))
    with pytest.raises(InputError, match=r"metrics: mine returned .*: return one number"):
        judge(
            "features",
            ("lda", "A", "both"),
            Prediction(logits, logits),
            rows,
            rows,
            np.arange(240),
            {"mine": lambda *_: value},
        )


def test_a_metric_cannot_change_what_others_read():
    rows = maps(0)
    prediction = Prediction(np.zeros((240, 2)), np.zeros((240, 2)))

    def vandal(labels: np.ndarray, logits: np.ndarray, people: np.ndarray) -> float:
        labels[:], logits[:], people[:] = 1, 9, 9
        return 0.0

    judge("features", ("lda", "A", "both"), prediction, rows, rows, np.arange(240), {"vandal": vandal})
    assert (
        rows.labels["A"].mean() == 0.5 and not prediction.natural.any() and len(np.unique(rows.people)) == 60
    )


def test_row_candidates_are_probes_of_rows():
    rows = rows_of(np.arange(80) % 2, torch.arange(80.0)[:, None] % 2)
    trial = Trial(row_candidates(["lda"]), rows, rows, {"both": Source(np.arange(80), ("A",))})
    (one,) = evaluate({"metadata": trial}, FIT)["metadata"]
    assert one.result.balanced_accuracy.value == 1
