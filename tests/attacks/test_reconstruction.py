"""Reconstruction: the decoder's shapes, what it learns, and the arithmetic of similarity."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.reconstruction import (
    FEWEST,
    TOLERANCE,
    Images,
    Reconstructions,
    as_bytes,
    reconstruct,
)
from tiprdc_fl.attacks.similarity import BEST_PSNR, scales_of, similarity
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.faces_grid import grid
from tiprdc_fl.models.architecture import Architecture, build_extractor, seen_shape
from tiprdc_fl.models.decoder import build_decoder

SMALL = Architecture("image", 8, image_size=(32, 32))
FIT = Fit(steps=60, batch_size=32, learning_rate=0.004, seed=0, device="cpu", precision="float32")
SHOWN = np.array([5, 0, 2])


def nothing() -> None:
    """On each batch."""


def pictures(seed: int, count: int, size: int = 32) -> Tensor:
    """Smooth random images: each colour a plane wave of its own direction and phase."""
    generator = np.random.default_rng(seed)
    place = np.linspace(0, 1, size)
    tilt, phase = generator.normal(0, 2, (2, count, 3, 1, 1)), generator.uniform(0, 6, (count, 3, 1, 1))
    waves = np.sin(tilt[0] * place[:, None] + tilt[1] * place + phase)
    return torch.from_numpy((waves + 1) / 2).float()


def seen(architecture: Architecture, images: Tensor, noise: float = 0.0, first: int = 0) -> Images:
    """Rows as the adversary sees them, of four images a person."""
    seeding.seed_torch(0, "test")
    network = build_extractor(architecture).eval()
    generator = seeding.torch_generator(0, "test")
    with torch.no_grad():
        z = network(images)
    z = z + noise * torch.randn(z.shape, generator=generator)
    people = first + np.arange(len(images)) // 4
    return Images(lambda chosen: z[chosen], lambda chosen: images[chosen], people)


def rebuilt(architecture: Architecture = SMALL, noise: float = 0.0, fit: Fit = FIT) -> Reconstructions:
    rows = seen(architecture, pictures(0, 160), noise)
    measured = seen(architecture, pictures(1, 40), noise, first=1000)
    return reconstruct(rows, measured, architecture, fit, nothing, SHOWN)


@pytest.mark.parametrize("size", [(218, 178), (32, 32), (33, 47)])
@pytest.mark.parametrize("transform", ["extract", "project", "pass"])
def test_images_come_out_at_the_size_they_went_in(size, transform):
    architecture = Architecture("image", 2, image_size=size, transform=transform, components=3)
    z = torch.zeros(2, *seen_shape(architecture))
    images = build_decoder(architecture)(z)
    assert images.shape == (2, 3, *size)
    assert ((images >= 0) & (images <= 1)).all()


def test_the_decoder_has_the_weights_of_the_extractor_in_reverse():
    network = build_decoder(Architecture("image", 64, image_size=(218, 178)))
    deep = 2 * (9 * 128 * 128 + 2 * 128)
    shallow = 9 * 128 * 64 + 2 * 64 + 9 * 64 * 64 + 2 * 64
    output = 9 * 64 * 3 + 3
    assert sum(weights.numel() for weights in network.parameters()) == deep + shallow + output == 408_003


def test_a_fresh_decoder_paints_grey():
    assert (build_decoder(SMALL)(torch.ones(2, *seen_shape(SMALL))) == 0.5).all()


def test_text_is_refused():
    with pytest.raises(InputError, match="reconstruction rebuilds images, and the extractor is for text"):
        build_decoder(Architecture("text", 16, vocabulary=("<pad>", "<unknown>"), max_tokens=4))


def test_features_of_an_untrained_extractor_give_the_image_away():
    found = rebuilt(fit=replace(FIT, steps=120))
    assert found.decoder.ssim.mean() > found.blind.ssim.mean() + 0.1
    assert found.decoder.ms_ssim.mean() > found.blind.ms_ssim.mean() + 0.2
    assert found.decoder.psnr.mean() > found.blind.psnr.mean() + 5
    assert found.decoder.ssim.shape == found.blind.psnr.shape == (40,)
    assert (found.scales, found.kernel) == (2, 11)


def test_the_pictures_are_those_asked_for():
    found, images = rebuilt(fit=replace(FIT, steps=8)), pictures(1, 40)
    assert torch.equal(found.originals, (images[SHOWN] * 255).round().byte())
    assert found.pictures.shape == (3, 3, 32, 32) and found.pictures.dtype == torch.uint8


def test_features_that_hold_nothing_give_no_more_than_the_mean_image():
    images, empty = pictures(0, 160), torch.zeros(160, *seen_shape(SMALL))
    rows = Images(lambda chosen: empty[chosen], lambda chosen: images[chosen], np.arange(160) // 4)
    found = reconstruct(rows, rows, SMALL, FIT, nothing, SHOWN)
    assert found.decoder.psnr.mean() < found.blind.psnr.mean() + 0.3


def linear(images: Tensor) -> Tensor:
    """Features [n, 16, 8, 8]: averages of 4x4 pixels, in channels that are mixed badly and of unequal scale."""
    generator = seeding.torch_generator(0, "mixture")
    mixture = torch.randn(16, 3, generator=generator) * torch.logspace(-2, 2, 16)[:, None]
    return torch.einsum("ij,njhw->nihw", mixture, torch.nn.functional.avg_pool2d(images, 4))


def of_features(images: Tensor, z: Tensor, first: int = 0) -> Images:
    return Images(
        lambda chosen: z[chosen], lambda chosen: images[chosen], first + np.arange(len(images)) // 4
    )


def grainy(seed: int, count: int) -> Tensor:
    """Smooth images in [0.3, 0.7] with grain: independent noise of deviation 0.1 at each pixel."""
    grain = 0.1 * torch.randn(count, 3, 32, 32, generator=seeding.torch_generator(seed, "grain"))
    return 0.3 + 0.4 * pictures(seed, count) + grain


def test_the_decoder_converges_on_a_linear_map_to_the_least_error_there_is():
    """Averages of 4x4 pixels hold smooth images, however badly channels are mixed, and little of the grain.

    The mean absolute error of the grain is 0.1 * sqrt(2 / pi); a sixteenth of its variance is in the averages.
    """
    training, others = grainy(0, 400), grainy(1, 40)
    rows, measured = of_features(training, linear(training)), of_features(others, linear(others), first=1000)
    told: list[int] = []
    fit = replace(FIT, steps=3000)
    found = reconstruct(rows, measured, SMALL, fit, lambda: told.append(1), SHOWN)
    assert found.course.converged and (found.course.last_doubling or 0) < TOLERANCE
    assert FEWEST <= found.course.steps == len(told) < fit.steps
    least = 0.1 * math.sqrt(2 / math.pi) * math.sqrt(15 / 16)
    made = found.rebuild(np.arange(40))
    assert least < (made - others).abs().mean() < 1.1 * least
    assert torch.equal(as_bytes(made[SHOWN]), found.pictures)


def test_features_that_do_not_depend_on_the_image_give_no_more_than_the_mean_image():
    training, others = pictures(0, 400), pictures(1, 200)
    rows = of_features(training, linear(pictures(2, 400)))
    measured = of_features(others, linear(pictures(3, 200)), first=1000)
    found = reconstruct(rows, measured, SMALL, replace(FIT, steps=600), nothing, SHOWN)
    assert found.decoder.ssim.mean() == pytest.approx(found.blind.ssim.mean(), abs=0.05)
    assert found.decoder.psnr.mean() < found.blind.psnr.mean() + 0.3


def test_a_training_that_is_cut_short_says_so():
    found = rebuilt(fit=replace(FIT, steps=100))
    assert found.course.steps == 100 and not found.course.converged


def test_an_image_that_was_sent_is_had_as_it_is():
    raw = replace(SMALL, transform="pass")
    images = pictures(0, 4)
    with torch.no_grad():
        assert torch.equal(build_decoder(raw)(images), images)
    assert rebuilt(raw).decoder.psnr.mean() > 40  # what is trained on top costs little


def test_noisy_images_are_cleaned():
    """The adversary's images are nearer to the originals than what was sent."""
    architecture = replace(SMALL, transform="pass", noise="gaussian", noise_scale=0.5)
    found = rebuilt(architecture, noise=0.5)
    assert found.decoder.psnr.mean() > -10 * math.log10(0.5**2) + 3


