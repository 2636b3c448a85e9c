"""Faces drawn when they are loaded: any number of contributors without a file on disk.

A person is a pure function of (seed, id): one random stream decides the labels, a second one the pixels.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tiprdc_fl.data.examples import Dataset, Examples, People, select
from tiprdc_fl.data.faces.attributes import person_attributes
from tiprdc_fl.data.faces.copula import ATTRIBUTES
from tiprdc_fl.data.faces.draws import concatenate_draws, person_draws
from tiprdc_fl.data.faces.paint import paint
from tiprdc_fl.errors import InputError

PEOPLE = range(2**31)
SMALLEST = 16  # pixels; in smaller images, spectacles and brows are thinner than a pixel
_GROUP = 64  # pictures painted at a time, which bounds the memory of large ones


def faces(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """Generated faces with CelebA's attribute names and statistics (Liu et al. 2015).

    Args:
        root: not used; nothing is read from disk.
        image_size: (height, width) in pixels, each at least 16.
        seed: seed of the people.

    Returns:
        The dataset, with images uint8 [n, 3, height, width] and people 0 to 2**31 - 1.

    Raises:
        InputError: image_size is below 16 pixels, or, on loading, an id is not that of a person.
    """
    if len(image_size) != 2 or min(image_size) < SMALLEST:
        raise InputError(
            f"faces need an image_size (height, width) of at least {SMALLEST} pixels each, got "
            f"{tuple(image_size)}: set for example image_size to (32, 32)"
        )
    size = int(image_size[0]), int(image_size[1])
    return Dataset(
        name="faces",
        modality="image",
        people=PEOPLE,
        attributes=ATTRIBUTES,
        load=partial(_load_people, seed, size, True),
        labels=partial(_load_people, seed, size, False),
        pick=partial(_picked, seed, size),
    )


def draw_person(seed: int, person: int, labels: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Draws all images of one person.

    Args:
        seed: the dataset's seed.
        person: the person's id.
        labels: the person's labels, int8 [n, len(ATTRIBUTES)].
        image_size: (height, width) in pixels.

    Returns:
        RGB images, uint8 [n, 3, height, width].
    """
    return _draw(seed, [person], [labels], [np.arange(len(labels))], image_size)


def _load_people(seed: int, image_size: tuple[int, int], pixels: bool, people: People) -> Examples:
    """All examples of people, without inputs if ``pixels`` is false."""
    ids = [_check_id(person) for person in people]
    labels = [person_attributes(seed, person) for person in ids]
    return _examples(seed, image_size, pixels, ids, labels, [np.arange(len(own)) for own in labels])


def _picked(seed: int, image_size: tuple[int, int], people: np.ndarray, rows: np.ndarray) -> Examples:
    """Examples at row ``rows[i]`` of person ``people[i]``; other rows of these people are not painted."""
    order = np.argsort(people, kind="stable")
    unique, starts = np.unique(people[order], return_index=True)
    ids = [_check_id(person) for person in unique]
    wanted = np.split(rows[order], starts[1:])[: len(ids)]  # np.split returns one part even for no person
    labels = [person_attributes(seed, person) for person in ids]
    for person, own, numbers in zip(ids, labels, wanted, strict=True):
        for row in numbers[(numbers < 0) | (numbers >= len(own))][:1]:
            raise InputError(f"person {person} of faces has rows 0 to {len(own) - 1}, not {row}")
    return select(_examples(seed, image_size, True, ids, labels, wanted), np.argsort(order))


def _examples(
    seed: int,
    image_size: tuple[int, int],
    pixels: bool,
    ids: Sequence[int],
    labels: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
) -> Examples:
    """Examples at the given rows of each person; ``labels`` holds the labels of all rows of each."""
    height, width = image_size
    chosen = [own[numbers] for own, numbers in zip(labels, rows, strict=True)]
    table = np.concatenate([np.empty((0, len(ATTRIBUTES)), np.int8), *chosen])
    return Examples(
        inputs=torch.from_numpy(_draw(seed, ids, labels, rows, image_size)) if pixels else None,
        attributes={name: table[:, i].copy() for i, name in enumerate(ATTRIBUTES)},
        people=np.repeat(np.array(ids, np.int64), [len(numbers) for numbers in rows]),
        rows=np.concatenate([np.arange(0), *rows]).astype(np.int32),
        raw_bytes=np.full(len(table), 3 * height * width, np.int64),
    )


def _draw(
    seed: int,
    ids: Sequence[int],
    labels: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
    image_size: tuple[int, int],
) -> np.ndarray:
    """Images at the given rows of each person, uint8 [n, 3, height, width]."""
    starts = np.cumsum([0, *map(len, rows)])
    images = np.empty((starts[-1], 3, *image_size), np.uint8)
    for group in _groups(rows):
        chosen = np.concatenate([labels[i][rows[i]] for i in group])
        draws = concatenate_draws(
            [person_draws(seed, ids[i], len(labels[i]), rows[i], image_size) for i in group]
        )
        images[starts[group[0]] : starts[group[-1] + 1]] = paint(chosen, draws, image_size)
    return images


def _groups(rows: Sequence[np.ndarray]) -> Iterator[range]:
    """Yields ranges of positions of people who are painted together, with about _GROUP pictures each."""
    ends = np.cumsum([len(numbers) for numbers in rows])
    first, done = 0, 0
    for position, end in enumerate(ends):
        if end - done >= _GROUP or position == len(ends) - 1:
            yield range(first, position + 1)
            first, done = position + 1, end


def _check_id(person: int) -> int:
    if int(person) not in PEOPLE:
        raise InputError(
            f"faces has people 0 to {PEOPLE[-1]}, got person {person}: ask for an id in that range"
        )
    return int(person)
