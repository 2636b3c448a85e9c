"""The network of rounds of random Fourier features, with constants drawn at random."""

from dataclasses import replace

import pytest
import torch

from tests.models.exported import IMAGE, KERNELS, TEXT, extractor_of, inputs_of
from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import extracting, feature_shape, seen_shape
from tiprdc_fl.models.extractor import forward, from_bytes, restore, to_bytes
from tiprdc_fl.models.kernel_map import fourier_features, rounds_of

ONE_KERNEL = {**KERNELS, "rounds": 1, "hidden": 0}
CASES = {
    "images": replace(IMAGE, **KERNELS),
    "messages": replace(TEXT, **KERNELS),
    "messages, no perceptron": replace(TEXT, **ONE_KERNEL),
}
EVERY = pytest.mark.parametrize("architecture", CASES.values(), ids=CASES)


@EVERY
def test_what_is_sent_and_restored_has_the_stated_shapes(architecture):
    extractor, x = extractor_of(architecture), inputs_of(architecture)
    sent = forward(extractor, x)
    steps = () if architecture.modality == "image" else (x.shape[1],)
    assert sent.shape == (len(x), *steps, 7)
    assert feature_shape(architecture)[-1] == 7
    restored = restore(extractor, sent)
    assert restored.shape == (
        len(x),
        *(side if side > 0 else x.shape[1] for side in seen_shape(architecture)),
    )


@pytest.mark.parametrize("options", [KERNELS, ONE_KERNEL])
def test_padding_stays_zero_and_nothing_else_is(options):
    architecture = replace(TEXT, **options)
    extractor, x = extractor_of(architecture), inputs_of(architecture)
    sent = forward(extractor, x)
    restored = restore(extractor, sent)
    for rows in (sent, restored):
        assert torch.equal((rows != 0).any(dim=2), x != 0)
    assert ((sent != 0) == (x != 0)[:, :, None]).all()


def test_a_step_that_is_mapped_to_zeros_is_no_padding():
    extractor = extractor_of(replace(TEXT, **ONE_KERNEL))
    again = from_bytes(to_bytes(extractor.network, extractor.architecture))
    rounds_of(again.network)[0].basis.zero_()  # pyright: ignore[reportArgumentType]
    x = inputs_of(extractor.architecture)
    assert torch.equal((forward(again, x) != 0).any(dim=2), x != 0)


def test_steps_of_a_message_are_mapped_one_by_one():
    architecture = replace(TEXT, **KERNELS)
    extractor, x = extractor_of(architecture), inputs_of(architecture)
    z = forward(extractor, x)
    flipped = x.clone()
    flipped[:, -1] = 5  # a later step does not change those before
    assert torch.allclose(forward(extractor, flipped)[:, :-1], z[:, :-1], atol=1e-6)


def test_rounds_with_a_perceptron_send_rows_of_length_1():
    architecture = replace(IMAGE, **KERNELS)
    sent = forward(extractor_of(architecture), inputs_of(architecture))
    assert torch.allclose(sent.norm(dim=1), torch.ones(len(sent)), atol=1e-5)


def test_products_of_fourier_features_approximate_the_gaussian_kernel():
    generator = seeding.torch_generator(0, "test")
    rows = torch.randn(20, 5, generator=generator)
    lifted = fourier_features(rows, torch.randn(20_000, 5, generator=generator) / 2.0)
    kernel = (-torch.cdist(rows, rows).square() / (2 * 2.0**2)).exp()
    assert torch.allclose(lifted @ lifted.T, kernel, atol=0.03)  # 4 standard deviations at most
    assert torch.allclose(lifted.norm(dim=1), torch.ones(20))


def test_restoring_is_linear():
    extractor = extractor_of(replace(IMAGE, **KERNELS))
    one, other = torch.rand(2, 3, 7, generator=seeding.torch_generator(0, "test"))
    middle = restore(extractor, (one + other) / 2)
    assert torch.allclose(middle, (restore(extractor, one) + restore(extractor, other)) / 2, atol=1e-5)


@EVERY
def test_the_encoder_s_architecture_has_none_of_it(architecture):
    assert extracting(architecture) == (IMAGE if architecture.modality == "image" else TEXT)


def test_it_computes_in_float32_behind_an_encoder_in_bfloat16():
    architecture = replace(IMAGE, **KERNELS, precision="bfloat16")
    assert forward(extractor_of(architecture), inputs_of(architecture)).dtype == torch.float32
