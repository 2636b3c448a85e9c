"""What an adversary who knows the protection reads, beside everybody's probes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.attacks.problems import accuracy, problem_of, reduced_of
from tests.models.exported import IMAGE, MOVED, extractor_of
from tiprdc_fl.attacks.logistic import regress
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.models.fair_tree import code_of
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.protections.codes import indicators
from tiprdc_fl.stages.informed import augmentations, mirrored

FACES = open_dataset(DataSource("faces", None, (32, 32), 0, most=2)).load([0, 1])


def times(modality: str, noise: str, count: int) -> list[int]:
    """Numbers of the times that examples are sent again."""
    current = SimpleNamespace(
        dataset=SimpleNamespace(modality=modality),
        config=SimpleNamespace(evaluation=SimpleNamespace(augmentations=count)),
    )
    extractor = SimpleNamespace(architecture=SimpleNamespace(noise=noise))
    return [number for number, _ in augmentations(current, extractor, FACES)]  # pyright: ignore


@pytest.mark.parametrize(
    ("modality", "noise", "count", "expected"),
    [
        ("image", "none", 3, [1]),  # mirrored once; sent again without noise nothing changes
        ("image", "gaussian", 3, [1, 2, 3]),
        ("image", "gaussian", 0, []),
        ("text", "none", 3, []),
        ("text", "response", 2, [1, 2]),
    ],
)
def test_examples_are_sent_again_where_something_changes(modality, noise, count, expected):
    assert times(modality, noise, count) == expected


def test_a_mirrored_image_is_exchanged_left_and_right_and_mirrored_twice_the_same():
    once = mirrored(FACES)
    assert torch.equal(once.loaded[:][..., 0], FACES.loaded[:][..., -1])
    assert torch.equal(mirrored(once).loaded[:], FACES.loaded[:])
    assert np.array_equal(once.people, FACES.people)


def test_a_table_learns_the_best_rule_on_codes_whatever_the_codes_stand_for():
    """Which class sends a code more often is drawn at random for each code, so that no bit tells it."""
    bits, generator = 4, np.random.default_rng(0)
    more = generator.permutation(np.arange(2**bits) % 2)
    extractor = extractor_of(replace(IMAGE, **MOVED, bits=bits))

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels, codes = generator.integers(0, 2, count), generator.integers(0, 2**bits, 20 * count)
        kept = np.where(generator.random(20 * count) < 0.8, more[codes], 1 - more[codes])
        first = [np.flatnonzero(kept == label)[:count] for label in (0, 1)]
        chosen = np.where(labels, first[1], first[0])
        return indicators(extractor, code_of(codes[chosen], bits)).numpy(), labels

    (learned, labels), (measured, truth) = drawn(4000), drawn(4000)
    assert np.array_equal(learned.sum(axis=1), np.ones(4000))
    (answer,) = regress(reduced_of(learned, measured), [problem_of(labels)])
    assert accuracy(answer, truth) == pytest.approx(0.8, abs=0.02)


def test_protections_that_the_device_s_class_decides_bring_rows_of_their_own():
    assert {name for name, one in PROTECTIONS.items() if one.informed} == {"aligned", "codes"}
    assert all("weights" in protection.public for protection in PROTECTIONS.values())
