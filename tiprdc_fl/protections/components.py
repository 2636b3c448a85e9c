"""The collector's features, and their principal components, which ``hybrid`` and ``gaussian`` send."""

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.decomposition import PCA
from torch import Tensor, from_numpy, nn

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.erasure import Erasure
from tiprdc_fl.models.extractor import Extractor, forward
from tiprdc_fl.models.kernel_map import KernelMap
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.text import mean_step, valid_steps
from tiprdc_fl.models.transport import Transport
from tiprdc_fl.protections.protection import Collected, Settings

MOST_ROWS = 20_000  # examples, or steps of messages, that components are fitted to
MOST_BYTES = 2**31  # of their features
RANGE = (1.0, 99.0)  # percentiles that a component is clipped to and scaled from


def fit_projection(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, the principal components of its features and each component's range.

    Raises:
        InputError: the collector's features have fewer components than are asked for.
    """
    if not isinstance(network, Projection):
        raise TypeError("principal components need a projection")
    kept = len(network.basis)
    flat, _ = encoded(network, collected)
    if kept > min(flat.shape):
        raise InputError(
            f"protection.components={kept}: the collector's features are {len(flat)} rows of {flat.shape[1]} "
            "values, which have fewer components; lower it or raise data.collector_people"
        )
    pca = principal(flat, kept, collected.seed)
    components = pca.transform(flat)
    low, high = np.percentile(components, RANGE, axis=0)
    values = {"mean": pca.mean_, "basis": pca.components_, "low": low, "high": np.maximum(high, low + 1e-6)}
    for name, value in values.items():
        getattr(network, name).copy_(from_numpy(np.ascontiguousarray(value, np.float32)))


def principal(flat: np.ndarray, count: int, seed: int) -> PCA:
    """The first ``count`` principal components of rows [n, values]."""
    state = seeding.derive(seed, "components", "solver") % 2**32
    return PCA(count, svd_solver="randomized" if count < min(flat.shape) else "full", random_state=state).fit(
        flat
    )


def encoded(
    network: Projection | Erasure | KernelMap | Transport, collected: Collected, most: int = MOST_ROWS
) -> tuple[np.ndarray, np.ndarray]:
    """Gives the network's encoder the trained weights, and reads the collector's features.

    Args:
        network: has the trained encoder's weights afterwards.
        collected: the collector's examples.
        most: rows that are read.

    Returns:
        Features of examples drawn at random (with ``per="person"``: of all of a person's), float32 [rows, values],
        where a row is an image, a pooled message or a step of another; and the number of the example of each row,
        int64 [rows].
    """
    if collected.encoder is None:
        raise TypeError("this protection needs a trained encoder")
    network.encoder.load_state_dict(collected.encoder.network.state_dict())
    pooled = isinstance(network, Projection | Transport) and network.pooled
    return _features(collected, pooled, most=min(most, most_rows(len(network.mean))))


def most_rows(values: int) -> int:
    """Rows of features of ``values`` values that are read at most."""
    return max(2, min(MOST_ROWS, MOST_BYTES // (4 * values)))


def _features(collected: Collected, pooled: bool, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of examples drawn at random as at most ``most`` rows of numbers, and the example of each row."""
    order = _order(collected)
    rows, owners, count = [], [], 0
    for numbers, flat in _flat(collected.encoder, collected.read, order[:most], pooled):
        rows.append(flat)
        owners.append(numbers)
        count += len(flat)
        if count >= most:
            break
    return np.concatenate(rows)[:most], np.concatenate(owners)[:most]


def _order(collected: Collected) -> np.ndarray:
    """Numbers of the examples in random order; those of a person follow one another where items are of a person."""
    generator = seeding.generator(collected.seed, "components")
    if collected.per == "example":
        return generator.permutation(collected.examples)
    _, owner = np.unique(collected.people, return_inverse=True)
    return np.argsort(generator.permutation(owner.max() + 1)[owner], kind="stable")


def _flat(
    encoder: Extractor | None, read: Callable[[np.ndarray], Tensor], rows: np.ndarray, pooled: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the examples [r] and their features [r, values]: a row is an image, a pooled message or a step."""
    assert encoder is not None
    for chosen in np.array_split(rows, max(1, len(rows) // 64)):
        z = forward(encoder, read(chosen)).float()
        z = mean_step(z).squeeze(1) if pooled else z
        if z.dim() == 3:
            valid = valid_steps(z)
            yield np.repeat(chosen, valid.sum(dim=1).numpy()), z[valid].numpy()
        else:
            yield chosen, z.flatten(1).numpy()


def check_components(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when more principal components are asked for than there can be; None asks for none.

    Args:
        settings: of the protection.
        shape: of one example's features.
        private: labels of the private attributes of the collector's examples, int [examples, attributes].
    """
    if settings.components is None:
        return
    values = shape[-1] if shape[0] < 0 else int(np.prod(shape))
    most, examples = most_rows(values), len(private)
    rows = most if shape[0] < 0 else min(most, examples)  # a message has several steps
    if settings.components > min(values, rows):
        raise InputError(
            f"protection.components={settings.components}: the collector's {examples:,} examples have features of "
            f"{values:,} values, of which {rows:,} rows are read, so at most {min(values, rows):,}; lower it"
        )
