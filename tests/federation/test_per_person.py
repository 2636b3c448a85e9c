"""One item a person: the mean of that person's features, with the most frequent labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.federation.test_contributor import IMAGE, PEOPLE, TEXT, extractor_of, messages, pictures
from tiprdc_fl.data.examples import Examples, by_person
from tiprdc_fl.data.source import hold
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import MAX_RAW_BYTES, pack, rejections, unpack
from tiprdc_fl.federation.contributor import contribute, layout_of
from tiprdc_fl.federation.person_means import PersonMeans
from tiprdc_fl.models.extractor import batch_reader, forward
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.simulate import run
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.codec import channels, decode


def items(architecture, dataset, people=PEOPLE):
    """What the people send, float32 [rows, *shape], and their contributions."""
    extractor = extractor_of(architecture)
    layout = layout_of(extractor, "float32", ("Smiling",))
    found, failures = contribute(extractor, dataset, people, layout)
    assert failures == []
    rows, _ = decode(found.payload, found.payload_bytes, "float32", channels(layout.shape)[1])
    return rows.numpy(), found, layout


def features(architecture, examples: Examples) -> torch.Tensor:
    extractor = extractor_of(architecture)
    return forward(extractor, batch_reader(architecture, examples.loaded)(np.arange(len(examples)))).float()


def test_images_of_a_person_become_their_mean():
    rows, found, layout = items(replace(IMAGE, per="person"), pictures())
    assert found.examples.tolist() == [1] * len(PEOPLE)
    for place, person in enumerate(PEOPLE):
        z = features(IMAGE, pictures().load([person]))
        assert np.allclose(rows.reshape(len(PEOPLE), *layout.shape)[place], z.mean(dim=0), atol=1e-5)


def test_messages_of_a_person_become_one_step_to_which_each_message_adds_as_much():
    rows, found, _ = items(replace(TEXT, per="person"), messages())
    assert len(rows) == len(PEOPLE) and found.examples.tolist() == [1] * len(PEOPLE)
    for place, person in enumerate(PEOPLE):
        z = features(TEXT, messages().load([person]))
        of_messages = [steps[valid].mean(dim=0) for steps, valid in zip(z, valid_steps(z), strict=True)]
        assert np.allclose(rows[place], torch.stack(of_messages).mean(dim=0), atol=1e-5)


def test_noise_is_added_once_to_the_mean():
    quiet = replace(IMAGE, per="person")
    noisy = replace(quiet, noise="gaussian", noise_scale=0.5)
    noise = items(noisy, pictures())[0] - items(quiet, pictures())[0]
    assert noise.std() == pytest.approx(0.5, rel=0.05)  # of a mean of noises it would be a third


def test_the_collector_accepts_it_and_whoever_has_no_example_sends_nothing():
    dataset = pictures()
    none = replace(dataset, load=lambda people: dataset.load([person for person in people if person != 12]))
    _, found, layout = items(replace(IMAGE, per="person"), none)
    assert found.examples.tolist() == [int(person != 12) for person in PEOPLE]
    assert rejections(unpack(pack(found, layout), layout, len(PEOPLE)), PEOPLE, layout) == {}


def test_raw_bytes_and_labels_are_those_of_all_examples():
    _, found, _ = items(replace(TEXT, per="person"), messages())
    together = by_person(messages().load(PEOPLE))
    assert np.array_equal(found.raw_bytes, together.raw_bytes)
    assert found.raw_bytes.sum() == messages().load(PEOPLE).raw_bytes.sum()
    assert np.array_equal(found.labels[:, 0], together.attributes["Smiling"])


def test_the_most_frequent_label_counts_and_of_two_the_smaller():
    people = np.array([7, 7, 7, 3, 3, 9])
    labels = {"a": np.array([1, 0, 1, 1, 0, 2], np.int8)}
    found = by_person(Examples(None, labels, people, np.zeros(6, np.int32), np.arange(6)))
    assert found.people.tolist() == [7, 3, 9]  # in the order of the examples
    assert found.attributes["a"].tolist() == [1, 0, 2] and found.attributes["a"].dtype == np.int8
    assert found.raw_bytes.tolist() == [3, 7, 5]
    assert len(by_person(Examples(None, {"a": labels["a"][:0]}, people[:0], people[:0], people[:0]))) == 0


def test_means_do_not_depend_on_the_batches():
    z, people = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 2, 3, 3))), np.repeat([5, 2], 20)
    whole, parts = PersonMeans(), PersonMeans()
    whole.add(z, people)
    for part in (slice(0, 1), slice(1, 23), slice(23, 40)):
        parts.add(z[part], people[part])
    assert torch.equal(whole.means()[0], parts.means()[0])
    assert parts.means()[1].tolist() == [5, 2]


@pytest.mark.slow
@pytest.mark.parametrize("text", [False, True])
def test_a_run_measures_one_item_a_person(tmp_path, text):
    source = ["data.name=chitchat"] if text else ["model.width=4"]
    config = load_config(
        None,
        [
            *source,
            "protection.name=random",
            "protection.per=person",
            "clients=60",
            "data.collector_people=30",
            "data.holdout_people=50",
            "federation.engine=inline",
            "evaluation.attacks=[lda]",
            f"run_dir={tmp_path}",
        ],
    )
    report = run(config)
    row = next(row for row in report.results if row.representation == "features" and row.role == "private")
    assert row.measured_examples == row.measured_people <= 50
    sent = report.federation
    assert sent.examples > 2 * sent.answered  # what the items were made from
    assert text or sent.raw_bytes_per_example == 3 * 32 * 32
    assert {row.representation for row in report.results} >= ({"random"} if text else {"random", "raw"})
    assert report.protection.endswith("one item a person")


def small(tmp_path, *keys: str) -> list[str]:
    sizes = ("clients=30", "data.collector_people=30", "data.holdout_people=30", "model.width=4")
    quick = (
        "federation.engine=inline",
        "evaluation.attacks=[lda]",
        "evaluation.controls=[]",
        "devices.name=null",
    )
    quick += ("evaluation.adversaries=[insider]", "evaluation.reidentification=false")
    return [*sizes, *quick, "protection.name=random", f"run_dir={tmp_path / 'run'}", *keys]


def test_examples_that_were_dealt_out_are_no_person_s(tmp_path):
    keys = small(tmp_path, "protection.per=person", "partition.name=dirichlet")
    with pytest.raises(InputError, match=r"partition.name=dirichlet deals one person's examples to several"):
        run(load_config(None, keys))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_given_extractor_says_itself_what_an_item_is_sent_for(tmp_path):
    run(load_config(None, small(tmp_path, "protection.per=person")))
    given = [
        f"training.extractor={tmp_path / 'run' / 'extractor.safetensors'}",
        f"run_dir={tmp_path / 'next'}",
    ]
    keys = [key for key in small(tmp_path) if not key.startswith(("protection", "run_dir"))]
    assert run(load_config(None, [*keys, *given])).protection.endswith("one item a person")
    with pytest.raises(InputError, match=r"sends one item a person, and evaluation.reconstruction=true"):
        run(
            load_config(
                None, [*keys, *given[:1], f"run_dir={tmp_path / 'third'}", "evaluation.reconstruction=true"]
            )
        )


def test_many_large_images_of_a_person_are_accepted():
    dataset = pictures()
    heavy = replace(dataset, load=lambda people: _heavy(dataset.load(people)))
    _, found, layout = items(replace(IMAGE, per="person"), heavy)
    assert found.raw_bytes.max() == MAX_RAW_BYTES
    assert rejections(unpack(pack(found, layout), layout, len(PEOPLE)), PEOPLE, layout) == {}


def _heavy(examples: Examples) -> Examples:
    """Of a gigabyte each: more than the column can hold of several."""
    return replace(examples, raw_bytes=np.full(len(examples), 2**30))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("evaluation.reconstruction=true", "rebuilds examples and protection.per=person sends none"),
        ("training.extractor=e.safetensors", "says itself what an item is sent for"),
        ("protection.per=device", "example, person"),
    ],
)
def test_what_does_not_go_with_one_item_a_person_is_an_error(key, reason):
    with pytest.raises(InputError, match=reason):
        load_config(None, ["protection.per=person", key])


def test_a_held_dataset_is_the_same():  # ``hold`` is how the holdout people's items are made
    examples = pictures().load(PEOPLE)
    own = items(replace(IMAGE, per="person"), hold(pictures(), examples))[0]
    assert np.array_equal(own, items(replace(IMAGE, per="person"), pictures())[0])
