"""Fresh probes together: what they learn from, what they read, and that they do not disturb one another."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.attacks.problems import drawn, probe, rows_of
from tiprdc_fl.attacks import probe as probe_room
from tiprdc_fl.attacks.classical import Classical
from tiprdc_fl.attacks.fitting import Fit, split_rows
from tiprdc_fl.attacks.networks import Perceptron, Summarised
from tiprdc_fl.attacks.probe import Candidate, Prediction, Rows, Source
from tiprdc_fl.attacks.problem import Answer, Problem, balanced_accuracy, last_of_best
from tiprdc_fl.attacks.reduced import Reduced
from tiprdc_fl.attacks.reduction import as_it_is, mean_and_max
from tiprdc_fl.attacks.suite import ROW_PROBES, row_candidates
from tiprdc_fl.evaluation.intervals import people_of
from tiprdc_fl.evaluation.scores import measure

FIT = Fit(steps=64, batch_size=64, learning_rate=0.02, seed=0, device="cpu", precision="float32")
SIZE = 8
KEY = ("probe", "A", "contributors")


def network() -> Candidate:
    return Candidate(lambda outputs: Perceptron(SIZE, outputs, (16,)))


def row_probe(name: str) -> Candidate:
    return row_candidates([name])[name]


MAKERS: dict[str, Callable[[], Candidate]] = {"network": network} | {
    name: (lambda name=name: row_probe(name)) for name in ROW_PROBES
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def predicted(candidate: Candidate, rows: Rows, measured: Rows, fit: Fit = FIT) -> Prediction:
    return probe({"probe": candidate}, rows, measured, fit)[KEY]


@pytest.fixture(scope="module")
def apart() -> tuple[Rows, Rows]:
    """Two classes three standard deviations apart, to learn from and to measure on."""
    return drawn(0, 1200, 0.5, gap=3), drawn(1, 1000, 0.5, gap=3, first_person=10_000)


@pytest.fixture(scope="module")
def small() -> tuple[Rows, Rows]:
    return drawn(0, 320, 0.5, gap=1), drawn(1, 100, 0.5, gap=1, first_person=10_000)


@EVERY
def test_a_probe_finds_what_the_features_hold(make, apart):
    rows, measured = apart
    prediction = predicted(make(), rows, measured)
    best = 0.5 * (1 + math.erf(1.5 / math.sqrt(2)))  # of two unit Gaussians three apart: 0.933
    scores = measure(prediction, measured.labels["A"], people_of(measured.people))
    assert scores.balanced_accuracy.value == pytest.approx(best, abs=0.03)
    assert scores.roc_auc.value == pytest.approx(0.5 * (1 + math.erf(1.5)), abs=0.025)
    assert scores.usable_bits.low is not None and scores.usable_bits.low > 0.5
    assert prediction.validation == pytest.approx(best, abs=0.07)  # of 120 rows


@EVERY
def test_a_probe_stays_at_chance_where_there_is_nothing(make):
    measured = drawn(1, 1000, 0.5, gap=0, first_person=10_000)
    prediction = predicted(make(), drawn(0, 400, 0.5, gap=0), measured)
    scores = measure(prediction, measured.labels["A"], people_of(measured.people))
    for figure in (scores.balanced_accuracy, scores.roc_auc):
        assert figure.value is not None and abs(figure.value - 0.5) < 0.064  # four standard errors
    assert scores.usable_bits.value is not None and scores.usable_bits.value < 0.01


@EVERY
def test_a_rare_class_is_not_ignored_and_natural_probabilities_are_calibrated(make):
    measured = drawn(1, 2000, 0.08, gap=3, first_person=10_000)
    prediction = predicted(make(), drawn(0, 1600, 0.08, gap=3), measured)
    labels = measured.labels["A"]
    recalls = [np.mean(prediction.balanced[labels == c].argmax(axis=1) == c) for c in (0, 1)]
    assert min(recalls) > 0.65  # the best possible is 0.933 for both; who ignores it has 0

    def loss(logits: np.ndarray) -> float:
        return F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).item()

    assert np.allclose(np.exp(prediction.natural).sum(axis=1), 1, atol=1e-5)
    assert loss(prediction.natural) < loss(prediction.balanced)
    assert loss(prediction.natural) < 0.7 * 0.279  # the entropy of the classes, in nats
    assert np.exp(prediction.natural[:, 1]).mean() == pytest.approx(labels.mean(), abs=0.03)


# What is read.


def noting(rows: Rows, seen: list[np.ndarray]) -> Rows:
    """The same rows; which of them are read is noted."""

    def read(chosen: np.ndarray) -> Tensor:
        seen.append(chosen)
        return rows.read(chosen)

    return Rows(read, rows.people, rows.labels)


def test_each_row_is_read_once_by_all_probes_together(small):
    learned: list[np.ndarray] = []
    asked: list[np.ndarray] = []
    candidates = {name: make() for name, make in MAKERS.items()}
    sources = {name: Source(np.arange(stop), ("A",)) for name, stop in (("some", 160), ("all", 320))}
    probe(candidates, noting(small[0], learned), noting(small[1], asked), FIT, sources)
    assert np.array_equal(np.concatenate(learned), np.arange(320))
    assert np.array_equal(np.concatenate(asked), np.arange(100))


def test_inputs_that_do_not_fit_into_memory_are_read_batch_by_batch(small, monkeypatch):
    held = predicted(network(), *small)
    monkeypatch.setattr(probe_room, "MOST_HELD", 1000)
    seen: list[np.ndarray] = []
    read = predicted(network(), noting(small[0], seen), small[1])
    assert len(seen) > FIT.steps and np.array_equal(held.balanced, read.balanced)


def test_messages_of_unequal_length_are_as_good_as_padded_ones(monkeypatch):
    """A batch of messages is as long as its longest, and padding is no difference, whatever is read first."""
    monkeypatch.setattr(probe_room, "READ_BATCH", 100)
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 2
    z = generator.normal(size=(400, 9, 4)).astype(np.float32) + labels[:, None, None].astype(np.float32)
    lengths = np.clip(np.arange(400) // 40, 1, 9)
    z *= np.arange(9)[None, :, None] < lengths[:, None, None]

    def rows(cut: bool) -> Rows:
        def read(chosen: np.ndarray) -> Tensor:
            return torch.from_numpy(z[chosen, : lengths[chosen].max() if cut else 9])

        return Rows(read, np.arange(400) // 4, {"A": labels})

    candidates = {
        "network": Candidate(lambda outputs: Summarised(mean_and_max, Perceptron(8, outputs))),
        "lda": Candidate(lambda _: Classical(mean_and_max, ROW_PROBES["lda"])),
    }
    cut, padded = (probe(candidates, rows(cut), rows(cut), FIT) for cut in (True, False))
    for key, prediction in cut.items():
        assert np.allclose(prediction.balanced, padded[key].balanced, atol=1e-3)
        assert prediction.validation > 0.8


def shifted(shift: float) -> tuple[Problem, Answer]:
    """An answer whose threshold is off by ``shift``, in standard deviations of a class."""
    labels = np.arange(800) % 2
    x = np.random.default_rng(0).normal(size=800) + 2 * labels - 1 + shift
    logits = np.stack([np.zeros(800), 2 * x], axis=1)
    problem = Problem("A", "both", 2, labels, np.arange(400), np.arange(400, 800), seed=0)
    return problem, Answer(logits[400:], logits[:400])


def test_a_threshold_that_is_far_off_is_moved():
    problem, answer = shifted(1.5)
    own, moved = (
        balanced_accuracy(logits, problem.labels[:400]) for logits in (answer.measured, _moved(1.5))
    )
    assert own < 0.75 < 0.82 < moved


def test_a_threshold_stays_where_another_gains_no_more_than_chance_may():
    _, answer = shifted(0.05)
    assert np.allclose(_moved(0.05), answer.measured)


def _moved(shift: float) -> np.ndarray:
    return probe_room._prediction(*shifted(shift)).balanced


# Whom probes learn from.


def problems_of(
    rows: Rows, measured: Rows, sources: dict[str, Source], seed: int = 0
) -> dict[tuple, Problem]:
    """The problems that a probe is given."""
    given: dict[tuple, Problem] = {}

    def learn(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
        given.update({problem.key: problem for problem in problems})
        nothing = np.zeros((1, 2))
        return [
            Answer(nothing.repeat(len(problem.validation), 0), nothing.repeat(len(reduced.measured), 0))
            for problem in problems
        ]

    probe(
        {"spy": Candidate(lambda _: Classical(as_it_is, learn))},
        rows,
        measured,
        replace(FIT, seed=seed),
        sources,
    )
    return given


NESTED = {
    "contributors": Source(np.arange(600), ("A",)),
    "collector": Source(np.arange(600, 1000), ("A",)),
    "both": Source(np.arange(1000), ("A",)),
    "few": Source(np.arange(120), ("A",)),
}


@pytest.mark.parametrize("seed", range(5))
def test_nobody_who_validates_is_learned_from_whatever_the_source(seed):
    rows = drawn(0, 1000, 0.5, 1)
    problems = problems_of(rows, rows, NESTED, seed)
    validating = {key: set(rows.people[problem.validation]) for key, problem in problems.items()}
    for key, problem in problems.items():
        learning = set(rows.people[problem.training])
        assert all(not learning & people for people in validating.values()), key
        assert learning | validating[key] == set(rows.people[NESTED[problem.source].rows])
        both = np.concatenate([problem.training, problem.validation])
        assert np.array_equal(np.sort(both), NESTED[problem.source].rows)
    assert {source: len(people) for (_, source), people in validating.items()} == {
        "few": 8,  # of 30 people a quarter
        "collector": 20,  # of 100 people 20, where a tenth is fewer
        "contributors": 20,  # of 150, the eight of "few" among them
        "both": 40,  # everybody who validates in a part
    }


def test_tasks_and_private_attributes_have_the_same_rows():
    """No attribute learns from more people or is chosen on others than another."""
    rows = drawn(0, 400, 0.5, 1)
    rows = replace(rows, labels={**rows.labels, "B": 1 - rows.labels["A"]})
    sources = {name: Source(part.rows[part.rows < 400], ("A", "B")) for name, part in NESTED.items()}
    sources = {name: part for name, part in sources.items() if len(part.rows)}
    problems = problems_of(rows, rows, sources)
    for source in sources:
        first, second = problems["A", source], problems["B", source]
        assert np.array_equal(first.training, second.training)
        assert np.array_equal(first.validation, second.validation)


def test_a_source_that_knows_nothing_decides_who_validates_all_the_same():
    """Predictions of two representations can be combined, although their sources know different attributes."""
    rows = drawn(0, 1000, 0.5, 1)
    some = {
        name: replace(part, attributes=part.attributes * (name == "both")) for name, part in NESTED.items()
    }
    known, all_of_them = (problems_of(rows, rows, sources)["A", "both"] for sources in (some, NESTED))
    assert np.array_equal(known.validation, all_of_them.validation)
    assert list(probe({"net": network()}, rows, rows, FIT, some)) == [("net", "A", "both")]


@EVERY
def test_labels_that_a_source_does_not_know_are_never_read(make, small):
    """Others' labels may be anything: they change neither the predictions nor the number of classes."""
    rows, measured = small
    sources = {"insider": Source(np.arange(160), ("A",))}
    other = rows.labels["A"].copy()
    other[160:] = -7
    plain, changed = (
        probe({"probe": make()}, replace(rows, labels=labels), measured, FIT, sources)[
            "probe", "A", "insider"
        ]
        for labels in (rows.labels, {"A": other})
    )
    assert np.array_equal(plain.balanced, changed.balanced)
    assert np.array_equal(plain.natural, changed.natural)


