"""The mean of each person's features, which a device sends with ``protection.per=person``."""

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl.models.text import valid_steps


class PersonMeans:
    """Means that grow batch by batch. They are summed example by example, so batches change no bit of them."""

    def __init__(self) -> None:
        self._sums: dict[int, np.ndarray] = {}
        self._counts: dict[int, int] = {}

    def add(self, z: Tensor, people: np.ndarray) -> None:
        """Adds examples.

        Args:
            z: their features, [n, ...]; messages [n, length, values], with padding of zeros.
            people: person of each, int64 [n], in the order in which the means are wanted.
        """
        messages = z.dim() == 3
        valid = valid_steps(z).numpy() if messages else None
        values = z.float().numpy()
        for number, person in enumerate(people.tolist()):
            value = values[number].astype(np.float64)
            if valid is not None:  # a message is the mean of its steps
                value = value[valid[number]].sum(axis=0, keepdims=True) / max(1, valid[number].sum())
            self._sums[person] = self._sums[person] + value if person in self._sums else value
            self._counts[person] = self._counts.get(person, 0) + 1

    def of(self, people: np.ndarray, fewest: int = 1) -> Tensor:
        """The mean of each of these persons, int64 [n], as float32 [n, ...]; NaN for one of fewer examples."""
        rows = [
            self._sums[person] / (self._counts[person] if self._counts[person] >= fewest else np.nan)
            for person in people.tolist()
        ]
        return torch.from_numpy(np.stack(rows).astype(np.float32))

    def means(self) -> tuple[Tensor, np.ndarray]:
        """Means of all persons added, float32 [persons, ...], a message as one step; and the persons, int64."""
        people = np.array(list(self._sums), np.int64)
        return self.of(people), people
