"""Shapes and parameter counts of Tables 1, 2 and 3, and the extractor's file."""

import pytest
import torch
from torch import nn

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import (
    Architecture,
    build_classifier,
    build_estimator,
    build_extractor,
    feature_shape,
)
from tiprdc_fl.models.extractor import batch_reader, forward, from_bytes, load_extractor, preprocess, to_bytes
from tiprdc_fl.models.image import ImageClassifier, ImageEstimator, ImageExtractor
from tiprdc_fl.models.residual import ResidualBlock, ResidualClassifier
from tiprdc_fl.models.text import (
    PAD,
    UNKNOWN,
    TextEstimator,
    TextExtractor,
    build_vocabulary,
    last_valid,
    mean_step,
    text_size,
    tokenise,
    valid_steps,
)

PAPER = Architecture("image", 64, image_size=(218, 178))
SMALL = Architecture("image", 4, image_size=(32, 40))
WORDS = Architecture(
    "text", 8, vocabulary=build_vocabulary(["to be or not to be"] * 3, [1, 2, 3], 20), max_tokens=5
)


def test_the_mean_step_is_that_of_the_valid_ones():
    z = torch.tensor(
        [[[1.0, -2.0], [3.0, 0.0], [0.0, 0.0]], [[5.0, 6.0], [0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0]] * 3]
    )
    assert mean_step(z).tolist() == [[[2.0, -1.0]], [[5.0, 6.0]], [[0.0, 0.0]]]


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def conv(channels_in: int, channels: int) -> int:
    """3x3 kernels, and batch normalisation's scale and shift; the convolution needs no bias beside it."""
    return 9 * channels_in * channels + 2 * channels


def test_paper_features_are_128_by_54_by_44():
    with torch.device("meta"):
        z = ImageExtractor(64)(torch.empty(2, 3, 218, 178))
    assert z.shape == (2, 128, 54, 44) == (2, *feature_shape(PAPER))


def test_paper_classifier_and_estimator_run_at_full_size():
    with torch.device("meta"):
        x, z, u = torch.empty(2, 3, 218, 178), torch.empty(2, 128, 54, 44), torch.empty(2, 2)
        assert ImageClassifier(64, (218, 178), 2)(z).shape == (2, 2)
        estimator = ImageEstimator(64, (218, 178), 2)
        x_embedding, z_embedding = estimator.embed_input(x), estimator.embed_features(z)
        assert x_embedding.shape == z_embedding.shape == (2, 15_360)
        assert estimator.score(x_embedding, z_embedding, u).shape == (2,)


def test_paper_parameter_counts_by_hand():
    trunk = conv(128, 256) + 2 * conv(256, 256) + conv(256, 512) + 5 * conv(512, 512)
    head = 15_360 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 2 + 2
    joined = (2 * 15_360 + 2) * 4096 + 4096 + 4096 * 512 + 512 + 512 + 1
    own = conv(3, 64) + 2 * conv(64, 64) + conv(64, 128) + conv(128, 128)
    with torch.device("meta"):
        assert parameters(ImageExtractor(64)) == conv(3, 64) + conv(64, 64) + conv(64, 128) + conv(128, 128)
        assert parameters(ImageClassifier(64, (218, 178), 2)) == trunk + head
        assert parameters(ImageEstimator(64, (218, 178), 2)) == own + trunk + joined
        two = ImageEstimator(64, (218, 178), 2, convolutions=2)
        assert parameters(two) == own + trunk + joined - conv(64, 64)


def test_paper_vcl19_has_a_fourth_convolution_in_each_block():
    trunk = conv(128, 256) + 3 * conv(256, 256) + conv(256, 512) + 7 * conv(512, 512)
    head = 15_360 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 2 + 2
    with torch.device("meta"):
        network = ImageClassifier(64, (218, 178), 2, convolutions=4)
        assert network(torch.empty(2, 128, 54, 44)).shape == (2, 2)
    assert parameters(network) == trunk + head
    convolutions = [len([m for m in block if isinstance(m, nn.Conv2d)]) for block in network.trunk]  # pyright: ignore
    assert convolutions == [4, 4, 4]  # with the extractor's four and three fully connected layers: 19


