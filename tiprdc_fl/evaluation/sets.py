"""Set adversaries: they learn from all of a person's examples at once, one row a person.

The mean and the spread of independent examples are what a linear rule on sets can read (deep sets, Zaheer et al.
2017, with fixed instead of learned embeddings).
"""

import numpy as np
import torch

from tiprdc_fl.attacks.probe import READ_BATCH, Rows
from tiprdc_fl.attacks.reduced import Reduce
from tiprdc_fl.data.examples import most_frequent

SPREADS = 256  # values at the end of a row of which the spread over a person's examples is taken too


def person_rows(rows: Rows, reduce: Reduce) -> Rows:
    """One row a person: means over their examples, spreads of the last SPREADS values, log of their number.

    Args:
        rows: of examples.
        reduce: inputs [n, ...] -> rows [n, d], of which the last values are summaries.

    Returns:
        Rows of people, each with the label that most of their examples have.
    """
    ids, person = np.unique(rows.people, return_inverse=True)
    counts = torch.bincount(torch.from_numpy(person)).double()[:, None]
    sums = squares = None
    for start in range(0, len(person), READ_BATCH):
        batch = np.arange(start, min(start + READ_BATCH, len(person)))
        values = reduce(rows.read(batch)).double().cpu()
        if sums is None or squares is None:
            sums, squares = (torch.zeros(len(ids), values.shape[1], dtype=torch.double) for _ in range(2))
        owners = torch.from_numpy(person[batch])
        sums.index_add_(0, owners, values)
        squares.index_add_(0, owners, values**2)
    if sums is None or squares is None:
        raise ValueError("person_rows: no rows")
    means = sums / counts
    spreads = (squares / counts - means**2).clamp(min=0).sqrt()[:, -SPREADS:]
    whole = torch.cat([means, spreads, counts.log()], dim=1).float()
    labels = {name: most_frequent(values, person, len(ids)) for name, values in rows.labels.items()}
    return Rows(lambda chosen: whole[torch.from_numpy(chosen)], ids, labels)
