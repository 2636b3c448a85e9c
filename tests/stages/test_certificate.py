"""Which items are certified, of whom, and with what beside them."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from tiprdc_fl.data.examples import Examples, select
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.fair_tree import code_of
from tiprdc_fl.report.schema import CertificateResult
from tiprdc_fl.stages.certificate import certificates

BITS, PEOPLE, EACH = 2, 60, 4
CLASSES = np.repeat(np.arange(PEOPLE) % 2, EACH).astype(np.int8)


def certified(
    codes: np.ndarray, per: str = "example", partition: object = None, kept: int = PEOPLE * EACH
) -> tuple[CertificateResult, ...]:
    """Certificates of people with EACH examples, whose codes are int [items]."""
    owners = np.repeat(np.arange(PEOPLE), EACH)
    examples = Examples(
        inputs=None,
        attributes={"Male": CLASSES, "Smiling": np.zeros(len(owners), np.int8)},
        people=owners,
        rows=np.tile(np.arange(EACH), PEOPLE).astype(np.int32),
        raw_bytes=np.ones(len(owners), np.int64),
    )
    contributors = np.arange(PEOPLE) if per == "person" else owners
    rows = np.zeros(PEOPLE, np.int32) if per == "person" else examples.rows
    keys = pa.table(
        {
            "contributor": contributors,
            "row": rows,
            "position": np.arange(len(contributors)),
            "task_Smiling": np.zeros(len(contributors), np.int8),
        }
    )
    sent = code_of(codes, BITS)
    store = SimpleNamespace(keys=keys[:kept], features=lambda positions: sent[positions.tolist()])
    run = SimpleNamespace(
        config=SimpleNamespace(seed=0),
        source=SimpleNamespace(partition=partition),
        dataset=SimpleNamespace(labels=lambda people: select(examples, np.isin(owners, people))),
        tasks=("Smiling",),
        private=("Male",),
    )
    architecture = Architecture("image", 4, image_size=(32, 32), bits=BITS, per=per)  # pyright: ignore
    trained = SimpleNamespace(extractor=SimpleNamespace(architecture=architecture))
    return certificates(run, trained, store)  # pyright: ignore


def test_a_code_that_is_the_class_gives_everything_away():
    alone, beside = certified(CLASSES.astype(int))
    assert (alone.covers, alone.measured, alone.values) == ("code", 1.0, 4)
    assert beside.covers == "code+labels"
    assert alone.people == (PEOPLE // 2, PEOPLE // 2)


def test_a_code_that_is_always_the_same_gives_nothing_away():
    alone, _ = certified(np.zeros(PEOPLE * EACH, int))
    assert alone.measured == pytest.approx(0.5)
    assert alone.certified > 0.5


def test_one_item_of_each_person_is_drawn_at_random():
    """First items name the class, the others nothing: of first items alone the figure would be another."""
    first = np.arange(PEOPLE * EACH) % EACH == 0
    alone, _ = certified(np.where(first, CLASSES, 3).astype(int))
    assert 0.5 < alone.measured < 0.85


def test_of_one_item_a_person_it_is_that_item():
    alone, _ = certified(np.arange(PEOPLE) % 2, per="person")
    assert alone.measured == 1.0


def test_without_persons_codes_or_items_there_is_none():
    codes = np.zeros(PEOPLE * EACH, int)
    assert certified(codes, partition="dealt") == ()
    assert certified(codes, kept=0) == ()


def test_a_class_of_few_people_has_none():
    assert certified(CLASSES.astype(int), kept=10 * EACH) == ()
