"""Re-identification: what the adversary finds, what it does not, and the figures' arithmetic."""

import numpy as np
import pytest
import torch

from tiprdc_fl.attacks.reduction import cell_counts, reduce_features
from tiprdc_fl.attacks.reidentification import (
    Metric,
    OwnedRows,
    Pairs,
    Reidentification,
    learn_metric,
    reidentify,
)
from tiprdc_fl.attacks.roc import placements
from tiprdc_fl.errors import InputError


def drawn(seed: int, people: int, per_person: int, trait: float, size: int = 16, first: int = 0) -> OwnedRows:
    """Gaussian rows whose persons' means scatter by ``trait`` where examples scatter by one."""
    generator = np.random.default_rng(seed)
    means = trait * generator.normal(size=(people, size))
    x = np.repeat(means, per_person, axis=0) + generator.normal(size=(people * per_person, size))
    owners = first + np.repeat(np.arange(people), per_person)
    return owned(x, owners)


def owned(x: np.ndarray, people: np.ndarray) -> OwnedRows:
    tensor = torch.from_numpy(np.asarray(x, dtype=np.float32))
    return OwnedRows(lambda chosen: tensor[chosen], people)


def found(rows: OwnedRows, measured: OwnedRows, **more) -> Reidentification:
    result = reidentify(rows, measured, seed=0, **more)
    assert result is not None
    return result


def area(pairs: Pairs) -> float:
    return float(placements(pairs.scores, pairs.same)[pairs.same].mean())


def test_features_without_anything_of_the_person_are_guessed_at_chance():
    result = found(drawn(0, 100, 6, trait=0), drawn(1, 300, 6, trait=0, first=1000))
    assert area(result.contribution) == pytest.approx(0.5, abs=0.06)
    assert area(result.example) == pytest.approx(0.5, abs=0.06)


def test_features_that_name_the_person_are_recognised():
    result = found(drawn(0, 100, 6, trait=10), drawn(1, 100, 6, trait=10, first=1000))
    assert area(result.contribution) > 0.999
    assert area(result.example) > 0.999


def test_rows_that_never_vary_within_a_person_are_recognised():
    generator = np.random.default_rng(0)
    rows, measured = (np.repeat(generator.normal(size=(40, 8)), 4, axis=0) for _ in range(2))
    people = np.repeat(np.arange(40), 4)
    result = found(owned(rows, people), owned(measured, 100 + people))
    assert area(result.contribution) > 0.999


def test_many_examples_together_tell_more_than_one():
    result = found(drawn(0, 200, 10, trait=0.5), drawn(1, 200, 10, trait=0.5, first=1000))
    assert area(result.contribution) > area(result.example) + 0.05 > 0.6


def test_the_metric_ignores_what_changes_within_a_person():
    """The person is in one quiet coordinate of eight; plain cosine similarity sees the loud ones."""
    generator = np.random.default_rng(0)

    def part(first: int) -> OwnedRows:
        people = np.repeat(np.arange(150), 6)
        x = generator.normal(size=(len(people), 8))
        x[:, 0] = 0.05 * x[:, 0] + generator.normal(size=150)[people]
        return owned(x, first + people)

    rows, measured = part(0), part(1000)
    learned = found(rows, measured)
    nobody_twice = OwnedRows(rows.read, np.arange(len(rows.people)))
    plain = found(nobody_twice, measured)
    # One coordinate's cosine is no more than its sign, which any two people share every second time.
    assert area(learned.example) > 0.7 > 0.65 > area(plain.example) > 0.5


def test_embeddings_have_unit_scatter_within_people():
    rows = drawn(0, 200, 10, trait=3)
    x = rows.read(np.arange(len(rows.people))).numpy()
    metric = learn_metric(x * np.arange(1, 17), rows.people)
    embedded = metric.embed(x * np.arange(1, 17)).reshape(200, 10, -1)
    within = embedded - embedded.mean(axis=1, keepdims=True)
    assert np.allclose((within**2).sum(axis=(0, 1)) / (200 * 9), 1, atol=0.05)
    assert metric.between.mean() == pytest.approx(9, rel=0.1)  # 3 squared


def test_the_variance_between_people_is_without_what_means_scatter_by_chance():
    """Means of 5 examples scatter by 0.2 around the people's own, whose variance is 0.6 squared."""
    rows = drawn(0, 600, 5, trait=0.6)
    metric = learn_metric(rows.read(np.arange(3000)).numpy(), rows.people)
    assert metric.between.mean() == pytest.approx(0.36, abs=0.05)


def test_components_weigh_by_their_reliability_by_hand():
    metric = Metric(np.zeros(3), np.eye(3), between=np.array([3.0, 0.0, 1.0]))
    weighed = metric.weigh(np.full((2, 3), 2.0), np.array([1, 3]))
    # 3 / (3 + 1) and 1 / (1 + 1) of one example, 3 / (3 + 1/3) and 1 / (1 + 1/3) of the mean of three.
    assert np.allclose(weighed**2 / 4, [[0.75, 0, 0.5], [0.9, 0, 0.75]])


def test_components_that_tell_little_of_the_person_count_little():
    """The person is in 4 of 64 coordinates; of cosines that weigh all alike, the other 60 make a noise."""
    generator = np.random.default_rng(0)

    def part(first: int) -> OwnedRows:
        people = np.repeat(np.arange(200), 6)
        x = generator.normal(size=(len(people), 64))
        x[:, :4] += generator.normal(size=(200, 4))[people]
        return owned(x, first + people)

    result = found(part(0), part(1000))
    assert area(result.example) > 0.65  # 0.59 without their reliability


