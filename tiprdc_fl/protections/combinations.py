"""Combinations of the private attributes, which protections hide together."""

import numpy as np

from tiprdc_fl.errors import InputError

MOST_DIRECTIONS = 15  # combinations of the private attributes, less one


def combinations(private: np.ndarray, protection: str) -> np.ndarray:
    """Number of each example's combination of the private attributes, int64 [n].

    Args:
        private: labels, int [n, attributes].
        protection: key of PROTECTIONS, for the message.

    Raises:
        InputError: there is one combination, or more than can be hidden.
    """
    found, number = np.unique(private, axis=0, return_inverse=True)
    if not 1 < len(found) <= MOST_DIRECTIONS + 1:
        raise InputError(
            f"protection.name={protection}: the collector's people have {len(found)} combinations of the private "
            f"attributes; 2 to {MOST_DIRECTIONS + 1} can be hidden: "
            + ("raise data.collector_people" if len(found) == 1 else "name fewer in data.private")
        )
    return number.ravel()
