"""What any adversary can infer under randomised response, whatever the population and the code book are.

Unlike ``certificate`` it needs no people: the device's own randomness is the guarantee.
"""

import math

import numpy as np

from tiprdc_fl.errors import InputError


def response_bound(epsilon: float, values: int, items: int = 1) -> float:
    """The largest balanced accuracy of any adversary of two classes under randomised response.

    Each item is replaced on its own by one of ``values`` values, e^epsilon times as likely the true one as each
    other. The bound holds for every population and every code book, and is reached where the classes never send
    the same value. For one item it is 1/2 + (e^epsilon - 1) / (e^epsilon + values - 1) / 2; for several the exact
    distribution of how often either class's value arrives, at most (1 + tanh(items * epsilon / 2)) / 2.

    Args:
        epsilon: at least 0, in nats.
        values: number of values that an item may have, at least 2.
        items: the most that one person sends, at least 1.

    Raises:
        InputError: an argument is outside its range.
    """
    if not epsilon >= 0:  # NaN is refused too
        raise InputError(f"epsilon={epsilon}: expected a number, at least 0")
    for name, value, least in (("values", values, 2), ("items", items, 1)):
        if value < least:
            raise InputError(f"{name}={value}: expected an integer, at least {least}")
    other = math.exp(-epsilon) / (1 + (values - 1) * math.exp(-epsilon))
    step = np.array([other, (values - 2) * other, 1 - (values - 1) * other])
    # How much oftener the own class's value arrives than the other class's: from -items to items.
    lead = np.ones(1)
    for _ in range(items):
        lead = np.convolve(lead, step)
    return float((1 + lead[items + 1 :].sum() - lead[:items].sum()) / 2)
