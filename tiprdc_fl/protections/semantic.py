"""Linear components of features that say most about proxy attributes, then about the features themselves."""

from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from tiprdc_fl.protections.components import principal

MOST_INPUTS = 256  # principal components that the proxies are predicted from
# Of ridge regression, times a component's squared norm.
STRENGTHS = tuple(10.0**power for power in range(-4, 2))
REST = 1e-3  # weight of the features beside the predicted proxies
TINY = 1e-12  # a variance that is none
LEAST_DEVIATION = 1e-6  # of a component, as a share of the largest


def _indicators(proxies: np.ndarray) -> np.ndarray:
    """A column for each proxy of two values, and for each value of the others; constant ones are left out."""
    columns = []
    for labels in proxies.T:
        values = np.unique(labels)
        shown = values[1:] if len(values) < 3 else values
        columns += [labels == value for value in shown]
    return np.stack(columns, axis=1).astype(float) if columns else np.empty((len(proxies), 0))


def semantic(z: np.ndarray, proxies: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Components of what ridge regression predicts of the proxies from features.

    This is reduced-rank regression (Izenman 1975) onto the proxies. Where they have fewer dimensions than are asked
    for, principal components of the features follow, as they do where there are no proxies.

    Args:
        z: features, float32 [n, values].
        proxies: labels of the proxy attributes, int [n, attributes].
        count: of components, at most min(n, values).
        seed: of the solver.

    Returns:
        Mean of the features, float32 [values], and directions, float32 [count, values]. A feature's products with
        the directions have a variance of 1 in ``z``.
    """
    pca = principal(z, min(max(MOST_INPUTS, count), *z.shape), seed)
    x = pca.transform(z).astype(np.float64)
    scale = float(np.sqrt(x.var(axis=0).sum()))
    columns = [REST * x / max(scale, TINY)]
    onto = [REST * np.eye(x.shape[1]) / max(scale, TINY)]
    varied = _indicators(proxies)
    if varied.size and scale > TINY:
        targets = (varied - varied.mean(axis=0)) / varied.std(axis=0)
        strengths = float((x**2).sum(axis=0).mean()) * np.array(STRENGTHS)
        found: Any = RidgeCV(strengths, fit_intercept=False).fit(x, targets).coef_
        coefficients = np.reshape(found, (-1, x.shape[1]))  # of a single proxy they have one axis
        columns.append(x @ coefficients.T)
        onto.append(coefficients)
    values = np.concatenate(columns, axis=1)
    directions = np.asarray(principal(values, count, seed).components_) @ np.concatenate(onto)
    deviations = (x @ directions.T).std(axis=0)
    # A direction in which the features hardly vary would be rounding alone; it stays short.
    directions /= np.maximum(deviations, max(LEAST_DEVIATION * deviations.max(), TINY))[:, None]
    return pca.mean_.astype(np.float32), (directions @ np.asarray(pca.components_)).astype(np.float32)
