"""A way of writing of its own for every person: how long messages get, and which words are used; see ``feature``.

A word that is not in a person's vocabulary becomes ``_``: the person says it with a word of their own, which the
extractor does not know (``_`` is hardly ever in the collector's messages, so it is read as unknown). Words of up to
three letters are everybody's. A message is cut after the person's longest length. Labels stay what they were.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.data.examples import Examples
from tiprdc_fl.seeding import derive, uniforms

OTHER = "_"
_LONGEST = 32  # words of a message, where nothing shortens it
_SHORTEST = 2
_COMMON = 3  # letters of a word that everybody uses
_PART, _WORD = re.compile(r"\S+"), re.compile(r"\w+")


@dataclass(frozen=True)
class Writer:
    """How a person writes.

    Attributes:
        words: most words in a message, between white space.
        known: share of all longer words that the person uses.
    """

    words: int
    known: float


def writers_of(people: np.ndarray, strength: float, seed: int) -> list[Writer]:
    """How people write.

    At strength 1 their messages have at most 32 words down to 4, and they use all longer words down to 60 % of
    them; at strength s each range is s times as wide (of the length: of its logarithm, and
    not below 2 words).

    Args:
        people: ids, int64 [n].
        strength: how far writers differ, above 0.
        seed: another seed gives other writers.
    """
    brevity, narrowness = (
        strength * uniforms(seed, people, "writer", part) for part in ("length", "vocabulary")
    )
    words = np.maximum(_SHORTEST, np.round(_LONGEST ** (1 - 0.6 * brevity))).astype(int)
    known = np.maximum(0.1, 1 - 0.4 * narrowness)
    return [Writer(*values) for values in zip(words.tolist(), known.tolist(), strict=True)]


def rewritten(examples: Examples, strength: float, seed: int) -> list[str]:
    """The examples' messages as their people would write them, n strings; none is empty that was not.

    Args:
        examples: with messages.
        strength: see ``writers_of``.
        seed: of the writers and of their vocabularies.
    """
    messages = examples.loaded
    if not isinstance(messages, list):
        raise TypeError("pictures are not written")
    people, which = np.unique(examples.people, return_inverse=True)
    writers = writers_of(people, strength, seed)
    return [
        _as_written(writers[i], message, lambda word, person=int(people[i]): _chance(seed, person, word))
        for i, message in zip(which, messages, strict=True)
    ]


def _as_written(writer: Writer, message: str, chance: Callable[[str], float]) -> str:
    """One message; ``chance`` gives a longer word its number within [0, 1), by which the person uses it or not."""
    ends = [part.end() for part in _PART.finditer(message)]
    short = message[: ends[writer.words - 1]] if len(ends) > writer.words else message

    def said(found: re.Match[str]) -> str:
        word = found[0]
        return word if len(word) <= _COMMON or chance(word.lower()) < writer.known else OTHER

    return _WORD.sub(said, short)


def _chance(seed: int, person: int, word: str) -> float:
    return derive(seed, "writer", "word", person, word) / 2**63
