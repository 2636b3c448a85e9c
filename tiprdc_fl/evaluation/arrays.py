"""The attacks on arrays of the caller's own: how well does an adversary infer an attribute from given features?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.fitting import FEWEST_ROWS, Fit
from tiprdc_fl.attacks.probe import Candidate, Rows, Source, Trial
from tiprdc_fl.attacks.suite import DEFAULT_ATTACKS, ROW_PROBES, check_attacks, row_candidates
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.results import Result, candidates_of, evaluate
from tiprdc_fl.models.architecture import Architecture

VECTOR_ATTACKS = ("lda", "linear", "products", "kernel", "trees")
SIDE = 8  # least side of feature maps, as networks for images halve them three times


def attack(
    features: Any,
    labels: Any,
    people: Any,
    attacks: Sequence[str] | str | None = None,
    measured_share: float = 0.3,
    steps: int = 3000,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
    device: str | None = None,
) -> list[Result]:
    """Trains fresh adversaries on features and measures them on people they have not learned from.

    Args:
        features: float [n, values] (vectors), or [n, channels, height, width] (feature maps) with an even number of
            channels and sides of at least 8; NumPy array or torch tensor.
        labels: int [n], from 0; or a mapping from attribute to such labels. Classes are numbered in the order of
            their values.
        people: id of the person behind each row, int [n]. Adversaries and figures never share a person.
        attacks: keys of ATTACKS; None: the default suite, without networks on vectors.
        measured_share: share of the people whose rows are measured and never learned from.
        steps: most batches that a network learns from.
        batch_size: rows in a batch.
        learning_rate: highest of Adam's.
        seed: of the division of people, the order of rows and fresh networks.
        device: "cpu" or "cuda"; None: CUDA where torch sees one.

    Returns:
        A result for each attribute and attack; the leakage is the strongest attack's balanced accuracy.

    Raises:
        InputError: shapes or values do not fit, or there are too few people.
    """
    x, columns = _features(features), _labels(labels)
    owners = np.asarray(people)
    _check(x, columns, owners, measured_share)
    for name, value, least in (("steps", steps, 1), ("batch_size", batch_size, 2)):
        if value < least:
            raise InputError(f"{name}={value}: expected an integer, at least {least}")
    names = (attacks,) if isinstance(attacks, str) else tuple(attacks or _default_attacks(x))
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    fit = Fit(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        device=chosen,
        precision="float32",
    )
    measured = _measured(owners, measured_share, seed)
    rows = _rows(x, columns, owners, ~measured)
    trial = Trial(
        candidates=_candidates(x, names),
        rows=rows,
        measured=_rows(x, columns, owners, measured),
        sources={"contributors": Source(np.arange(len(rows.people)), tuple(columns))},
    )
    return [judged.result for judged in evaluate({"features": trial}, fit)["features"]]


def _features(features: Any) -> Tensor:
    try:
        x = torch.as_tensor(features).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"features: expected an array of numbers, got {type(features).__name__}") from error
    if x.dim() not in (2, 4) or 0 in x.shape:
        raise InputError(
            f"features: expected [n, values] or [n, channels, height, width], got shape {list(x.shape)}"
        )
    if not x.isfinite().all():
        raise InputError("features: some values are not finite; remove or replace them")
    return x


def _labels(labels: Any) -> dict[str, np.ndarray]:
    columns = labels if isinstance(labels, Mapping) else {"attribute": labels}
    if not columns:
        raise InputError("labels: expected at least one attribute")
    return {str(name): np.asarray(column) for name, column in columns.items()}


def _check(x: Tensor, columns: Mapping[str, np.ndarray], people: np.ndarray, share: float) -> None:
    for name, column in {"people": people, **columns}.items():
        if column.shape != (len(x),) or not np.issubdtype(column.dtype, np.integer):
            raise InputError(
                f"{name}: expected {len(x)} integers, one for each row of features, got "
                f"{column.dtype} of shape {list(column.shape)}"
            )
    for name, column in columns.items():
        if column.min() < 0:
            raise InputError(f"{name}: labels are whole numbers from 0, got {column.min()}")
    if not 0 < share < 1:
        raise InputError(f"measured_share={share}: expected a number above 0 and below 1")
    count = len(np.unique(people))
    if count < 2 or len(x) < 2 * FEWEST_ROWS:
        raise InputError(
            f"people: {count} of them with {len(x)} rows; at least 2 people and {2 * FEWEST_ROWS} rows are needed"
        )


def _default_attacks(x: Tensor) -> tuple[str, ...]:
    return DEFAULT_ATTACKS["image"] if x.dim() == 4 else VECTOR_ATTACKS


def _candidates(x: Tensor, names: Sequence[str]) -> dict[str, Candidate]:
    """Fresh probes of vectors or feature maps.

    Raises:
        InputError: a probe is unknown or is not for such features.
    """
    check_attacks("attacks", names, "image")
    if x.dim() == 2:
        others = [name for name in names if name not in ROW_PROBES]
        if others:
            raise InputError(
                f"attacks={','.join(others)}: needs feature maps [n, channels, height, width]; on vectors: "
                f"{', '.join(ROW_PROBES)}"
            )
        return row_candidates(names)
    channels, height, width = x.shape[1:]
    if channels % 2 or min(height, width) < SIDE:
        raise InputError(
            f"features of shape {list(x.shape)}: feature maps need an even number of channels, and sides of at "
            f"least {SIDE}"
        )
    return candidates_of(Architecture("image", channels // 2, image_size=(4 * height, 4 * width)), names)


def _measured(people: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows are measured, bool [n]: those of a share of the people, at least one and never all."""
    order = seeding.generator(seed, "attack", "people").permutation(np.unique(people))
    count = min(max(1, round(share * len(order))), len(order) - 1)
    return np.isin(people, order[:count])


def _rows(x: Tensor, columns: Mapping[str, np.ndarray], people: np.ndarray, chosen: np.ndarray) -> Rows:
    part = x[torch.from_numpy(chosen)]
    # Numbered by their order, whatever values they have: a network has an output for each number up to the largest.
    numbered = {name: np.unique(column, return_inverse=True)[1] for name, column in columns.items()}
    labels = {name: column[chosen].astype(np.int64) for name, column in numbered.items()}
    return Rows(
        read=lambda rows: part[torch.from_numpy(rows)],
        people=people[chosen].astype(np.int64),
        labels=labels,
    )