def test_paper_res_cl_by_hand():
    halving = 2 * conv(128, 128) + 128 * 128 + 2 * 128
    second = conv(128, 256) + conv(256, 256) + 128 * 256 + 2 * 256
    third = conv(256, 512) + conv(512, 512) + 256 * 512 + 2 * 512
    with torch.device("meta"):
        network, z = ResidualClassifier(64, 2), torch.empty(2, 128, 54, 44)
        assert network.blocks[0](z).shape == (2, 128, 27, 22)
        assert network.blocks(z).shape == (2, 512, 27, 22)
        assert network(z).shape == (2, 2)
    assert parameters(network) == halving + second + third + 512 * 2 + 2


@pytest.mark.parametrize("side", [1, 7, 8])
@pytest.mark.parametrize("classes", [2, 5])
def test_res_cl_reads_features_of_any_size(side, classes):
    seeding.seed_torch(0, "test")
    network = ResidualClassifier(2, classes)
    logits = network(torch.rand(3, 4, side, side + 1))
    assert torch.equal(logits, torch.zeros(3, classes))  # the output layer starts at zero


def test_a_residual_block_whose_layers_are_silent_passes_its_input_on():
    block, x = ResidualBlock(4, 4).eval(), torch.rand(2, 4, 5, 5)
    with torch.no_grad():
        block.layers[-1].weight.zero_()  # pyright: ignore
    assert torch.equal(block(x), x)


def test_paper_text_networks_by_hand():
    lstm = 4 * 300 * (300 + 300 + 2)
    with torch.device("meta"):
        assert text_size(64) == 300
        assert parameters(TextExtractor(64, 1000)) == 1000 * 300 + lstm
        first = 4 * 300 * (600 + 300 + 2)
        head = (300 + 2) * 150 + 150 + 150 + 1
        assert parameters(TextEstimator(64, 1000, 2)) == 1000 * 300 + lstm + first + lstm + head


def test_estimator_shares_the_trunk_between_image_and_features():
    estimator = build_estimator(SMALL, 2, 3)
    assert isinstance(estimator, ImageEstimator)
    z = torch.rand(2, *feature_shape(SMALL))
    before = estimator.eval().embed_features(z)
    x_before = estimator.embed_input(torch.ones(2, 3, 32, 40))
    with torch.no_grad():
        estimator.trunk[0][0].weight.zero_()  # pyright: ignore
    assert not torch.equal(estimator.embed_features(z), before)
    assert not torch.equal(estimator.embed_input(torch.ones(2, 3, 32, 40)), x_before)


@pytest.mark.parametrize("architecture", [SMALL, WORDS], ids=["image", "text"])
@pytest.mark.parametrize("classes", [2, 5])
def test_networks_fit_each_other(architecture, classes):
    inputs = torch.randint(0, 256, (3, 3, 32, 40), dtype=torch.uint8)
    x = preprocess(architecture, inputs if architecture is SMALL else ["to be", "or", "not to be that is"])
    z = build_extractor(architecture)(x)
    assert z.shape[0] == 3
    assert z.shape[1:][-1] == feature_shape(architecture)[-1]
    assert build_classifier(architecture, classes)(z).shape == (3, classes)
    estimator = build_estimator(architecture, classes, 3)
    u = torch.eye(classes)[[0, 1, 0]]
    score = estimator.score(estimator.embed_input(x), estimator.embed_features(z), u)
    assert score.shape == (3,)


def test_an_image_too_small_for_table_1_is_refused():
    with pytest.raises(InputError, match=r"image_size=\[31, 64\].*at least 32"):
        Architecture("image", 4, image_size=(31, 64))


