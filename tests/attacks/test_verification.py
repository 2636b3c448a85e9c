"""Face verification: perfect, hopeless and useless images, and who is compared with whom."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tiprdc_fl.attacks.reidentification import OwnedRows
from tiprdc_fl.attacks.roc import placements
from tiprdc_fl.attacks.verification import Verification, verify

SIZE = 8  # pixels


def faces(seed: int, people: int, trait: float, first: int = 0, each: int = 4) -> tuple[Tensor, np.ndarray]:
    """Random images whose people's means scatter by ``trait`` where examples scatter by one."""
    generator = np.random.default_rng(seed)
    means = trait * generator.normal(size=(people, 3, SIZE, SIZE))
    images = np.repeat(means, each, axis=0) + generator.normal(size=(people * each, 3, SIZE, SIZE))
    return torch.from_numpy(images).float(), first + np.repeat(np.arange(people), each)


def owned(images: Tensor, people: np.ndarray) -> OwnedRows:
    return OwnedRows(lambda chosen: images[chosen], people)


def verified(
    sides: dict[str, Tensor], trait: float = 1.0, people: int = 60
) -> tuple[Verification, np.ndarray]:
    """Verification of images in place of those of ``people``, whose photographs have a trait."""
    own, photographs = faces(0, 200, trait), faces(1, people, trait, first=1000)
    readers = {name: images.__getitem__ for name, images in sides.items()}
    result = verify(owned(*own), owned(*photographs), readers, seed=0)
    assert result is not None
    return result, np.unique(photographs[1])


def area(result: Verification, name: str) -> float:
    pairs = result.compared[name]
    return float(placements(pairs.scores, pairs.same)[pairs.same].mean())


def test_images_that_are_all_alike_are_exactly_at_chance():
    """Everybody is the second of as many pairs, so that what differs between photographs does not help."""
    photographs, _ = faces(1, 60, 1.0)
    for people in (60, 10):  # with more people than are compared with, and with fewer
        mean = photographs[: 4 * people].mean(dim=0, keepdim=True).expand(4 * people, -1, -1, -1)
        result, _ = verified({"blind": mean}, people=people)
        assert area(result, "blind") == pytest.approx(0.5, abs=1e-9)


def test_images_of_nothing_are_at_chance_and_photographs_are_the_ceiling():
    photographs, _ = faces(1, 60, 1.0)
    noise, _ = faces(2, 60, 1.0)
    blurred = photographs + 3 * noise
    result, _ = verified({"raw": photographs, "noise": noise, "blurred": blurred})
    assert area(result, "noise") == pytest.approx(0.5, abs=0.1)
    assert area(result, "raw") > 0.95
    assert area(result, "noise") + 0.05 < area(result, "blurred") < area(result, "raw")


def test_people_without_a_trait_are_told_apart_by_nothing_though_the_image_is_rebuilt_exactly():
    """The photograph on the other side is never the one behind the image."""
    photographs, _ = faces(1, 60, 0.0)
    result, _ = verified({"rebuilt": photographs}, trait=0.0)
    assert area(result, "rebuilt") == pytest.approx(0.5, abs=0.1)


def test_pairs_are_each_person_with_itself_and_the_same_number_of_others():
    photographs, _ = faces(1, 60, 1.0)
    result, _ = verified({"raw": photographs})
    pairs = result.compared["raw"]
    assert result.usable == 60
    assert pairs.same.sum() == 60 and len(pairs.scores) == 60 * 51
    assert (np.bincount(pairs.second[~pairs.same]) == 50).all()
    assert (pairs.first[pairs.same] == pairs.second[pairs.same]).all()
    assert (pairs.first[~pairs.same] != pairs.second[~pairs.same]).all()


def test_only_people_with_two_examples_count():
    own, (images, people) = faces(0, 20, 1.0), faces(1, 6, 1.0, first=1000)
    people = np.r_[people[:12], 2000 + np.arange(12)]  # three people, and twelve with an example each
    result = verify(owned(*own), owned(images, people), {"raw": lambda chosen: images[chosen]}, seed=0)
    assert result is not None and result.usable == 3
    assert set(result.compared["raw"].first) == {0, 1, 2}
    alone = np.arange(24)
    assert verify(owned(*own), owned(images, alone), {}, seed=0) is None
    assert verify(owned(*own), owned(images, np.r_[0, 0, 1 + np.arange(22)]), {}, seed=0) is None
