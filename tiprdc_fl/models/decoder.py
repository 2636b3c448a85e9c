"""Decoders for the reconstruction attack (Section 5.2, Figure 5): features -> images."""

import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.image import ImageExtractor, initialise


def convolutions(channels_in: int, channels: int) -> nn.Sequential:
    """Twice 3x3 convolution, batch normalisation, ReLU: [batch, channels_in, h, w] -> [batch, channels, h, w]."""
    layers: list[nn.Module] = []
    for size in (channels_in, channels):
        layers += [
            nn.Conv2d(size, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(True),
        ]
    return nn.Sequential(*layers)


class ImageDecoder(nn.Module):
    """Decoder: 2 x conv-2w, upsample, 2 x conv-w, upsample, conv-3, sigmoid (Table 1, left, upside down).

    Features float [batch, 2w, h//4, w//4] -> images float [batch, 3, h, w] in (0, 1); 408,003 weights at the
    paper's width 64. The extractor's pooling rounds sizes down, and each upsampling returns to the size before it:
    54x44 -> 109x89 -> 218x178.

    Upsampling is bilinear, because the positions of the maxima, which would invert max pooling exactly, stay on the
    device. Features are standardised first, because channels of an adversarially trained extractor differ widely in
    scale.

    Args:
        width: channels of the extractor's first convolution.
        image_size: height and width of the images in pixels.
    """

    def __init__(self, width: int, image_size: tuple[int, int]):
        super().__init__()
        self.image_size = image_size
        self.standardise = nn.BatchNorm2d(2 * width, affine=False)
        self.deep = convolutions(2 * width, 2 * width)
        self.shallow = convolutions(2 * width, width)
        self.output = nn.Conv2d(width, 3, 3, padding=1)
        initialise(self)
        nn.init.zeros_(self.output.weight)  # training starts at mid-grey instead of random colours

    def forward(self, z: Tensor) -> Tensor:
        """Images of a batch of features."""
        height, breadth = self.image_size
        z = _enlarged(self.deep(self.standardise(z)), (height // 2, breadth // 2))
        return self.output(_enlarged(self.shallow(z), (height, breadth))).sigmoid()


def _enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


class Denoiser(nn.Module):
    """Adds a correction to a noisy image; the layers of the extractor and the decoder compute it from the image.

    Images float [batch, 3, h, w] with noise of any size -> [batch, 3, h, w] within [0, 1]. The correction starts at
    zero, because the noisy image itself is the adversary's first guess.
    """

    def __init__(self, width: int, image_size: tuple[int, int]):
        super().__init__()
        decoder = ImageDecoder(width, image_size)
        self.layers = nn.Sequential(ImageExtractor(width), decoder)

    def forward(self, x: Tensor) -> Tensor:
        """Images of a batch of images."""
        return (x + (2 * self.layers(x) - 1)).clamp(0, 1)


def build_decoder(architecture: Architecture) -> nn.Module:
    """Builds a fresh network from what probes see of an example (``seen_shape``) to its image.

    If the device sends images ("pass", raw or noisy), the network removes the noise.

    Raises:
        InputError: the architecture is for text.
    """
    if architecture.modality != "image":
        raise InputError(
            f"reconstruction rebuilds images, and the extractor is for {architecture.modality}: "
            "turn it off or choose a data set of images"
        )
    if architecture.transform == "pass":
        return Denoiser(architecture.width, architecture.image_size)
    return ImageDecoder(architecture.width, architecture.image_size)
