"""The area under the ROC curve, and what each row adds to it."""

import numpy as np


def placements(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The share of the other kind's rows that each row is on the right side of, float [n]; ties count half.

    The mean over the positive rows is the area under the ROC curve, and so is that over the others (DeLong, DeLong
    and Clarke-Pearson 1988).

    Args:
        scores: score of each row, float [n]; higher for positive rows.
        positive: whether each row is positive, bool [n]; some are and some are not.
    """
    _, place = np.unique(scores, return_inverse=True)
    up, down = (np.bincount(place[kind], minlength=place.max() + 1) for kind in (positive, ~positive))
    below = (np.cumsum(down) - down / 2) / down.sum()
    above = 1 - (np.cumsum(up) - up / 2) / up.sum()
    return np.where(positive, below[place], above[place])
