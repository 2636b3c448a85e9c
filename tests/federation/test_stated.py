"""Who states another private class than theirs."""

import numpy as np
import pytest

from tiprdc_fl.federation.stated import misstated

PEOPLE = np.repeat(np.arange(2000), 3)


def test_that_share_of_people_states_another_class():
    classes = np.zeros(len(PEOPLE), np.int64)
    stated = misstated(classes, PEOPLE, share=0.2, count=3, seed=0)
    assert (stated != 0).mean() == pytest.approx(0.2, abs=0.03)
    assert set(stated.tolist()) == {0, 1, 2}
    assert (classes == 0).all()  # the caller's


def test_a_person_does_so_for_all_items():
    stated = misstated(np.zeros(len(PEOPLE), np.int64), PEOPLE, share=0.5, count=2, seed=0)
    assert (stated.reshape(-1, 3) == stated[::3, None]).all()


def test_it_does_not_depend_on_the_others():
    classes = PEOPLE % 2
    together = misstated(classes, PEOPLE, share=0.5, count=2, seed=1)
    alone = misstated(classes[30:60], PEOPLE[30:60], share=0.5, count=2, seed=1)
    assert (together[30:60] == alone).all()
