"""Metadata: what travels with features, or is seen of whoever sends them, as rows that probes can learn from.

An adversary sees the task labels, how many examples a person sends, how large or long each is, and where devices
are modelled their class, which decides how long they take. The strongest probe on metadata alone is the label floor
of an attribute: what it gives away whatever is done to the features.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tiprdc_fl.attacks.probe import Rows
from tiprdc_fl.evaluation.groups import DeviceOf


def metadata_rows(
    rows: Rows,
    tasks: Sequence[str],
    sizes: Mapping[str, np.ndarray],
    device_of: DeviceOf | None,
    like: Rows | None = None,
) -> Rows:
    """Rows of metadata for the same examples.

    A row holds the example's task labels and sizes, and its person's device class.

    Args:
        rows: with the labels of the tasks.
        tasks: attributes whose labels are sent.
        sizes: numbers known of each example or of its person, float [rows], by name.
        device_of: people -> device classes; None where no devices are modelled.
        like: rows whose task labels and device classes have a column each, so that columns mean the same in both;
            None: those of ``rows``.
    """
    like = rows if like is None else like
    own = [column for task in tasks for column in _one_hot(rows.labels[task], like.labels[task])]
    own += [values.astype(np.float64) for values in sizes.values()]
    ids, person = np.unique(rows.people, return_inverse=True)
    columns = own
    if device_of is not None:
        classes, known = (np.array(device_of(some), dtype=str) for some in (ids, np.unique(like.people)))
        columns += [column[person] for column in _one_hot(classes, known)]
    values = torch.from_numpy(np.stack(columns, axis=1)).float()
    return Rows(lambda chosen: values[torch.from_numpy(chosen)], rows.people, rows.labels)


def _one_hot(values: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """A column of zeros and ones for each known value, float64 [n]."""
    return [(values == value).astype(np.float64) for value in np.unique(known)]
