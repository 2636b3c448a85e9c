"""A contributor's work: its features are its own business, whoever is asked with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.data.source import DataSource, hold, open_dataset, select
from tiprdc_fl.federation.contribution import Contributions, pack, to_table
from tiprdc_fl.federation.contributor import Failure, contribute, layout_of
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import Extractor, forward, from_bytes, preprocess, to_bytes
from tiprdc_fl.models.transport import Transport
from tiprdc_fl.store.codec import channels, decode

SOURCE = DataSource("faces", None, (32, 32), 0, most=9)
PEOPLE = list(range(10, 40))
TASKS = ("Smiling",)
WORDS = ("", "?", *(f"w{number}" for number in range(50)))
TEXT = Architecture("text", 16, vocabulary=WORDS, max_tokens=12)
IMAGE = Architecture("image", 4, image_size=(32, 32))


def extractor_of(architecture: Architecture) -> Extractor:
    seeding.seed_torch(0, "test")
    network = build_extractor(architecture)
    if architecture.transform == "project":
        with torch.no_grad():
            network.basis.normal_(generator=seeding.torch_generator(0, "basis"))  # pyright: ignore
            network.low.fill_(-50)  # pyright: ignore
            network.high.fill_(50)  # pyright: ignore
    if isinstance(network, Transport):
        generator = seeding.torch_generator(0, "basis")
        with torch.no_grad():
            network.basis.normal_(std=0.1, generator=generator)
            network.maps.normal_(std=0.1, generator=generator)
            network.offsets.uniform_(generator=generator)
            if network.tree is not None:
                network.tree.directions.normal_(generator=generator)
                network.tree.thresholds.normal_(std=0.1, generator=generator)
    return from_bytes(to_bytes(network, architecture))


def messages() -> Dataset:
    """Five messages of one to twelve words of each of the people; one of them has a single one."""
    rng = np.random.default_rng(0)
    people = np.array([person for person in PEOPLE for _ in range(1 if person == 20 else 5)])
    texts = [" ".join(rng.choice(WORDS[2:], rng.integers(1, 13))) for _ in people]
    rows = np.concatenate([np.arange(count) for count in np.unique(people, return_counts=True)[1]])
    labels = {"Smiling": (people % 2).astype(np.int8)}
    held = Examples(texts, labels, people, rows.astype(np.int32), np.array([len(text) for text in texts]))
    return hold(Dataset("chitchat", "text", PEOPLE, TASKS, lambda ids: held, lambda ids: held), held)


def pictures() -> Dataset:
    """Faces of the same people; some of them have one, which then is a batch of its own when they work alone."""
    dataset = open_dataset(SOURCE)
    examples = dataset.load(PEOPLE)
    return hold(dataset, select(examples, (examples.rows == 0) | (examples.people % 3 > 0)))


def features(found: Contributions) -> dict[int, bytes]:
    """Payload of each contributor."""
    layout = layout_of(extractor_of(IMAGE), "float32", TASKS)
    table = to_table(found, set(), layout)
    joined: dict[int, bytes] = {}
    for person, payload in zip(table["contributor"].to_pylist(), table["payload"].to_pylist(), strict=True):
        joined[person] = joined.get(person, b"") + payload
    return joined


NOISE = {"noise": "laplace", "noise_scale": 0.1}
PROJECTED = {"transform": "project", "components": 7, **NOISE}
MOVED = {"transform": "transport", "components": 7, "stated": TASKS, "stated_values": (2,), **NOISE}
CODES = {**MOVED, "bits": 4, "noise": "response", "noise_scale": 1.0}


@pytest.mark.parametrize(
    "architecture",
    [
        replace(IMAGE, **NOISE),
        replace(TEXT, precision="bfloat16"),
        *(replace(one, **PROJECTED) for one in (IMAGE, TEXT)),
        replace(TEXT, pooled=True, precision="bfloat16", **PROJECTED),
        replace(IMAGE, transform="pass", noise="gaussian", noise_scale=0.1),
        *(replace(one, per="person", **PROJECTED) for one in (IMAGE, TEXT)),
        replace(TEXT, per="person"),
        *(replace(IMAGE, per=per, **MOVED) for per in ("example", "person")),
        *(replace(TEXT, per=per, pooled=True, **MOVED) for per in ("example", "person")),
        *(replace(one, pooled=one is TEXT, **CODES) for one in (IMAGE, TEXT)),
    ],
    ids=lambda one: f"{one.modality}-{one.transform}-{one.precision}-{one.per}-{one.noise}",
)
def test_features_do_not_depend_on_who_is_asked_together(architecture):
    extractor, rng = extractor_of(architecture), np.random.default_rng(0)
    dataset = pictures() if architecture.modality == "image" else messages()
    layout = layout_of(extractor, "float32", TASKS)

    def of(people: list[int], alone: bool = False) -> dict[int, bytes]:
        found, failures = contribute(extractor, dataset, people, layout, alone=alone)
        assert failures == []
        return features(found)

    own = of(PEOPLE, alone=True)
    assert set(own) == set(PEOPLE)
    for count in (len(PEOPLE), *rng.integers(2, len(PEOPLE), 5)):
        asked = rng.permutation(PEOPLE)[:count].tolist()
        assert of(asked) == {person: own[person] for person in asked}


def test_seconds_are_a_contributors_own_or_its_share():
    extractor = extractor_of(IMAGE)
    layout = layout_of(extractor, "float16", TASKS)
    found, _ = contribute(extractor, open_dataset(SOURCE), PEOPLE, layout)
    assert (found.seconds > 0).all()
    assert np.allclose(found.seconds / found.examples[:, None], found.seconds.sum(0) / found.examples.sum())
    own, _ = contribute(extractor, open_dataset(SOURCE), PEOPLE, layout, alone=True)
    each = own.seconds / own.examples[:, None]
    assert len(np.unique(each[:, 0])) == len(PEOPLE)


@pytest.mark.parametrize("alone", [True, False])
def test_whoever_fails_is_named_and_disturbs_nobody(alone):
    good, failing = open_dataset(SOURCE), {12, 13, 31}

    def load(people):
        if failing & set(people):
            raise OSError("the message was: hello")
        return good.load(people)

    extractor = extractor_of(IMAGE)
    layout = layout_of(extractor, "float16", TASKS)
    found, failures = contribute(extractor, replace(good, load=load), PEOPLE, layout, alone=alone)
    # The error's text may quote the contributor's data: only its type leaves the device.
    assert failures == [Failure(person, "load", "OSError") for person in sorted(failing)]
    assert found.contributor.tolist() == [person for person in PEOPLE if person not in failing]


def test_labels_that_do_not_fit_fail_their_contributor_only():
    good = open_dataset(SOURCE)
    examples = good.load([10, 11])
    wrong = {**examples.attributes, "Smiling": np.where(examples.people == 11, 1000, 0)}
    extractor = extractor_of(IMAGE)
    layout = layout_of(extractor, "float16", TASKS)
    held = hold(good, replace(examples, attributes=wrong))
    found, failures = contribute(extractor, held, [10, 11], layout)
    assert found.contributor.tolist() == [10]
    assert [(one.contributor, one.stage) for one in failures] == [(11, "encode")]


@pytest.mark.parametrize("per", ["example", "person"])
@pytest.mark.parametrize("alone", [True, False])
def test_whoever_has_a_private_label_that_the_extractor_does_not_know_fails_alone(alone, per):
    """The reason names the attribute. It leaves the device, so it does not say which label that is."""
    good = open_dataset(SOURCE)
    examples = good.load([10, 11, 12])
    wrong = {**examples.attributes, "Male": np.where(examples.people == 11, 57, 1)}
    extractor = extractor_of(replace(IMAGE, per=per, **{**MOVED, "stated": ("Male",)}))
    layout = layout_of(extractor, "float16", TASKS)
    held = hold(good, replace(examples, attributes=wrong))
    found, failures = contribute(extractor, held, [10, 11, 12], layout, alone=alone)
    assert found.contributor.tolist() == [10, 12]
    reason = "Male: the protection was fitted to the values 0 to 1, and the device has another"
    assert [(one.contributor, one.stage) for one in failures] == [(11, "forward")]
    assert failures[0].reason.startswith(reason) and "57" not in failures[0].reason


def test_what_is_sent_is_moved_by_the_label_that_the_device_states():
    dataset, architecture = open_dataset(SOURCE), replace(IMAGE, **{**MOVED, "noise": "none"})
    extractor = extractor_of(architecture)
    layout, examples = layout_of(extractor, "float32", ()), dataset.load([10, 11])
    for label in (0, 1):
        stated = {**examples.attributes, "Smiling": np.full(len(examples), label, np.int8)}
        found, _ = contribute(
            extractor, hold(dataset, replace(examples, attributes=stated)), [10, 11], layout
        )
        sent, _ = decode(found.payload, found.payload_bytes, "float32", channels(layout.shape)[1])
        components = forward(extractor, preprocess(architecture, examples.loaded))
        moved = extractor.network.send(components, stated["Smiling"].astype(np.int64))  # pyright: ignore
        assert torch.allclose(sent.reshape(moved.shape), moved, atol=1e-6)
        assert not torch.allclose(moved, components, atol=1e-2)


def test_a_contributor_without_examples_sends_none():
    good = open_dataset(SOURCE)
    held = hold(good, good.load([10]))
    extractor = extractor_of(IMAGE)
    layout = layout_of(extractor, "float16", TASKS)
    for asked in ([11], [11, 10], []):
        found, failures = contribute(extractor, held, asked, layout)
        assert failures == []
        assert found.contributor.tolist() == asked
        assert dict(zip(asked, found.examples.tolist(), strict=True)).get(11, 0) == 0
        assert pack(found, layout)


def test_threads_are_restored():
    before = torch.get_num_threads()
    extractor = extractor_of(IMAGE)
    contribute(extractor, open_dataset(SOURCE), [1], layout_of(extractor, "float32", TASKS))
    assert torch.get_num_threads() == before


def test_a_person_s_mean_does_not_depend_on_batches_and_others(monkeypatch):
    """Where the extractor moves it apart, all of a person's items are known before one is sent."""
    extractor = extractor_of(replace(IMAGE, **{**MOVED, "centred": True, "noise_common": 0.5}))
    layout = layout_of(extractor, "float32", ())
    together, failures = contribute(extractor, open_dataset(SOURCE), [10, 11, 12], layout)
    monkeypatch.setattr("tiprdc_fl.federation.contributor.EXTRACTION_BATCH", 5)
    apart = [contribute(extractor, open_dataset(SOURCE), [person], layout)[0] for person in (10, 11, 12)]
    assert failures == []
    assert np.array_equal(together.payload, np.concatenate([one.payload for one in apart]))