def test_the_blind_control_is_the_mean_image_of_the_training_rows():
    architecture = SMALL
    grey = torch.full((8, 3, 32, 32), 0.5)
    flat = torch.full((8, 3, 32, 32), 0.25)
    rows, measured = seen(architecture, flat), seen(architecture, grey, first=1000)
    found = reconstruct(rows, measured, architecture, replace(FIT, steps=1), nothing, SHOWN)
    assert found.blind.psnr == pytest.approx(np.full(8, -20 * math.log10(0.25)), abs=1e-4)


def test_the_seed_decides_and_every_batch_is_told():
    told = []
    rows, measured = seen(SMALL, pictures(0, 40)), seen(SMALL, pictures(1, 8), first=1000)
    fit = replace(FIT, steps=5)
    first, again = (
        reconstruct(rows, measured, SMALL, fit, lambda: told.append(1), SHOWN).pictures for _ in range(2)
    )
    assert torch.equal(first, again) and len(told) == 10
    other = reconstruct(rows, measured, SMALL, replace(fit, seed=1), nothing, SHOWN)
    assert not torch.equal(first, other.pictures)


def test_bfloat16_rebuilds_as_well():
    fit = replace(FIT, precision="bfloat16")
    found = rebuilt(fit=fit)
    assert found.decoder.ssim.dtype == np.float32
    assert found.decoder.psnr.mean() > found.blind.psnr.mean() + 3


