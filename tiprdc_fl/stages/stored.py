"""Features of examples in memory, made as contributors make them, and stored features as rows that probes read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl.attacks.probe import Rows
from tiprdc_fl.data.examples import Examples, by_person
from tiprdc_fl.data.source import hold, renumber
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import Collection
from tiprdc_fl.federation.engine import run_inline
from tiprdc_fl.models.architecture import Per
from tiprdc_fl.models.extractor import Extractor, restore
from tiprdc_fl.stages.run import Run, collection_of, export
from tiprdc_fl.store.feature_store import FeatureStore, open_store
from tiprdc_fl.store.paths import RunFolder


def items(examples: Examples, per: Per) -> Examples:
    """What is sent for: the examples themselves, or one item for each of their people."""
    return by_person(examples) if per == "person" else examples


def joined(first: Rows, *others: Rows) -> Rows:
    """The rows of several people's groups, one group after the other."""
    for other in others:
        first = _pair(first, other)
    return first


def _pair(first: Rows, second: Rows) -> Rows:
    size = len(first.people)

    def read(chosen: np.ndarray) -> Tensor:
        early = chosen < size
        if early.all():
            return first.read(chosen)
        if not early.any():
            return second.read(chosen - size)
        parts = first.read(chosen[early]), second.read(chosen[~early] - size)
        if parts[0].dim() == 2 or parts[0].dim() == 3:  # messages: as long as the longest of each part
            length = max(part.shape[1] for part in parts)
            parts = tuple(_padded(part, length) for part in parts)
        return torch.cat(parts)[
            torch.from_numpy(np.argsort(np.argsort(~early, kind="stable"), kind="stable"))
        ]

    labels = {name: np.concatenate([values, second.labels[name]]) for name, values in first.labels.items()}
    return Rows(read, np.concatenate([first.people, second.people]), labels)


def _padded(messages: Tensor, length: int) -> Tensor:
    """Messages [n, steps, ...] of exactly ``length`` steps, with zeros at the end."""
    missing = length - messages.shape[1]
    return torch.cat([messages, messages.new_zeros(len(messages), missing, *messages.shape[2:])], dim=1)


def extract(
    current: Run,
    folder: RunFolder,
    extractor: Path,
    examples: Examples,
    advance: Callable[[int], None],
    changed: Callable[[Collection], Collection] = lambda collection: collection,
) -> FeatureStore:
    """Features of examples in memory, made as a contributor makes them, in a store of their own.

    Args:
        current: the run.
        folder: of the store.
        extractor: path of what makes the features.
        examples: of any people.
        advance: called with the number of examples extracted.
        changed: the run's collection of these examples -> the one that is run.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    export(current, extractor)
    collection = changed(collection_of(current, folder, np.unique(examples.people), extractor))
    collected = run_inline(
        collection,
        lambda contributors, examples: advance(examples),
        hold(current.dataset, renumber(examples)),
    )
    if collected.failures:
        failure = collected.failures[0]
        raise InputError(f"{folder}: person {failure.contributor} failed, {failure.stage}: {failure.reason}")
    return open_store(folder.features)


def rows_of(
    current: Run,
    store: FeatureStore,
    examples: Examples,
    extractor: Extractor,
    seen: Callable[[Tensor], Tensor] | None = None,
) -> Rows:
    """Rows of a store with the task labels stored there and the private labels of ``examples``.

    Args:
        current: the run.
        store: of features.
        examples: which of its rows; one row for each of their people where the extractor sends that.
        extractor: that made them; restores principal components to features.
        seen: what was sent -> what is read of it; None: features.

    Raises:
        InputError: the store lacks some of these examples.
    """
    examples = items(examples, extractor.architecture.per)
    wanted = _key(examples.people, examples.rows)
    keys = store.keys.filter(np.isin(_key(store.keys["contributor"], store.keys["row"]), wanted))
    if len(keys) != len(examples):
        raise InputError(f"{store.path}: holds {len(keys)} of the {len(examples)} examples that the data has")
    people = keys.column("contributor").to_numpy()
    positions = keys.column("position").to_numpy()
    labels = {task: keys.column(f"task_{task}").to_numpy().astype(np.int64) for task in current.tasks}
    labels |= {name: examples.attributes[name].astype(np.int64) for name in current.private}
    seen = seen or partial(restore, extractor)
    return Rows(lambda chosen: seen(store.features(positions[chosen])), people, labels)


def _key(people: Any, rows: Any) -> np.ndarray:
    """(person, row) as a number, int64 [n]; stores and examples are ordered by it."""
    return np.asarray(people).astype(np.int64) * 2**31 + np.asarray(rows)
