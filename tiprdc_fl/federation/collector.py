"""The collector's half of the federation: what is asked, and what becomes of each answer."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from tiprdc_fl.disk import locked, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import Contributions, judge, payloads_of, to_table, unpack
from tiprdc_fl.federation.contributor import Failure
from tiprdc_fl.store.append import Draft, append, open_draft
from tiprdc_fl.store.feature_store import FeatureStore
from tiprdc_fl.store.layout import Layout
from tiprdc_fl.store.withdrawal import withdrawn

SAMPLE_BYTES = 256  # of what failed, kept in quarantine


@dataclass(frozen=True)
class Answer:
    """What came of one message.

    Attributes:
        asked: contributors that it asked for.
        contributions: a file of theirs, as ``contribution.pack`` makes it; None where none came.
        failures: of contributors who sent nothing.
        draft: instead of contributions, those of everybody asked, see ``storage.write_draft``.
    """

    asked: tuple[int, ...]
    contributions: bytes | None
    failures: tuple[Failure, ...] = ()
    draft: str | None = None


@dataclass
class Traffic:
    """What is counted while a collection goes on.

    Attributes:
        asked_again: messages that were sent again because they had failed.
        worker_memory_bytes: peak resident memory of the worker that used most.
    """

    asked_again: int = 0
    worker_memory_bytes: int = 0


@dataclass(frozen=True)
class Collected:
    """What became of a collection.

    Attributes:
        asked: contributors that had to be asked, without those already stored.
        answered: those that answered.
        failures: the others.
        worker_memory_bytes: peak resident memory of the worker that used most; None when nobody was asked, and
            inline, where the worker is the collector.
        examples: that they sent.
        seconds: from the first request for contributions to the last commit. The workers have started by then and
            have the extractor; what that took is in the stage's seconds alone.
        asked_again: messages that were sent again because they had failed.
    """

    asked: int
    answered: int
    failures: tuple[Failure, ...]
    worker_memory_bytes: int | None = None
    examples: int = 0
    seconds: float = 0.0
    asked_again: int = 0


def joined(first: Collected, second: Collected) -> Collected:
    """Two collections of one run, one after the other."""
    memory = [m for m in (first.worker_memory_bytes, second.worker_memory_bytes) if m is not None]
    return Collected(
        asked=first.asked + second.asked,
        answered=first.answered + second.answered,
        failures=(*first.failures, *second.failures),
        worker_memory_bytes=max(memory, default=None),
        examples=first.examples + second.examples,
        seconds=first.seconds + second.seconds,
        asked_again=first.asked_again + second.asked_again,
    )


def collect(
    asked: int,
    answers: Iterable[Answer],
    store: FeatureStore,
    quarantine: Path,
    on_answer: Callable[[int, int], None],
) -> Collected:
    """Validates and stores answers as they come; what does not pass validation goes to quarantine.

    Args:
        asked: how many contributors were asked.
        answers: of each message.
        store: where contributions go.
        quarantine: folder for the others.
        on_answer: called after each answer with the number of contributors asked and of examples stored.
    """
    answered: set[int] = set()
    failures: list[Failure] = []
    examples = 0
    start = perf_counter()

    def valid() -> Iterator[pa.Table | Draft]:
        nonlocal examples
        for answer in answers:
            table, came, failed = _checked(answer, answered, store, quarantine)
            answered.update(came)
            failures.extend(failed)
            examples += len(table)
            on_answer(len(answer.asked), len(table))
            yield table

    append(store, valid())
    return Collected(asked, len(answered), tuple(failures), examples=examples, seconds=perf_counter() - start)


def _checked(
    answer: Answer, answered: set[int], store: FeatureStore, quarantine: Path
) -> tuple[pa.Table | Draft, set[int], list[Failure]]:
    """What of an answer can be stored, whose it is, and who failed; nobody's second contribution is stored."""
    table, came = store.layout.schema().empty_table(), set[int]()
    failures = {failure.contributor: failure for failure in answer.failures}
    wrong: dict[int, Failure] = {}
    if answer.draft is not None:
        try:
            return open_draft(store, answer.draft, answer.asked), set(answer.asked), []
        except InputError as error:
            wrong = {one: Failure(one, "validate", str(error)) for one in answer.asked}
    elif answer.contributions is not None:
        try:
            found = unpack(answer.contributions, store.layout, len(answer.asked))
        except InputError as error:
            wrong = {one: Failure(one, "validate", str(error)) for one in answer.asked}
            _quarantine(quarantine, dict.fromkeys(wrong.values(), answer.contributions))
        else:
            table, came, wrong = _judged(found, answer, answered, store.layout, quarantine)
    failures |= wrong
    settled = came | {one for one in answer.asked if one in answered}
    silent = "the reply does not mention this contributor"
    missing = [one for one in answer.asked if one not in settled]
    return table, came, [failures.get(one, Failure(one, "message", silent)) for one in missing]


def _judged(
    found: Contributions, answer: Answer, answered: set[int], layout: Layout, quarantine: Path
) -> tuple[pa.Table, set[int], dict[int, Failure]]:
    """The rows of a file that can be stored, whose they are, and by contributor what is wrong with the others."""
    wrong: dict[int, Failure] = {}
    ids = found.contributor.tolist()
    refused = judge(found, answer.asked, layout)
    samples: dict[Failure, bytes | memoryview] = {}
    payloads = payloads_of(found, list(refused))
    for position, reason in refused.items():
        failure = wrong[ids[position]] = Failure(ids[position], "validate", reason)
        samples[failure] = payloads[position]
    _quarantine(quarantine, samples)
    left_out = {position for position, one in enumerate(ids) if position in refused or one in answered}
    came = {one for position, one in enumerate(ids) if position not in left_out}
    return to_table(found, left_out, layout), came, wrong


def _quarantine(folder: Path, samples: Mapping[Failure, bytes | memoryview]) -> None:
    """Keeps who, why, and the first bytes of what came; nothing of who has withdrawn."""
    if not samples:
        return
    run = folder.parent
    with writing(folder), locked(run):  # a withdrawal waits, or is known here
        gone = withdrawn(run)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "contributions.jsonl").open("a", encoding="utf-8") as file:
            for failure, came in samples.items():
                if failure.contributor not in gone:
                    sample = bytes(came[:SAMPLE_BYTES]).hex()
                    file.write(json.dumps({**asdict(failure), "bytes": len(came), "sample": sample}) + "\n")