def test_divergence_is_told_without_a_traceback():
    images = torch.full((16, 3, 32, 32), math.nan)
    rows = Images(
        lambda chosen: torch.zeros(len(chosen), *seen_shape(SMALL)),
        lambda chosen: images[chosen],
        np.arange(16),
    )
    with pytest.raises(
        InputError, match=r"the decoder diverged at learning rate 0\.04: .* set training.precision"
    ):
        reconstruct(rows, rows, SMALL, replace(FIT, steps=2), nothing, SHOWN)


def test_too_few_rows_are_refused():
    rows = seen(SMALL, pictures(0, 2))
    with pytest.raises(InputError, match="contributors sent 2 examples"):
        reconstruct(rows, rows, SMALL, FIT, nothing, SHOWN)


@pytest.mark.parametrize("size", [32, 44, 99, 176])
def test_similarity_of_equal_images_is_perfect(size):
    x = pictures(0, 2, size)
    found = similarity(x, x)
    assert found.ssim == pytest.approx([1, 1], abs=1e-5)
    assert found.ms_ssim == pytest.approx([1, 1], abs=1e-5)
    assert found.psnr.tolist() == [BEST_PSNR] * 2


def test_psnr_by_hand():
    found = similarity(torch.full((1, 3, 32, 32), 0.6), torch.full((1, 3, 32, 32), 0.5))
    assert found.psnr == pytest.approx([20], abs=1e-4)  # an error of 0.1 everywhere


def test_opposed_structures_count_as_none_rather_than_as_no_number():
    x = pictures(0, 6)
    found = similarity(1 - x, x)
    assert np.isfinite(found.ms_ssim).all() and (found.ms_ssim >= 0).all()
    assert (found.ssim < 0.5).all()


def test_similarity_is_of_each_image_alone():
    x, y = pictures(0, 5), pictures(1, 5)
    together, alone = similarity(x, y), similarity(x[2:3], y[2:3])
    for name in ("ssim", "ms_ssim", "psnr"):
        assert getattr(together, name)[2] == pytest.approx(getattr(alone, name)[0], abs=1e-5)


@pytest.mark.parametrize(
    ("size", "scales"),
    [
        ((218, 178), 5),
        ((176, 500), 5),
        ((175, 500), 4),
        ((99, 99), 4),
        ((98, 99), 3),
        ((44, 44), 3),
        ((43, 99), 2),
    ],
)
def test_scales_are_as_many_as_fit(size, scales):
    assert scales_of(*size) == scales


def test_the_grid_has_a_row_for_each_face_and_a_column_for_each_name(tmp_path):
    red = torch.zeros(2, 3, 40, 32, dtype=torch.uint8)
    red[:, 0] = 255
    grid(255 - red, {"budget 0.9": red, "a title too long for its column": red}, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[0] == 16 + 2 * (3 * 40 + 4)
    of_colour = [(pixels == colour).all(axis=2).sum() for colour in ([0, 255, 255], [255, 0, 0])]
    assert of_colour == [2 * 120 * 96, 2 * 2 * 120 * 96]
    assert pixels[20, 4].tolist() == [0, 255, 255] and pixels[20, 104].tolist() == [255, 0, 0]
    titles = pixels[:16]
    assert (titles[:, :100] < 128).any() and (titles[:, 104:200] < 128).any()
    assert (titles[:, -4:] == 255).all()  # the long title is not cut


def test_a_grid_of_unequal_columns_is_refused(tmp_path):
    faces = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(
        InputError, match=r"column x: \[1, 3, 32, 32\] stands beside originals \[2, 3, 32, 32\]"
    ):
        grid(faces, {"x": faces[:1]}, tmp_path / "grid.png")


def test_a_grid_that_cannot_be_written_is_told_of(tmp_path):
    faces = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"grid\.png: cannot be written \(No such file or directory\)"):
        grid(faces, {}, tmp_path / "missing" / "grid.png")
