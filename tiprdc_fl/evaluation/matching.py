"""How well one person's contributions are told from two people's, with its interval."""

import numpy as np

from tiprdc_fl.attacks.reidentification import Pairs
from tiprdc_fl.attacks.roc import placements
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE, UNDEFINED, Interval, estimate, share_interval


def same_person(pairs: Pairs, people: int) -> Interval:
    """Area under the ROC curve of the pairs' scores.

    A pair of two people depends on both: each person adds to the figure's error with all of their pairs (the
    projection of a statistic of pairs, Hoeffding 1948). Ties count half. Undefined for fewer than FEWEST_PEOPLE.

    Args:
        pairs: compared pairs.
        people: number of people that ``pairs`` counts from 0.
    """
    own = np.bincount(pairs.first[pairs.same], minlength=people)
    behind = np.count_nonzero(own)
    if behind < FEWEST_PEOPLE:
        return UNDEFINED
    place = placements(pairs.scores, pairs.same)
    area = float(place[pairs.same].mean())
    share = np.where(pairs.same, 1 / pairs.same.sum(), 1 / (~pairs.same).sum()) * (place - area)
    spread = np.bincount(pairs.first, share, people)
    spread += np.bincount(pairs.second[~pairs.same], share[~pairs.same], people)
    return share_interval([estimate(area, spread * np.sqrt(behind / (behind - 1)), float(behind))])
