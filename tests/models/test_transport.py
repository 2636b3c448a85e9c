"""Moving components by the private class that a device states: bits, numbers by hand, the collector's way back."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from tests.models.exported import IMAGE, MOVED, TEXT, extractor_of, inputs_of
from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import build_extractor, extracting, feature_shape, seen_shape
from tiprdc_fl.models.extractor import HEADER, forward, from_bytes, header_of, restore, to_bytes
from tiprdc_fl.models.transport import DEVIATIONS, LEAST, Transport, private_class

COMPONENTS, CLASSES, ITEMS = 16, 4, 70
CASES = {"images": replace(IMAGE, **MOVED), "messages": replace(TEXT, pooled=True, **MOVED)}
EVERY = pytest.mark.parametrize("architecture", CASES.values(), ids=CASES)


def network_of(components: int = COMPONENTS, classes: int = CLASSES) -> Transport:
    """A network that passes inputs on, with maps drawn at random."""
    network, generator = Transport(nn.Identity(), (COMPONENTS, 1, 1), components, classes), torch.Generator()
    generator.manual_seed(0)
    network.basis.normal_(generator=generator)
    network.maps.normal_(std=0.2, generator=generator)
    network.offsets.uniform_(generator=generator)
    return network


def items() -> tuple[Tensor, np.ndarray]:
    generator = np.random.default_rng(0)
    rows = generator.normal(0.5, 0.2, (ITEMS, COMPONENTS)).astype(np.float32)
    return torch.from_numpy(rows), generator.integers(0, CLASSES, ITEMS)


def test_no_bit_of_what_is_sent_depends_on_the_other_items():
    network, (rows, classes) = network_of(), items()
    alone = torch.cat([network.send(rows[n : n + 1], classes[n : n + 1]) for n in range(ITEMS)])
    assert torch.equal(network.send(rows, classes), alone)
    generator = np.random.default_rng(1)
    for size in (1, 2, 3, 17, 64, ITEMS):
        drawn = generator.permutation(ITEMS)[:size]
        assert torch.equal(network.send(rows[drawn], classes[drawn]), alone[drawn])


def test_nor_on_their_place_in_memory():
    network, (rows, classes) = network_of(), items()
    whole = network.send(rows, classes)
    assert torch.equal(network.send(rows.T.contiguous().T, classes), whole)
    shifted = torch.cat([torch.zeros(1), rows.flatten()])[1:].reshape(rows.shape)  # begins at another address
    assert torch.equal(network.send(shifted, classes), whole)


def test_a_message_of_one_step_is_moved_as_a_row():
    network, (rows, classes) = network_of(), items()
    steps = network.send(rows[:, None], classes)
    assert steps.shape == (ITEMS, 1, COMPONENTS)
    assert torch.equal(steps[:, 0], network.send(rows, classes))


def test_what_is_sent_by_hand():
    """[[2, 0], [1, 1]] [0.1, 0.3] + [0.1, -0.2] = [0.3, 0.2]; the other class sends [1.1, -1], clipped."""
    network = Transport(nn.Identity(), (2, 1, 1), components=2, classes=2)
    network.maps.copy_(torch.tensor([[[2.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]))
    network.offsets.copy_(torch.tensor([[0.1, -0.2], [1.0, -1.3]]))
    row = torch.tensor([[0.1, 0.3]])
    assert network.send(row, np.array([0])).tolist() == [pytest.approx([0.3, 0.2])]
    assert network.send(row, np.array([1])).tolist() == [pytest.approx([1.0, LEAST])]


def test_components_are_scaled_to_three_deviations_by_hand():
    """(4 - 1) * 2 / 6 + 0.5 = 1.5; nothing is clipped before it is moved, so that means stay means."""
    network = Transport(nn.Identity(), (1, 1, 1), components=1, classes=1)
    network.mean.fill_(1.0)
    network.basis.fill_(2.0)
    x = torch.tensor([4.0, 1.0, -2.0])[:, None, None, None]
    assert network(x).flatten().tolist() == pytest.approx([1.5, 0.5, -0.5])
    assert DEVIATIONS == 3.0


@pytest.mark.parametrize("sizes", [(2,), (2, 3), (4, 1, 3)])
def test_every_combination_of_values_has_a_number_of_its_own_and_the_last_counts_on(sizes):
    labels = np.array(list(itertools.product(*(range(size) for size in sizes))))
    names = [f"attribute {number}" for number in range(len(sizes))]
    assert private_class(labels, sizes, names).tolist() == list(range(int(np.prod(sizes))))


def test_no_items_have_no_class_and_small_integers_do_not_overflow():
    assert private_class(np.empty((0, 2), np.int8), (2, 3), ("a", "b")).tolist() == []
    assert private_class(np.array([[99, 99]], np.int8), (100, 100), ("a", "b")).tolist() == [9_999]


@pytest.mark.parametrize("label", [-1, 3, 57])
def test_a_label_that_the_protection_was_not_fitted_to_is_refused_without_being_told(label):
    message = (
        r"^Hair: the protection was fitted to the values 0 to 2, and the device has another: fit it to people"
    )
    with pytest.raises(InputError, match=message) as told:
        private_class(np.array([[0, 0], [1, label]]), (2, 3), ("Male", "Hair"))
    assert "57" not in str(told.value)


@EVERY
def test_what_is_sent_and_restored_has_the_stated_shapes(architecture):
    extractor, x = extractor_of(architecture), inputs_of(architecture)
    components = forward(extractor, x)
    assert components.shape == (len(x), *feature_shape(architecture))
    network = extractor.network
    assert isinstance(network, Transport)
    sent = network.send(components, np.arange(len(x)) % 2)
    assert sent.shape == components.shape
    assert sent.min() >= LEAST and sent.max() <= 1  # a step of zeros would be padding
    restored = restore(extractor, sent)
    assert restored.shape == (len(x), *(abs(side) for side in seen_shape(architecture)))


@EVERY
def test_restoring_is_linear_in_what_was_sent(architecture):
    extractor = extractor_of(architecture)
    shape = feature_shape(architecture)
    one, other = torch.rand(2, 5, *shape, generator=torch.Generator().manual_seed(0))
    between = restore(extractor, 0.25 * one + 0.75 * other)
    expected = 0.25 * restore(extractor, one) + 0.75 * restore(extractor, other)
    assert torch.allclose(between, expected, atol=1e-4)
    network = extractor.network
    assert isinstance(network, Transport)
    assert torch.equal(restore(extractor, torch.zeros(1, *shape)).flatten(), network.middle)


@EVERY
def test_components_are_those_of_the_encoder_s_features_in_float32(architecture):
    extractor, x = extractor_of(architecture), inputs_of(architecture)
    network = extractor.network
    assert isinstance(network, Transport)
    with torch.no_grad():
        z = network.encoder(x)
    flat = z.flatten(1)
    if architecture.modality == "text":
        flat = torch.stack([one[one.any(dim=1)].mean(dim=0) for one in z])
    expected = (flat - network.mean) @ network.basis.T / (2 * DEVIATIONS) + 0.5
    assert torch.allclose(forward(extractor, x).flatten(1), expected, atol=1e-4)


@EVERY
def test_the_file_says_which_attributes_a_device_states(architecture):
    again = from_bytes(to_bytes(extractor_of(architecture).network, architecture)).architecture
    assert again == architecture
    assert (again.stated, again.stated_values) == (("Smiling",), (2,))
    plain = extracting(architecture)
    assert (plain.stated, plain.stated_values, plain.components) == ((), (), 0)


def test_a_file_from_before_private_attributes_were_stated_is_read():
    seeding.seed_torch(0, "test")
    network = build_extractor(IMAGE)
    header = json.loads(header_of(IMAGE))
    del header["stated"], header["stated_values"]
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    assert from_bytes(save(state, metadata={HEADER: json.dumps(header)})).architecture == IMAGE
