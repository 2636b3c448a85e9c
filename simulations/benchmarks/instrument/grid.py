"""Features like an image extractor's, 32 channels of 8 x 8 values: their shape, and noise."""

import numpy as np

CHANNELS, SIDE = 32, 8  # as Table 1 at width 16 makes of images of 32 x 32
SHAPE = (CHANNELS, SIDE, SIDE)
PLACES = SIDE * SIDE  # values of a channel
CHANNEL, OTHER, THIRD, FOURTH = 5, 11, 23, 28  # where something is: any would do
VALUE, OTHER_VALUE = (CHANNEL, 2, 5), (OTHER, 6, 1)


def noise(count: int, generator: np.random.Generator) -> np.ndarray:
    """Independent unit Gaussians, float32 [count, 32, 8, 8]."""
    return generator.standard_normal((count, *SHAPE), np.float32)


def sides(labels: np.ndarray) -> np.ndarray:
    """-1/2 for class 0 and 1/2 for class 1, float32 [n]."""
    return labels.astype(np.float32) - np.float32(0.5)


def channel_statistics(x: np.ndarray, channels: tuple[int, ...]) -> np.ndarray:
    """Means of channels over their standard deviation under unit noise, float64 [n, channels]."""
    return x[:, list(channels)].sum(axis=(2, 3), dtype=np.float64) / SIDE


def template(*where: int | slice) -> np.ndarray:
    """The same value wherever ``where`` points, norm 1, float32 [32, 8, 8]."""
    chosen = np.zeros(SHAPE, np.float32)
    chosen[where] = 1
    return chosen / np.linalg.norm(chosen)
