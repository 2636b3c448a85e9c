"""What counts as a trait of the person: labels that agree within people far beyond chance."""

import numpy as np
import pytest

from tiprdc_fl.evaluation.intervals import People, people_of
from tiprdc_fl.evaluation.traits import agreement, is_trait

PERSON = np.repeat(np.arange(200), 20)
PEOPLE = people_of(PERSON)


def test_agreement_by_hand():
    """Three people with two examples: 1 1, 0 0, 1 0."""
    labels, people = np.array([1, 1, 0, 0, 1, 0]), people_of(np.array([5, 5, 2, 2, 9, 9]))
    differing = np.mean(
        [labels[i] != labels[j] for i in range(6) for j in range(6) if people.person[i] != people.person[j]]
    )
    assert agreement(labels, people)[0] == pytest.approx(1 - (1 / 3) / differing)


def test_its_error_is_that_of_leaving_out_one_person_after_another():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 60)
    person = np.repeat(np.arange(12), 5)
    values = []
    for out in range(12):
        kept = person != out
        values.append(agreement(labels[kept], people_of(person[kept]))[0])
    error = np.sqrt(11 / 12 * ((np.array(values) - np.mean(values)) ** 2).sum())
    assert agreement(labels, people_of(person))[1:] == pytest.approx((error, 11))


def noisy(labels: np.ndarray, wrong: float, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(len(labels)) < wrong, 1 - labels, labels)


MALE, RARE = (np.arange(200) % 2)[PERSON], (np.arange(200) % 12 == 0).astype(int)[PERSON]


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (MALE, True),
        (noisy(MALE, 0.01), True),  # as CelebA's Male, of which 0.5 % are against their person's majority
        (np.random.default_rng(0).integers(0, 2, 4000), False),
        (noisy(np.zeros(4000, int), 0.02), False),  # rare: 98 % agree with their person's majority
        (noisy(np.zeros(4000, int), 0.002), False),
        (RARE, True),  # rare, and of the person
        (noisy(MALE, 0.27), False),  # as CelebA's Smiling, of which 27 % are against it
        (np.where(np.random.default_rng(1).random(4000) < 0.5, RARE, 0), False),  # a hat of some people
        ((np.arange(200) % 3)[PERSON], True),  # three values
        (np.zeros(4000, int), False),  # nobody differs
    ],
)
def test_traits_are_told_from_moods_however_rare(labels, known):
    assert is_trait(labels, PEOPLE) == known


def test_nobody_with_two_examples_gives_no_evidence():
    assert not is_trait(np.arange(40) % 2, People(np.arange(40), 40))


def test_few_people_are_little_evidence():
    """Nine of ten labels agree: the estimate is beyond the bound, what few people say is not."""
    person = np.repeat(np.arange(12), 5)
    labels = (np.arange(12) % 2)[person]
    labels[[0, 6]] = 1 - labels[[0, 6]]
    value, error, _ = agreement(labels, people_of(person))
    assert value > 0.8 and error > 0.02 and not is_trait(labels, people_of(person))
