"""Table 1, and V-CL#16 and V-CL#19 of Table 3: the networks for images.

Every convolution is 3x3 with padding 1, batch normalisation and ReLU. Pooling rounds sizes down. Dropout 0.5 stands
between fully connected layers. Weights are initialised after He et al. (2015), except those of output layers, which
start at zero: after dropout, random output weights give an initial loss of several nats, from which a probe does
not recover in a few epochs. ``width`` (w below) is the number of channels of the first convolution, 64 in the
paper; every layer scales with it.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

PAPER_WIDTH = 64
SMALLEST_IMAGE = 32  # pixels; five poolings halve it to 1


def conv_block(channels_in: int, channels: int, convolutions: int) -> nn.Sequential:
    """``convolutions`` times (3x3 convolution, batch normalisation, ReLU), then 2x2 max pooling.

    The last ReLU is computed after the pooling, on a quarter of the values. Both orders give the same values and
    gradients, because ReLU does not change which value is the maximum.
    """
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [
            nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        channels_in = channels
    layers.insert(-1, nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def trunk(width: int, convolutions: int = 3) -> nn.Sequential:
    """The 256, 512, 512 blocks: features [batch, 2w, h/4, w/4] -> [batch, 8w, h/32, w/32]."""
    return nn.Sequential(
        conv_block(2 * width, 4 * width, convolutions),
        conv_block(4 * width, 8 * width, convolutions),
        conv_block(8 * width, 8 * width, convolutions),
    )


def fully_connected(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers through ``sizes`` with ReLU and dropout 0.5 between them, initialised."""
    layers: list[nn.Module] = []
    for size_in, size in pairwise(sizes[:-1]):
        layers += [nn.Linear(size_in, size), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        initialise(layers[-3])
    output = nn.Linear(sizes[-2], sizes[-1])
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)
    return nn.Sequential(*layers, output)


def flat_size(width: int, image_size: tuple[int, int]) -> int:
    """Number of values that the trunk returns for one image: 8w * h/32 * w/32 (15,360 for 218x178 at width 64)."""
    height, breadth = (side // 4 // 2 // 2 // 2 for side in image_size)
    return 8 * width * height * breadth


def initialise(network: nn.Module) -> None:
    """Initialises every convolution and linear layer of the network after He et al., in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class ImageExtractor(nn.Module):
    """Feature extractor: 2 x conv-w, 2 x conv-2w (Table 1, left).

    Image float [batch, 3, h, w] in [0, 1] -> features z float [batch, 2w, h/4, w/4]; for the paper's 218x178
    and width 64, z is [batch, 128, 54, 44].
    """

    def __init__(self, width: int):
        super().__init__()
        self.blocks = nn.Sequential(conv_block(3, width, 2), conv_block(width, 2 * width, 2))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Features of a batch of images."""
        return self.blocks(x)


class ImageClassifier(nn.Module):
    """Classifier: 3 x conv-4w, 3 x conv-8w, 3 x conv-8w, 2 x fc-64w, fc-classes (Table 1, middle).

    Features [batch, 2w, h/4, w/4] -> logits [batch, classes]. It serves as the adversary in training and as
    the default probe, with fresh weights.

    Args:
        width: channels of the extractor's first convolution.
        image_size: height and width in pixels.
        classes: number of classes.
        convolutions: convolutions in each block: 3 in Table 1 and in V-CL#16 of Table 3, which is the same network;
            4 in V-CL#19.
    """

    def __init__(self, width: int, image_size: tuple[int, int], classes: int, convolutions: int = 3):
        super().__init__()
        self.trunk = trunk(width, convolutions)
        hidden = 64 * width
        initialise(self.trunk)
        self.head = fully_connected([flat_size(width, image_size), hidden, hidden, classes])

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch of features."""
        return self.head(self.trunk(z).flatten(1))


class ImageEstimator(nn.Module):
    """Mutual information estimator E_omega (Table 1, right, and Figure 3).

    The image passes two blocks of its own, then a trunk that it shares with the features. Both are flattened,
    concatenated with one-hot u, and pass fc-64w, fc-8w, fc-1. The parts are separate methods because Eq. 9 scores
    the same features with two images; each embedding is computed once.

    Args:
        width: channels of the first convolution.
        image_size: height and width in pixels.
        classes: length of one-hot u.
        convolutions: convolutions in the first block: 3 in Table 1, 2 in the authors' code.
    """

    def __init__(self, width: int, image_size: tuple[int, int], classes: int, convolutions: int = 3):
        super().__init__()
        self.image_blocks = nn.Sequential(conv_block(3, width, convolutions), conv_block(width, 2 * width, 2))
        self.trunk = trunk(width)
        joined = 2 * flat_size(width, image_size) + classes
        initialise(self.image_blocks)
        initialise(self.trunk)
        self.head = fully_connected([joined, 64 * width, 8 * width, 1])

    def embed_input(self, x: Tensor) -> Tensor:
        """Image [batch, 3, h, w] -> [batch, flat]."""
        return self.trunk(self.image_blocks(x)).flatten(1)

    def embed_features(self, z: Tensor) -> Tensor:
        """Features [batch, 2w, h/4, w/4] -> [batch, flat]."""
        return self.trunk(z).flatten(1)

    def score(self, x_embedding: Tensor, z_embedding: Tensor, u: Tensor) -> Tensor:
        """E_omega of (x, z, one-hot u), float [batch]."""
        joined = torch.cat([x_embedding, z_embedding, u.to(z_embedding.dtype)], dim=1)
        return self.head(joined).squeeze(1)
