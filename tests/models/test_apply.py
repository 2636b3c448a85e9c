"""``extract`` does what a contributor's device does, and says what it cannot take."""

from dataclasses import replace

import pytest
import torch

from tests.models.exported import IMAGE, MOVED, TEXT, extractor_of
from tiprdc_fl import seeding
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import contribute, layout_of
from tiprdc_fl.models.apply import extract
from tiprdc_fl.store.codec import decode


def test_features_are_those_that_a_contributor_sends():
    extractor = extractor_of(IMAGE)
    dataset = open_dataset(DataSource("faces", None, IMAGE.image_size, 0, most=3))
    contributions, _ = contribute(extractor, dataset, [5], layout_of(extractor, "float32", ("Smiling",)))
    sent, _ = decode(
        contributions.payload.tobytes(), contributions.payload_bytes, "float32", IMAGE.image_size[1] // 4 * 8
    )
    features = extract(extractor, dataset.load([5]).loaded)
    assert torch.equal(features.flatten(), sent.flatten())


def test_messages_of_several_batches_are_padded_alike():
    extractor = extractor_of(TEXT)
    features = extract(extractor, ["a"] * 70 + ["a b c d e"])
    assert features.shape[:2] == (71, 5)
    assert torch.equal(features[0], features[69])
    assert not features[0, 1:].any()


def test_where_the_private_attribute_decides_what_is_sent_features_alone_are_refused():
    with pytest.raises(
        InputError, match=r"depends on its own Smiling, .* use tiprdc_fl.federation.contributor"
    ):
        extract(extractor_of(replace(TEXT, pooled=True, **MOVED)), ["a"])


@pytest.mark.parametrize(
    ("architecture", "inputs", "message"),
    [
        (IMAGE, ["text"], "takes images, torch.uint8 .* got list"),
        (IMAGE, torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"got torch.uint8 \[2, 3, 8, 8\]"),
        (IMAGE, torch.zeros(2, 3, 32, 32), r"got torch.float32"),
        (IMAGE, torch.zeros(0, 3, 32, 32, dtype=torch.uint8), "no examples"),
        (TEXT, torch.zeros(2, 3, 32, 32), "takes a list of messages, got Tensor"),
        (TEXT, [1, 2], "takes a list of messages"),
    ],
)
def test_other_inputs_are_refused(architecture, inputs, message):
    seeding.seed_torch(0, "test")
    with pytest.raises(InputError, match=message):
        extract(extractor_of(architecture), inputs)
