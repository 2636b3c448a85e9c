"""Masked sums: masks cancel in a whole group and nowhere else, one message says nothing, a liar does little."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, ks_2samp

from tests.federation.test_contributor import IMAGE, PEOPLE, TASKS, TEXT, extractor_of, messages, pictures
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.class_sums import MOST_ITEMS, REACH, class_sums, possible, row_values, width_of
from tiprdc_fl.federation.collector import Answer
from tiprdc_fl.federation.device_sums import device_components, groups_with, masked_sums, sums_shape
from tiprdc_fl.federation.secure_sums import (
    GROUP,
    LARGEST,
    LEAST_GROUP,
    ROUNDING,
    decode,
    encode,
    masked,
    masking_groups,
    public_key,
    simulated_key,
)
from tiprdc_fl.federation.stated import stated_classes
from tiprdc_fl.federation.totals import PERSONS, SumsShape, Totals, add_up
from tiprdc_fl.models.runtime import RUNTIMES

MEMBERS = tuple(range(100, 112))
MOVED = replace(IMAGE, transform="transport", components=3, stated=TASKS, stated_values=(2,))
SHAPE = SumsShape(classes=2, components=3, most=MOST_ITEMS)
WIDTH = SHAPE.classes * width_of(SHAPE.components)


def message(member: int, values: np.ndarray, members: Sequence[int], seed: int, query: bytes) -> np.ndarray:
    """What one member of a group sends of its values."""
    keys = {other: simulated_key(seed, other) for other in members}
    public = {other: public_key(key) for other, key in keys.items()}
    return masked(encode(values), member, keys[member], public, query)


def sent(values: dict[int, np.ndarray], seed: int = 0, query: bytes = b"query") -> dict[int, np.ndarray]:
    """What each member of a group sends of its values."""
    return {member: message(member, own, list(values), seed, query) for member, own in values.items()}


def added(values: dict[int, np.ndarray], groups: Sequence[Sequence[int]] = (MEMBERS,)) -> Totals:
    """What the collector makes of messages, one for each contributor, that hold the values under masks."""
    numbers = {}
    for group in groups:
        numbers |= sent({member: values[member] for member in group if member in values})
    answers = [Answer((member,), number.tobytes()) for member, number in numbers.items()]
    return add_up(answers, groups, SHAPE, lambda asked: None)


def honest(members: Sequence[int] = MEMBERS, items: int = 5) -> dict[int, np.ndarray]:
    """Values of people with so many items each, all of one class."""
    found = {}
    for member in members:
        rows = np.random.default_rng(member).normal(0.5, 1 / 6, (items, SHAPE.components))
        found[member] = row_values(rows, np.full(items, member % 2), SHAPE.classes).reshape(-1)
    return found


@given(st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=20))
def test_fixed_point_numbers_come_back_within_half_a_step(values):
    assert np.abs(decode(encode(np.array(values))) - values).max() <= ROUNDING


@pytest.mark.parametrize("value", [2 * LARGEST, float("nan"), float("inf")])
def test_a_number_that_would_overflow_is_refused(value):
    with pytest.raises(ValueError, match="a number is not from"):
        encode(np.array([0.0, value]))


@given(st.integers(0, 2**32), st.integers(LEAST_GROUP, 15))
def test_masks_cancel_in_the_sum_of_a_whole_group_exactly(seed, members):
    values = {member: np.random.default_rng([seed, member]).normal(size=7) for member in range(members)}
    total = sum(sent(values, seed).values())
    assert np.array_equal(total, sum(encode(own) for own in values.values()))


def test_masks_remain_in_every_smaller_sum():
    values = {member: np.zeros(500) for member in MEMBERS}
    messages = sent(values)
    for left_out in MEMBERS:
        rest = sum(number for member, number in messages.items() if member != left_out)
        assert uniform(rest)


def uniform(numbers: np.ndarray) -> bool:
    """Whether the bytes of numbers pass for uniform ones, at each of the eight places of a number and in all."""
    places = numbers.view(np.uint8).reshape(-1, 8)
    columns = [*places.T, places.reshape(-1)]
    chances = [chisquare(np.bincount(column >> 4, minlength=16)).pvalue for column in columns]
    return min(chances) > 1e-4


@pytest.mark.parametrize("value", [0.0, 1.0, -3.25, LARGEST])
def test_one_message_passes_for_uniform_numbers_whatever_it_holds(value):
    values = {member: np.full(20_000, value) for member in MEMBERS}
    assert not uniform(encode(values[MEMBERS[0]]))
    assert all(uniform(sent(values)[member]) for member in MEMBERS[:2])


def test_two_values_under_fresh_masks_have_one_distribution():
    """Of 500 runs with keys of their own each, for a person with 0 and one with 1,000."""
    firsts = [
        [message(MEMBERS[0], np.full(1, value), MEMBERS, seed, b"")[0] for seed in seeds]
        for value, seeds in ((0.0, range(500)), (1000.0, range(500, 1000)))
    ]
    assert ks_2samp(*np.array(firsts, float)).pvalue > 0.01


def test_another_query_and_another_group_have_other_masks():
    """Else the difference of two messages of one person would be free of masks."""
    values = {member: np.zeros(5000) for member in MEMBERS}
    first = sent(values)[MEMBERS[0]]
    assert np.array_equal(first, sent(values)[MEMBERS[0]])  # a message that is sent again says nothing new
    assert uniform(first - sent(values, query=b"another")[MEMBERS[0]])
    fewer = {member: values[member] for member in MEMBERS[:-1]}
    assert uniform(first - sent(fewer)[MEMBERS[0]])


def test_a_device_sends_nothing_to_a_small_group_or_one_that_it_is_no_member_of():
    key, values = simulated_key(0, 1), encode(np.zeros(3))
    public = {member: public_key(simulated_key(0, member)) for member in range(LEAST_GROUP)}
    masked(values, 1, key, public, b"")
    few = {member: public[member] for member in range(LEAST_GROUP - 1)}
    other = {**public, 1: public[2]}
    for members in (few, other, {member: own for member, own in public.items() if member != 1}):
        with pytest.raises(InputError, match=r"at least 10 members and the device is one of them"):
            masked(values, 1, key, members, b"")


@pytest.mark.parametrize("count", [LEAST_GROUP, GROUP, 99, 100, 1234])
def test_masking_groups_are_disjoint_large_and_the_same_every_time(count):
    contributors = [7 * number for number in range(count)]
    groups = masking_groups(contributors, seed=3)
    assert sorted(member for group in groups for member in group) == contributors
    assert min(map(len, groups)) >= min(count, GROUP)
    assert max(map(len, groups)) < 2 * GROUP
    assert groups == masking_groups(contributors[::-1], seed=3)
    assert count == LEAST_GROUP or groups != masking_groups(contributors, seed=4)


def test_too_few_contributors_are_refused():
    with pytest.raises(InputError, match=r"9 contributors have examples, and a sum .* raise clients"):
        masking_groups(range(9), seed=0)


def test_a_row_by_hand():
    components = np.array([[0.5, 1.0], [0.0, 0.5], [9.0, 0.5]])
    sums = class_sums(row_values(components, np.array([1, 1, 2]), 3), 2)
    assert sums.people.tolist() == [0, 1, 1] and sums.weight.tolist() == [0, 2, 1]
    assert sums.sums.tolist() == [[0, 0], [-0.5, 0.5], [REACH, 0]]  # 9 is clipped
    assert sums.squares[1].tolist() == [[0.25, 0], [0, 0.25]]


def test_a_person_with_many_items_weighs_no_more_than_most():
    many, few = np.full((10 * MOST_ITEMS, 2), 0.7), np.full((3, 2), 0.7)
    weights = [
        class_sums(row_values(items, np.zeros(len(items), int), 1), 2).weight[0] for items in (many, few)
    ]
    assert weights == pytest.approx([MOST_ITEMS, 3])
    assert class_sums(row_values(few, np.arange(3) % 2, 2, most=1), 2).weight.sum() == pytest.approx(1)


def test_totals_are_the_plain_sums_over_all_groups():
    groups = (MEMBERS, tuple(range(20)))
    everybody = honest(members=[*groups[0], *groups[1]])
    totals = added(everybody, groups)
    assert (totals.groups, totals.incomplete, totals.impossible) == (2, 0, 0)
    plain = np.sum(list(everybody.values()), axis=0)
    assert np.abs(totals.values.reshape(-1) - plain).max() <= len(everybody) * ROUNDING


def test_a_group_that_lacks_a_message_is_left_out_whole():
    groups = (MEMBERS, tuple(range(20)))
    everybody = honest(members=[*groups[0], *groups[1]])
    del everybody[MEMBERS[3]]
    totals = added(everybody, groups)
    assert (totals.groups, totals.incomplete) == (1, 1)
    assert np.allclose(totals.values.reshape(-1), sum(everybody[member] for member in groups[1]))
    with pytest.raises(InputError, match=r"of 1 masking groups 0 are complete"):
        added(everybody, groups[:1])


@pytest.mark.parametrize("data", [b"", b"x", bytes(8 * WIDTH - 1), bytes(16 * WIDTH), None])
def test_a_malformed_message_counts_as_none(data):
    everybody = honest(members=range(20))
    numbers = sent(everybody)
    answers = [Answer((member,), number.tobytes()) for member, number in numbers.items()]
    answers[4] = Answer((4,), data)
    with pytest.raises(InputError, match=r"of 1 masking groups 0 are complete"):
        add_up(answers, [range(20)], SHAPE, lambda asked: None)


def test_a_second_message_of_a_person_does_not_count():
    numbers = sent(honest())
    answers = [Answer((member,), number.tobytes()) for member, number in numbers.items()]
    totals = [
        add_up(some, [MEMBERS], SHAPE, lambda asked: None) for some in (answers, [*answers, answers[0]])
    ]
    assert np.array_equal(totals[0].values, totals[1].values)


FALSE = {
    "noise": lambda own: np.random.default_rng(0).uniform(-LARGEST, LARGEST, own.shape),
    "a far mean": lambda own: own + np.where(np.arange(len(own)) == 2, 1000.0, 0.0),
    "a negative variance": lambda own: own - np.where(np.arange(len(own)) == 5, 40.0, 0.0),
    "a crowd": lambda own: own + np.where(np.arange(len(own)) == 1, 1e4, 0.0),
    "people": lambda own: own + np.where(np.arange(len(own)) == 0, 50.0, 0.0),
}


@pytest.mark.parametrize("lie", FALSE)
def test_sums_that_no_examples_have_cost_the_liar_its_group_and_nobody_else(lie):
    groups = (MEMBERS, tuple(range(20)))
    everybody = honest(members=[*groups[0], *groups[1]])
    everybody[MEMBERS[0]] = FALSE[lie](everybody[MEMBERS[0]])
    totals = added(everybody, groups)
    assert (totals.groups, totals.incomplete, totals.impossible) == (1, 0, 1)
    assert np.allclose(totals.values.reshape(-1), sum(everybody[member] for member in groups[1]))


@given(st.integers(0, 2**32))
def test_sums_of_examples_are_always_possible(seed):
    generator = np.random.default_rng(seed)
    members = int(generator.integers(1, 12))
    spread = 10.0 ** generator.integers(-6, 2)
    values = []
    for _ in range(members):
        count = int(generator.integers(0, 40))
        items = generator.normal(0.5, spread, (count, SHAPE.components))
        values.append(row_values(items, generator.integers(0, 2, count), 2))
    total = decode(np.sum([encode(own) for own in values], axis=0, dtype=np.uint64))
    assert possible(total, SHAPE.components, members, MOST_ITEMS, rounding=members * ROUNDING)


def lie(everybody: dict[int, np.ndarray], share: float) -> dict[int, np.ndarray]:
    """One of MEMBERS adds items at the edge, up to as many as all of its group could have where ``share`` is 1."""
    own = class_sums(
        np.sum([everybody[member] for member in MEMBERS], axis=0).reshape(2, -1), SHAPE.components
    )
    weight = share * (MOST_ITEMS * len(MEMBERS) - own.weight.sum())
    added_to = np.zeros((SHAPE.classes, width_of(SHAPE.components)))
    added_to[0, 0] = len(MEMBERS) - own.people[0]
    added_to[0, 1:3], added_to[0, 2 + SHAPE.components] = (weight, weight * REACH), weight * REACH**2
    return {**everybody, MEMBERS[0]: everybody[MEMBERS[0]] + added_to.reshape(-1)}


def means(totals: Totals) -> np.ndarray:
    """Mean components of each private class, [classes, components]."""
    sums = class_sums(totals.values, SHAPE.components)
    return sums.sums / sums.weight[:, None]


def test_a_false_sum_counts_as_its_whole_group_at_most():
    """Few groups: a liar says so much that its group's sums just remain possible."""
    groups = (MEMBERS, *(tuple(range(start, start + 20)) for start in (0, 20, 40, 60)))
    everybody = honest(members=[member for group in groups for member in group])
    true, false = added(everybody, groups), added(lie(everybody, 1.0), groups)
    assert (false.groups, false.impossible, false.unusual) == (5, 0, 0)
    moved, most = np.abs(means(false) - means(true)), MOST_ITEMS * len(MEMBERS)
    assert 0.05 < moved[0].max() <= 2 * REACH * most / (most + true.values[0, 1])
    assert moved[1].max() < 1e-6