@EVERY
def test_labels_of_the_measured_are_never_read(make, small):
    rows, measured = small
    flipped = replace(measured, labels={"A": 1 - measured.labels["A"]})
    plain, changed = (predicted(make(), rows, part) for part in (measured, flipped))
    assert np.array_equal(plain.balanced, changed.balanced)
    assert np.array_equal(plain.natural, changed.natural)


# What a probe depends on.


@EVERY
def test_a_probe_does_not_depend_on_those_beside_it(make, small):
    alone = predicted(make(), *small)
    others = {"other": network(), "lda": row_probe("lda"), "knn": row_probe("knn")}
    beside = probe({**others, "probe": make()}, *small, FIT)[KEY]
    assert np.array_equal(alone.balanced, beside.balanced)
    assert np.array_equal(alone.natural, beside.natural)


def with_dropout() -> Candidate:
    return Candidate(
        lambda outputs: nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, outputs))
    )


def test_equal_seeds_give_equal_probes_and_others_others(small):
    def balanced(seed: int) -> np.ndarray:
        return predicted(with_dropout(), *small, replace(FIT, steps=10, seed=seed)).balanced

    expected = balanced(0)
    torch.rand(100)  # what was drawn before does not count
    assert np.array_equal(balanced(0), expected)
    assert not np.array_equal(balanced(1), expected)