def test_pairs_are_of_two_people_but_for_the_own_ones():
    result = found(drawn(0, 20, 4, trait=1), drawn(1, 30, 4, trait=1, first=1000), others=7)
    pairs = result.contribution
    assert result.usable == 30 and result.people.tolist() == list(range(1000, 1030))
    assert pairs.same.sum() == 30 and len(pairs.same) == 30 * 8
    assert ((pairs.first == pairs.second) == pairs.same).all()
    both = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert len(both) == len(pairs.same)  # none twice
    assert np.array_equal(result.example.first, pairs.first)


def test_every_other_person_is_met_where_there_are_few():
    result = found(drawn(0, 20, 4, trait=1), drawn(1, 5, 4, trait=1, first=1000))
    assert len(result.contribution.scores) == 5 * 5


def test_people_with_one_example_are_in_no_pair():
    measured = drawn(1, 6, 3, trait=1, first=1000)
    alone = OwnedRows(measured.read, np.where(np.arange(18) == 4, 7, measured.people))
    result = found(drawn(0, 20, 4, trait=1), alone)
    assert result.people[0] == 7 and result.usable == 6
    assert 0 not in result.contribution.first and 0 not in result.contribution.second


@pytest.mark.parametrize(("people", "per_person"), [(1, 6), (9, 1)])
def test_fewer_than_two_usable_people_give_no_figure(people, per_person):
    assert reidentify(drawn(0, 20, 4, trait=1), drawn(1, people, per_person, trait=1), seed=0) is None


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_rows_are_too_few_to_learn_from(count):
    with pytest.raises(
        InputError, match=f"sent {count} examples, and re-identification needs two: raise clients"
    ):
        reidentify(drawn(0, count, 1, trait=1), drawn(1, 4, 4, trait=1), seed=0)


def test_constant_features_are_guessed_at_chance():
    people = np.repeat(np.arange(10), 4)
    result = found(owned(np.full((40, 3), 0.3), people), owned(np.full((40, 3), 0.3), people))
    assert result.components == 0
    assert area(result.contribution) == 0.5  # all tied


def test_the_seed_decides_and_scales_of_features_do_not_matter():
    rows, measured = drawn(0, 30, 4, trait=1), drawn(1, 30, 4, trait=1)
    scaled = [
        OwnedRows(lambda chosen, part=part: 8 * part.read(chosen), part.people) for part in (rows, measured)
    ]
    first, again, eightfold = found(rows, measured), found(rows, measured), found(*scaled)
    assert np.array_equal(first.contribution.scores, again.contribution.scores)
    assert np.allclose(first.contribution.scores, eightfold.contribution.scores, atol=1e-6)
    other = reidentify(rows, measured, seed=1)
    assert other is not None and not np.array_equal(first.example.scores, other.example.scores)


def test_halves_do_not_depend_on_who_else_is_measured():
    rows, measured = drawn(0, 30, 4, trait=1), drawn(1, 30, 4, trait=1)
    some = found(rows, OwnedRows(measured.read, measured.people[:40]))
    assert np.allclose(some.example.scores[:10], found(rows, measured).example.scores[:10])


def test_images_are_reduced_to_means_of_cells():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert reduce_features(x, max_values=4).tolist() == [[2.5, 4.5, 10.5, 12.5]]
    assert reduce_features(x, max_values=16).tolist() == [list(range(16))]


@pytest.mark.parametrize(
    "shape", [(128, 54, 44), (3, 218, 178), (3, 32, 32), (1024, 2, 2), (1, 1, 5000), (7, 9, 1)]
)
def test_reduced_images_fit_and_waste_little(shape):
    rows, columns = cell_counts(*shape)
    values = shape[0] * rows * columns
    assert values <= 1024 and rows <= shape[1] and columns <= shape[2]
    assert values == np.prod(shape) or 2 * values > 1024
    assert reduce_features(torch.zeros(2, *shape)).shape == (2, values)


def test_messages_are_reduced_over_their_valid_steps():
    z = torch.tensor([[[1.0, -4], [3, -2], [0, 0]], [[0, 0], [0, 0], [0, 0]]])
    assert reduce_features(z).tolist() == [[2, -3, 3, -2], [0, 0, 0, 0]]


def test_messages_of_batches_of_any_length_are_compared():
    generator = np.random.default_rng(0)
    means = generator.normal(size=(60, 1, 5))

    def read(chosen: np.ndarray) -> torch.Tensor:
        steps = np.repeat(means[chosen // 4 % 60], 2 + int(chosen.min()) % 3, axis=1)
        return torch.from_numpy(steps + 0.1 * np.cos(np.arange(steps.size)).reshape(steps.shape)).float()

    people = np.arange(240) // 4
    result = found(OwnedRows(read, people), OwnedRows(read, 100 + people))
    assert area(result.contribution) > 0.95


def test_components_are_taken_as_they_are():
    x = torch.tensor([[1.0, 2], [3, 4]])
    assert reduce_features(x).tolist() == x.tolist()


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"features of shape \[5\]: expected \[n, c, h, w\]"):
        reduce_features(torch.zeros(5))