def test_among_many_groups_a_false_sum_counts_as_a_few_people_at_most():
    """A far lie makes its group unusual, and a near one moves a mean as three people at the edge would."""
    groups = (MEMBERS, *(tuple(range(start, start + 12)) for start in range(200, 380, 12)))
    everybody = honest(members=[member for group in groups for member in group], items=20)
    true = added(everybody, groups)
    assert (true.groups, true.unusual) == (16, 0)
    lies = [added(lie(everybody, share), groups) for share in (2.0, 1.0, 0.5, 0.2, 0.05)]
    assert [(found.impossible, found.unusual) for found in lies] == [(1, 0), (0, 1), (0, 0), (0, 0), (0, 0)]
    most = 2 * REACH * PERSONS * MOST_ITEMS / true.values[0, 1]
    assert 0.2 * most < max(np.abs(means(found) - means(true)).max() for found in lies) < most


def test_people_of_a_rare_class_do_not_make_their_group_unusual():
    groups = [tuple(range(start, start + 12)) for start in range(0, 120, 12)]
    everybody = honest(members=range(120))
    for member in (3, 4):
        everybody[member] = row_values(np.full((5, 3), 0.7), np.zeros(5, int), 2).reshape(-1)
    rare = {
        member: np.roll(own, WIDTH // 2) if member in (3, 4) else own for member, own in everybody.items()
    }
    assert added(rare, groups).unusual == 0


# What devices do with an extractor and examples.


GROUPS = groups_with([tuple(PEOPLE[:12]), tuple(PEOPLE[12:])])


@pytest.mark.parametrize("per", ["example", "person"])
@pytest.mark.parametrize("base", [IMAGE, TEXT], ids=["images", "messages"])
def test_devices_sums_are_those_of_their_components(base, per):
    extractor = extractor_of(
        replace(
            MOVED,
            modality=base.modality,
            width=base.width,
            vocabulary=base.vocabulary,
            max_tokens=base.max_tokens,
            image_size=base.image_size,
            pooled=base is TEXT,
            per=per,
        )
    )
    dataset = messages() if base is TEXT else pictures()
    run = RUNTIMES["torch"].start(extractor, b"")
    shape = sums_shape(extractor.architecture)
    numbers = masked_sums(extractor, dataset, PEOPLE, GROUPS)
    answers = [Answer(tuple(PEOPLE), numbers.tobytes())]
    totals = add_up(answers, list(dict.fromkeys(GROUPS.values())), shape, lambda asked: None)
    plain = np.zeros_like(totals.values)
    for person in PEOPLE:
        components, classes = device_components(extractor, dataset, person, 0, run)
        assert len(components) == (1 if per == "person" else len(dataset.load([person])))
        plain += row_values(components, classes, shape.classes, shape.most)
    assert np.allclose(totals.values, plain, atol=len(PEOPLE) * ROUNDING)
    assert totals.values[:, 1].sum() == pytest.approx(30 if per == "person" else len(dataset.load(PEOPLE)))


def test_no_bit_depends_on_who_is_asked_in_one_message():
    extractor, dataset = extractor_of(MOVED), pictures()
    together = masked_sums(extractor, dataset, PEOPLE, GROUPS)
    for cut in (1, 7, 20):
        parts = [masked_sums(extractor, dataset, part, GROUPS) for part in (PEOPLE[:cut], PEOPLE[cut:])]
        assert np.array_equal(together, np.concatenate(parts))


def test_a_device_whose_work_fails_leaves_its_group_whole():
    extractor, dataset = extractor_of(MOVED), pictures()

    def load(people):
        if 12 in list(people):
            raise OSError("a secret")
        return dataset.load(people)

    broken = replace(dataset, load=load)
    numbers = masked_sums(extractor, broken, PEOPLE, GROUPS)
    assert uniform_enough(numbers[PEOPLE.index(12)])
    totals = add_up(
        [Answer(tuple(PEOPLE), numbers.tobytes())],
        list(dict.fromkeys(GROUPS.values())),
        sums_shape(extractor.architecture),
        lambda asked: None,
    )
    assert totals.groups == 2
    assert totals.values[:, 1].sum() == pytest.approx(len(dataset.load(PEOPLE)) - len(dataset.load([12])))


def uniform_enough(numbers: np.ndarray) -> bool:
    """Of few numbers: none is small, as an unmasked one would be."""
    return bool((np.abs(decode(numbers)) > 2.0**8).mean() > 0.9)


def test_a_liar_adds_to_the_class_that_it_states():
    """Who misstates the private class does so in the sums as in what is sent later."""
    dataset = pictures()
    lying = extractor_of(replace(MOVED, misstated=1.0))
    run = RUNTIMES["torch"].start(lying, b"")
    examples = dataset.load([11])
    own = stated_classes(extractor_of(MOVED), examples, np.arange(len(examples)), 0)
    _, stated = device_components(lying, dataset, 11, 0, run)
    assert (stated == 1 - own).all()
    values = decode(masked_sum_of_one(lying, dataset))
    assert values.reshape(2, -1)[int(stated[0]), 0] == 1


def masked_sum_of_one(extractor, dataset) -> np.ndarray:
    """The numbers of contributor 11, once the masks of its group are taken off by everybody else's zeros."""
    groups = groups_with([tuple(PEOPLE[:12])])
    members = PEOPLE[:12]
    own = masked_sums(extractor, dataset, [11], groups)[0]
    nobody = replace(dataset, load=lambda people: dataset.load([-1]))
    others = masked_sums(extractor, nobody, [member for member in members if member != 11], groups)
    return own + others.sum(axis=0, dtype=np.uint64)
