"""What an adversary who knows the protection reads, beside everybody's probes."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.attacks.problems import accuracy, problem_of, reduced_of
from tests.models.exported import IMAGE, MOVED, extractor_of
from tiprdc_fl.attacks.logistic import regress
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.models.fair_tree import code_of
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.protections.codes import indicators
from tiprdc_fl.simulate import run
from tiprdc_fl.stages.informed import augmentations, mirrored
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.feature_store import open_store
from tiprdc_fl.store.paths import RunFolder

FACES = open_dataset(DataSource("faces", None, (32, 32), 0, most=2)).load([0, 1])


def times(modality: str, noise: str, count: int) -> list[int]:
    """Numbers of the times that examples are sent again."""
    current = SimpleNamespace(
        dataset=SimpleNamespace(modality=modality),
        config=SimpleNamespace(evaluation=SimpleNamespace(augmentations=count)),
    )
    extractor = SimpleNamespace(architecture=SimpleNamespace(noise=noise))
    return list(augmentations(current, extractor))  # pyright: ignore


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


def test_every_protection_says_what_is_public():
    assert all("weights" in protection.public for protection in PROTECTIONS.values())
    assert {name for name, one in PROTECTIONS.items() if one.informed} == {"aligned", "codes", "gaussian"}


@pytest.mark.slow
def test_who_is_informed_attacks_what_is_sent_and_each_protection_beside(tmp_path):
    """By the rows that each says, of items and of persons, validated on the people of everybody's probes."""
    keys = (
        "federation.engine=inline",
        "protection.name=codes",
        "protection.bits=2",
        "evaluation.controls=[aligned]",
        "evaluation.adversaries=[informed,metadata,set]",
        "evaluation.augmentations=1",
        "evaluation.attacks=[lda,linear]",
        "evaluation.reidentification=false",
        "clients=40",
        "data.collector_people=60",
        "data.holdout_people=40",
        "model.width=4",
        f"run_dir={tmp_path / 'run'}",
    )
    report = run(load_config("quick", keys), Console(file=io.StringIO()))
    male = [row for row in report.results if row.attribute == "Male" and row.learned_from == "informed"]
    probes = {
        kind: {row.probe for row in male if row.representation == kind} for kind in ("features", "aligned")
    }
    rows = {"lda", "linear", "kernel", "trees", "density"}
    sets = {"lda", "linear", "products"}
    for kind, name in (("features", "table"), ("aligned", "sent")):
        made = {f"{name}-{probe}" for probe in rows} | {f"set-{name}-{probe}" for probe in sets}
        mirrored_images = {"lda", "linear"}  # the run's attacks, on features that are augmented
        assert probes[kind] == made | mirrored_images
    assert [row for row in male if row.representation == "features+metadata"]
    assert {"table-", "sent-"} <= set(report.names["probe"])
    folder = RunFolder(tmp_path / "run")
    for place in (folder, folder.beside("aligned")):
        own, again = (open_store(part.features) for part in (place.auxiliary, place.augmented(1)))
        assert len(own.keys) == len(again.keys)