def test_the_restart_counts_that_validates_best(small):
    """Fresh networks of which one only knows the class; the answer of that one is taken, whichever it is."""
    rows, measured = small
    signs = rows_of(rows.labels["A"], torch.from_numpy(2.0 * rows.labels["A"] - 1).float()[:, None])
    asked = rows_of(
        measured.labels["A"], torch.from_numpy(2.0 * measured.labels["A"] - 1).float()[:, None], 10_000
    )

    class Fixed(nn.Module):
        def __init__(self, knows: bool):
            super().__init__()
            self.weight, self.knows = nn.Parameter(torch.zeros(1)), knows

        def forward(self, x: Tensor) -> Tensor:
            score = x[:, 0] if self.knows else torch.ones(len(x))
            return torch.stack([-score, score], dim=1) + 0 * self.weight

    for place in (1, 2, 3):  # the first build only shows what kind of probe it is
        built: list[int] = []

        def build(outputs: int, place: int = place, built: list[int] = built) -> nn.Module:
            built.append(outputs)
            return Fixed(len(built) - 1 == place)

        prediction = predicted(Candidate(build), signs, asked, replace(FIT, steps=2, restarts=3))
        assert len(built) == 4
        assert prediction.validation == balanced_accuracy(prediction.balanced, asked.labels["A"]) == 1