def test_tokens_pad_cut_and_unknown_words():
    vocabulary = build_vocabulary(["b a a", "c c c a", "c a", "c", "b rare rare rare"], [1, 2, 3, 4, 5], 4)
    assert vocabulary == ("<pad>", "<unknown>", "c", "a")
    ids = {word: i for i, word in enumerate(vocabulary)}
    assert tokenise(["A zebra", "c c c c", ""], ids, 3).tolist() == [[3, 1, 0], [2, 2, 2], [UNKNOWN, 0, 0]]


def with_random_output(network: nn.Module) -> nn.Module:
    """The network with random weights where it starts with zeros, so that its output depends on its input."""
    generator = seeding.torch_generator(0, "test", "output")
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.normal_(generator=generator)
    return network.eval()


def test_padding_does_not_change_a_message():
    seeding.seed_torch(0, "test")
    network = build_extractor(WORDS)
    classifier = with_random_output(build_classifier(WORDS, 2))
    alone, padded = torch.tensor([[2, 3]]), torch.tensor([[2, 3, PAD, PAD]])
    assert (network(padded)[:, 2:] == 0).all()
    assert torch.allclose(network(padded)[:, :2], network(alone))
    logits = classifier(network(alone))
    assert logits.std() > 0.01
    assert torch.allclose(classifier(network(padded)), logits, atol=1e-6)
    estimator = with_random_output(build_estimator(WORDS, 2, 3))
    u = torch.eye(2)[:1]
    one = estimator.score(estimator.embed_input(alone), network(alone), u)
    other = estimator.score(estimator.embed_input(padded), network(padded), u)
    assert one.abs() > 0.01
    assert torch.allclose(one, other, atol=1e-6)


def test_last_valid_step():
    states = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert last_valid(states, mask).tolist() == [[2.0, 3.0], [6.0, 7.0]]
    assert valid_steps(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])).tolist() == [[True, False]]


@pytest.mark.parametrize("architecture", [SMALL, WORDS], ids=["image", "text"])
def test_a_file_alone_is_enough(architecture, tmp_path):
    seeding.seed_torch(1, "test")
    network = build_extractor(architecture)
    (tmp_path / "e.safetensors").write_bytes(to_bytes(network, architecture))
    found = load_extractor(tmp_path / "e.safetensors")
    assert found.architecture == architecture
    assert found.digest == from_bytes(to_bytes(network, architecture)).digest
    inputs = torch.randint(0, 256, (3, 3, 32, 40), dtype=torch.uint8) if architecture is SMALL else ["be to"]
    prepared = preprocess(architecture, inputs)
    with torch.inference_mode():
        assert torch.equal(forward(found, prepared), network.eval()(prepared))
    assert not any(p.requires_grad for p in found.network.parameters())


def test_bfloat16_extraction_is_close_to_float32():
    seeding.seed_torch(2, "test")
    network = build_extractor(SMALL)
    half = Architecture("image", 4, image_size=(32, 40), precision="bfloat16")
    x = preprocess(SMALL, torch.randint(0, 256, (8, 3, 32, 40), dtype=torch.uint8))
    exact = forward(from_bytes(to_bytes(network, SMALL)), x)
    rounded = forward(from_bytes(to_bytes(network, half)), x)
    assert (exact - rounded).abs().max() < 0.05 * exact.abs().max()
    assert not torch.equal(exact, rounded)


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", b"\xff" * 64, to_bytes(nn.Linear(2, 2), SMALL)],
    ids=["empty", "text", "ff", "fit"],
)
def test_bytes_that_are_no_extractor(data, tmp_path):
    (tmp_path / "e.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=r"e\.safetensors: not an extractor file"):
        load_extractor(tmp_path / "e.safetensors")


def test_missing_extractor_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_extractor(tmp_path / "none")


def test_batches_of_messages_are_as_long_as_their_longest():
    import numpy as np

    read = batch_reader(WORDS, ["to", "to be or", "not"])
    assert read(np.array([0, 2])).shape == (2, 1)
    assert read(np.array([1, 0])).shape == (2, 3)
