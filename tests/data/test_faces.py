"""Generated faces: pure functions of (seed, person), CelebA's statistics, attributes that can be seen."""

import hashlib
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch

from tiprdc_fl.data.examples import Dataset, Examples, pick, rows_at, select
from tiprdc_fl.data.faces.attributes import images_at
from tiprdc_fl.data.faces.copula import ATTRIBUTES, HAIR, STATISTICS
from tiprdc_fl.data.faces.dataset import draw_person, faces
from tiprdc_fl.data.source import capped, first_rows
from tiprdc_fl.errors import InputError

PEOPLE = 6000


def small(seed: int = 0) -> Dataset:
    return faces(None, (32, 32), seed)


def pixels(examples: Examples) -> np.ndarray:
    assert isinstance(examples.inputs, torch.Tensor)
    return examples.inputs.numpy()


def digest(examples: Examples) -> str:
    return hashlib.sha256(pixels(examples).tobytes()).hexdigest()


@cache
def labelled() -> Examples:
    return small().labels(range(PEOPLE))


def label(name: str) -> np.ndarray:
    return labelled().attributes[name].astype(float)


def test_the_dataset_describes_itself():
    data = small()
    assert (data.name, data.modality, data.people) == ("faces", "image", range(2**31))
    assert data.attributes == ATTRIBUTES
    assert len(ATTRIBUTES) == 22


def test_a_person_does_not_depend_on_who_else_is_asked_for():
    together = small().load([5, 2**31 - 1, 0, 5])
    for person in (0, 2**31 - 1):
        alone = small().load([person])
        mine = together.people == person
        assert np.array_equal(pixels(together)[mine], pixels(alone))
        assert np.array_equal(together.rows[mine], alone.rows)
    first, last = np.split(np.flatnonzero(together.people == 5), 2)
    assert np.array_equal(pixels(together)[first], pixels(together)[last])