def test_more_restarts_validate_no_worse(small):
    one, three = (
        predicted(with_dropout(), *small, replace(FIT, steps=8, restarts=count)).validation
        for count in (1, 3)
    )
    assert three >= one


@pytest.mark.parametrize("steps", [1, 2, 3, 33])
def test_a_network_can_be_trained_in_any_number_of_steps(steps, small):
    prediction = predicted(network(), *small, replace(FIT, steps=steps))
    assert np.isfinite(prediction.natural).all() and not prediction.converged


def test_progress_is_said_of_each_pair_of_probe_and_source(small):
    calls: list[int] = []
    sources = {name: Source(np.arange(stop), ("A",)) for name, stop in (("some", 160), ("all", 320))}
    candidates = {"lda": row_probe("lda"), "net": network(), "linear": row_probe("linear")}
    predictions = probe(candidates, *small, FIT, sources, lambda: calls.append(1))
    assert len(calls) == 3 * 2
    assert set(predictions) == {(name, "A", source) for name in candidates for source in sources}


# What is made of an answer.


def scripted(sign: float) -> Candidate:
    """A probe that tells the first value, or its opposite."""

    def learn(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
        def logits(x: Tensor) -> np.ndarray:
            return np.stack([np.zeros(len(x)), sign * x[:, 0].numpy()], axis=1)

        return [
            Answer(logits(reduced.learned[torch.from_numpy(problem.validation)]), logits(reduced.measured))
            for problem in problems
        ]

    return Candidate(lambda _: Classical(as_it_is, learn))


def test_a_probe_that_never_guesses_a_class_is_not_chosen_where_validation_people_lack_it(apart):
    train, measured = apart
    _, validation = split_rows(train.people, FIT.seed)
    labels = train.labels["A"].copy()
    labels[validation] = 0
    prediction = predicted(row_probe("lda"), Rows(train.read, train.people, {"A": labels}), measured)
    assert prediction.validation is None


def test_a_probe_that_is_systematically_wrong_counts_as_its_opposite(apart):
    right, wrong = (predicted(scripted(sign), *apart) for sign in (1.0, -1.0))
    assert np.allclose(right.balanced, wrong.balanced, atol=1e-3)
    assert np.allclose(right.natural, wrong.natural, atol=1e-3)
    assert right.validation == wrong.validation > 0.85
    assert balanced_accuracy(wrong.balanced, apart[1].labels["A"]) > 0.85


def test_the_validation_figure_is_that_of_the_validation_rows(apart):
    rows, measured = apart
    prediction = predicted(row_probe("lda"), rows, measured)
    labels = rows.labels["A"][prediction.validation_rows]
    right = prediction.validated.argmax(axis=1) == labels
    assert prediction.validation == pytest.approx((right[labels == 0].mean() + right[labels == 1].mean()) / 2)


@pytest.mark.parametrize(
    ("counts", "score", "expected"),
    [
        ((20_000, 20_000), 0.8, 0.01),
        ((200, 200), 0.8, 0.02),  # root of 0.16 (1 / 200 + 1 / 200), halved
        ((100, 25), 0.5, 0.03),  # root of 0.25 (1 / 100 + 1 / 25), halved, is more than three points
        ((400, 0), 0.5, 0.025),  # a recall of one class
        ((4, 4), 1.0, 0.01),
    ],
)
def test_a_gain_that_few_validation_rows_cannot_tell_from_chance_does_not_count(counts, score, expected):
    labels = np.repeat([0, 1], counts)
    rows = np.arange(len(labels))
    problem = Problem("A", "both", 2, labels, rows, rows, 0)
    assert problem.tolerance(score) == pytest.approx(expected, abs=1e-4)


def test_balanced_accuracy_is_of_the_classes_that_occur():
    logits = np.eye(3)[[0, 0, 1, 2]]
    assert balanced_accuracy(logits, np.array([0, 0, 0, 2])) == pytest.approx((2 / 3 + 1) / 2)
    assert last_of_best([0.5, 0.7, 0.7, 0.6]) == 2


# Poor data.


def tiny(name: str) -> tuple[Rows, Rows, dict[str, Source] | None]:
    """Rows to learn from, measured rows, and sources."""
    generator = np.random.default_rng(0)

    def made(labels: np.ndarray, per_person: int = 4, first_person: int = 0) -> Rows:
        x = torch.from_numpy(generator.normal(size=(len(labels), SIZE)).astype(np.float32))
        return rows_of(labels, x, first_person, per_person)

    coins, asked = generator.integers(0, 2, 48), made(np.arange(16) % 2, first_person=99)
    three = made(np.arange(18) % 3, first_person=99)
    twice = {"a": Source(np.arange(4), ("A",)), "b": Source(np.arange(4), ("A",))}
    halves = {"a": Source(np.arange(24), ("A",)), "b": Source(np.arange(24, 48), ("A",))}
    return {
        "twelve people of four examples": (made(coins), asked, None),
        "class 0 only": (made(0 * coins), asked, None),
        "class 1 only": (made(0 * coins + 1), asked, None),
        "an absent class": (made(coins), three, None),
        "the first class is absent": (made(1 + coins), three, None),
        "a class absent in a source": (made(np.arange(48) // 24), asked, halves),
        "constant values": (rows_of(coins, torch.ones(48, SIZE)), asked, None),
        "one person": (made(coins[:4]), asked, None),
        "one person in two sources": (made(coins[:4]), asked, twice),
        "two people of two examples": (made(coins[:4], 2), made(coins[:1], 1, 99), None),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "twelve people of four examples",
        "class 0 only",
        "class 1 only",
        "an absent class",
        "the first class is absent",
        "a class absent in a source",
        "constant values",
        "one person",
        "one person in two sources",
        "two people of two examples",
    ],
)
def test_every_probe_bears_poor_data(name):
    rows, measured, sources = tiny(name)
    candidates = {name: make() for name, make in MAKERS.items()}
    predictions = probe(candidates, rows, measured, replace(FIT, steps=3), sources)
    assert len(predictions) == len(MAKERS) * len(sources or [1])
    for prediction in predictions.values():
        assert prediction.balanced.dtype == prediction.natural.dtype == np.float32
        assert prediction.balanced.shape == prediction.natural.shape
        assert np.isfinite(prediction.balanced).all() and np.isfinite(prediction.natural).all()
        assert prediction.validation is None or 0 <= prediction.validation <= 1


# Rows made again of the same examples.


def test_augmented_rows_are_learned_from_and_never_validated_on(small, monkeypatch):
    rows = small[0]
    count = len(rows.people)
    twice = Rows(
        lambda chosen: rows.read(chosen % count),
        np.tile(rows.people, 2),
        {"A": np.tile(rows.labels["A"], 2)},
    )
    problems: list[Problem] = []

    def noted(reduced: Reduced, asked: list[Problem]) -> list[Answer]:
        problems.extend(asked)
        return ROW_PROBES["lda"](reduced, asked)

    candidate = Candidate(lambda _: Classical(as_it_is, noted))
    sources = {
        "both": Source(np.arange(count), ("A",)),
        "informed": Source(np.arange(count), ("A",), count + np.arange(count)),
    }
    probe({"probe": candidate}, twice, small[1], FIT, sources)
    plain, augmented = problems
    assert np.array_equal(plain.validation, augmented.validation)
    assert augmented.validation.max() < count
    assert np.array_equal(augmented.training, np.concatenate([plain.training, count + plain.training]))


def test_the_ratio_of_densities_is_the_best_rule_where_no_linear_one_is():
    """Each class is two points with noise around them; the ratio of their densities is Bayes' rule."""
    generator = np.random.default_rng(0)
    points = np.array(
        [[[0, 0], [2, 2]], [[0, 2], [2, 0]]], dtype=np.float32
    )  # an XOR: no mean tells classes apart

    def rows(count: int, first_person: int) -> Rows:
        labels = generator.integers(0, 2, count)
        x = points[labels, generator.integers(0, 2, count)] + generator.normal(0, 0.7, (count, 2))
        return rows_of(labels, torch.from_numpy(x.astype(np.float32)), first_person)

    learned, measured = rows(4000, 0), rows(4000, 10_000)
    x = measured.read(np.arange(4000)).numpy()[:, None, None]
    best = np.exp(-((x - points) ** 2).sum(-1) / (2 * 0.7**2)).sum(-1).argmax(axis=1)
    prediction = predicted(row_probe("density"), learned, measured)
    got = balanced_accuracy(prediction.balanced, measured.labels["A"])
    assert got == pytest.approx((best == measured.labels["A"]).mean(), abs=0.015)
    assert got > 0.8
