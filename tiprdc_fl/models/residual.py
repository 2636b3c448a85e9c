"""Res-CL of Table 3, the residual adversary.

The other two adversaries of the table are the classifier of Table 1 with three (V-CL#16) and with four (V-CL#19)
convolutions in a block: see ``tiprdc_fl.models.image.ImageClassifier``.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl.models.image import fully_connected, initialise


class ResidualBlock(nn.Module):
    """Basic residual block (He et al. 2016): two 3x3 convolutions, to whose output the input is added.

    [batch, channels_in, h, w] -> [batch, channels, h/stride, w/stride], rounded up. If the shape changes, the
    shortcut is a 1x1 convolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: int = 1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            resize = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(resize, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Output of a batch."""
        return F.relu(self.layers(x) + self.shortcut(x))


class ResidualClassifier(nn.Module):
    """Res-CL (Table 3, right): residual blocks of 2w (stride 2), 4w and 8w, average pooling, fc-classes.

    Features [batch, 2w, h, w] -> logits [batch, classes]. The pooling averages over all positions, so the network
    fits images of any size. w is the extractor's width, 64 in the paper.
    """

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.blocks = nn.Sequential(
            ResidualBlock(2 * width, 2 * width, stride=2),
            ResidualBlock(2 * width, 4 * width),
            ResidualBlock(4 * width, 8 * width),
        )
        initialise(self.blocks)
        self.head = fully_connected([8 * width, classes])

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch of features."""
        return self.head(self.blocks(z).mean(dim=(2, 3)))