def test_another_process_draws_the_same_bytes():
    code = (
        "import hashlib; from tiprdc_fl.data.faces.dataset import faces;"
        "x = faces(None, (32, 32), 0).load([7, 3]).inputs.numpy();"
        "print(hashlib.sha256(x.tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == digest(small().load([7, 3]))


def test_global_random_state_neither_matters_nor_changes():
    np.random.seed(1)
    torch.manual_seed(1)
    one = digest(small().load([4]))
    np_draw, torch_draw = np.random.random(), torch.rand(1)
    np.random.seed(1)
    torch.manual_seed(1)
    assert (np_draw, torch_draw) == (np.random.random(), torch.rand(1))
    assert digest(small().load([4])) == one


def test_seeds_and_people_differ():
    assert digest(small(0).load([1])) != digest(small(1).load([1]))
    assert digest(small(0).load([1])) != digest(small(0).load([2]))


def test_labels_are_those_of_the_pixels():
    people = [9, 1, 30]
    loaded, only = small().load(people), small().labels(people)
    assert only.inputs is None
    for name in ATTRIBUTES:
        assert np.array_equal(loaded.attributes[name], only.attributes[name])
    for field in ("people", "rows", "raw_bytes"):
        assert np.array_equal(getattr(loaded, field), getattr(only, field))


def test_labels_do_not_depend_on_the_image_size():
    large = faces(None, (64, 48), 0).labels([3])
    assert np.array_equal(large.attributes["Smiling"], small().labels([3]).attributes["Smiling"])


@pytest.mark.parametrize("size", [(16, 16), (218, 178), (17, 40), (250, 250), (47, 48)])
def test_shapes_and_types(size):
    examples = faces(None, size, 0).load([11, 12])
    n = len(examples)
    assert pixels(examples).shape == (n, 3, *size)
    assert pixels(examples).dtype == np.uint8
    assert pixels(examples).std(axis=(1, 2, 3)).min() > 5, "an image is nearly blank"
    assert {name: labels.dtype for name, labels in examples.attributes.items()} == dict.fromkeys(
        ATTRIBUTES, np.dtype(np.int8)
    )
    assert all(labels.shape == (n,) for labels in examples.attributes.values())
    assert (examples.people.dtype, examples.rows.dtype, examples.raw_bytes.dtype) == (
        np.int64,
        np.int32,
        np.int64,
    )
    assert (examples.raw_bytes == 3 * size[0] * size[1]).all()
    assert examples.rows.tolist() == [row for p in (11, 12) for row in range((examples.people == p).sum())]


def test_nobody_gives_empty_examples():
    for examples in (small().load([]), small().labels([])):
        assert len(examples) == len(examples.rows) == len(examples.raw_bytes) == 0
        assert all(len(examples.attributes[name]) == 0 for name in ATTRIBUTES)
    assert pixels(small().load([])).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("person", [-1, 2**31])
def test_a_person_outside_the_range_is_refused(person):
    for ask in (small().load, small().labels):
        with pytest.raises(InputError, match=rf"people 0 to 2147483647, got person {person}: ask for an id"):
            ask([0, person])


@pytest.mark.parametrize("size", [(15, 32), (32, 8)])
def test_too_small_images_are_refused(size):
    with pytest.raises(InputError, match=rf"at least 16 pixels each, got \({size[0]}, {size[1]}\): set"):
        faces(None, size, 0)


def test_rates_are_celebas():
    for name, rate in STATISTICS["rate_given_not_male_male"].items():
        near = 0.01 if STATISTICS["rate"][name] < 0.1 else 0.02
        assert label(name).mean() == pytest.approx(STATISTICS["rate"][name], abs=near), name
        for male in (0, 1):
            assert label(name)[label("Male") == male].mean() == pytest.approx(rate[male], abs=0.025), name


def test_rates_given_male_and_young_are_celebas():
    for name, rates in STATISTICS["rate_given_(male,young)=(0,0),(0,1),(1,0),(1,1)"].items():
        for cell, rate in enumerate(rates):
            chosen = (label("Male") == cell // 2) & (label("Young") == cell % 2)
            assert label(name)[chosen].mean() == pytest.approx(rate, abs=0.05), (name, cell)


def test_correlations_are_celebas():
    drawn = np.corrcoef([label(name) for name in ATTRIBUTES])
    real = np.array([[STATISTICS["phi"][one][other] for other in ATTRIBUTES] for one in ATTRIBUTES])
    pairs = np.triu_indices(len(ATTRIBUTES), 1)
    off = np.abs(drawn - real)[pairs]
    assert off.mean() < 0.025
    assert (off > 0.08).sum() <= 4, "Bald excludes Gray_Hair here, though not in CelebA"
    strong = np.abs(real[pairs]) > 0.25
    assert (np.sign(real[pairs]) * drawn[pairs])[strong].min() > 0.15


def test_a_persons_images_agree_as_often_as_celebas():
    people = labelled().people
    sizes = np.bincount(people)
    for name, share in STATISTICS["share_of_a_persons_images_agreeing_with_their_majority"].items():
        ones = np.bincount(people, label(name))
        agreeing = np.maximum(ones, sizes - ones).sum() / len(people)
        assert agreeing == pytest.approx(share, abs=0.03), name


def test_people_have_as_many_images_as_celebas():
    percentiles = STATISTICS["images_per_identity_percentiles_0_5_25_50_75_95_100"]
    quantiles = np.array([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    assert [images_at(q) for q in quantiles] == percentiles
    drawn = np.quantile(np.bincount(labelled().people), quantiles)
    assert np.abs(drawn - percentiles).max() <= 1.5


def test_impossible_combinations_do_not_occur():
    assert np.sum([label(name) for name in HAIR], axis=0).max() == 1
    for beard in ("Mustache", "Goatee"):
        assert not (label(beard) * label("No_Beard")).any()


@pytest.mark.parametrize(
    ("name", "least"),
    [("Male", 0.68), ("Eyeglasses", 0.65), ("Black_Hair", 0.68), ("Wearing_Hat", 0.7), ("Blond_Hair", 0.7)],
)
def test_a_linear_probe_sees_attributes_in_other_peoples_pixels(name, least):
    train, test = probe_examples()
    weights = ridge(train, name)
    found, truth = flat(test) @ weights > 0, test.attributes[name] > 0
    balanced = (found[truth].mean() + (~found)[~truth].mean()) / 2
    assert balanced > least


@pytest.mark.parametrize("name", ATTRIBUTES[1:])
def test_an_attribute_changes_the_pixels_of_the_same_person(name):
    clean = np.zeros((1, len(ATTRIBUTES)), np.int8)
    clean[0, ATTRIBUTES.index("No_Beard")] = 1
    changed = clean.copy()
    changed[0, ATTRIBUTES.index(name)] ^= 1
    differences = [
        np.abs(draw_person(0, p, clean, (32, 32)).astype(int) - draw_person(0, p, changed, (32, 32))).max()
        for p in range(8)
    ]
    assert np.median(differences) >= 20, "grey levels at the most changed pixel"


@cache
def probe_examples() -> tuple[Examples, Examples]:
    data = faces(None, (16, 16), 0)
    return data.load(range(150)), data.load(range(1000, 1080))


def flat(examples: Examples) -> np.ndarray:
    x = pixels(examples).reshape(len(examples), -1) / 127.5 - 1
    return np.hstack([x, np.ones((len(x), 1))])


def ridge(examples: Examples, name: str) -> np.ndarray:
    """Least squares on labels of -1 and 1, both classes weighted alike."""
    x, y = flat(examples), examples.attributes[name]
    weight = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))[:, None]
    return np.linalg.solve(
        x.T @ (weight * x) + 100 * np.eye(x.shape[1]), x.T @ (weight[:, 0] * (2.0 * y - 1))
    )


@pytest.mark.parametrize("size", [(32, 32), (64, 48)])
def test_an_example_picked_alone_has_the_bits_that_it_has_among_its_persons(size):
    data = faces(None, size, 0)
    whole = data.load(range(20, 32))
    people, rows = whole.people[::7], whole.rows[::7]
    order = np.random.default_rng(0).permutation(len(people))
    people, rows = np.append(people[order], people[0]), np.append(rows[order], rows[0])
    chosen = pick(data, people, rows)
    wanted = select(whole, rows_at(people, rows, whole.people, whole.rows))
    assert np.array_equal(pixels(chosen), pixels(wanted))
    for name in ("people", "rows", "raw_bytes"):
        assert np.array_equal(getattr(chosen, name), getattr(wanted, name))
        assert getattr(chosen, name).dtype == getattr(wanted, name).dtype
    assert all(np.array_equal(chosen.attributes[name], wanted.attributes[name]) for name in ATTRIBUTES)


def test_the_first_examples_of_people_are_the_first_of_all():
    people = [9, 1, 30]
    some = capped(small(), 3)
    wanted = first_rows(small().load(people), 3)
    assert np.array_equal(pixels(some.load(people)), pixels(wanted))
    assert some.labels(people).people.tolist() == wanted.people.tolist()
    assert len(some.load([])) == 0


def test_a_row_that_a_person_does_not_have_is_refused():
    count = len(small().labels([4]))
    for row in (-1, count):
        with pytest.raises(InputError, match=rf"person 4 of faces has rows 0 to {count - 1}, not {row}"):
            pick(small(), np.array([4]), np.array([row]))
