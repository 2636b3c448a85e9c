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
    parts: Sequence[Rows],
    tasks: Sequence[str],
    sizes: Sequence[Mapping[str, np.ndarray]],
    device_of: DeviceOf | None,
) -> list[Rows]:
    """Rows of metadata for the same examples, with the same columns in every part.

    A row holds the example's task labels and sizes, their means over its person's examples, the logarithm of the
    number of these, and the person's device class.

    Args:
        parts: with the labels of the tasks; nobody is in two of them.
        tasks: attributes whose labels are sent.
        sizes: of each part the numbers known of each example, float [rows], by name.
        device_of: people -> device classes; None where no devices are modelled.
    """
    labels = [np.concatenate([part.labels[task] for part in parts]) for task in tasks]
    known = [np.concatenate([part[name] for part in sizes]) for name in sizes[0]]
    own = [column for values in labels for column in _one_hot(values)]
    own += [values.astype(np.float64) for values in known]
    people = np.concatenate([part.people for part in parts])
    ids, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    means = [np.bincount(person, column)[person] / counts[person] for column in own]
    columns = [*own, *means, np.log(counts)[person]]
    if device_of is not None:
        columns += [column[person] for column in _one_hot(np.array(device_of(ids), dtype=str))]
    values = torch.from_numpy(np.stack(columns, axis=1)).float()
    return [
        Rows(lambda chosen, own=own: own[torch.from_numpy(chosen)], part.people, part.labels)
        for own, part in zip(values.split([len(part.people) for part in parts]), parts, strict=True)
    ]


def _one_hot(values: np.ndarray) -> list[np.ndarray]:
    """A column of zeros and ones for each value, float64 [n]."""
    return [(values == value).astype(np.float64) for value in np.unique(values)]
