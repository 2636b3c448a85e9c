"""The collector: validates every answer, stores what is valid and keeps a sample of the rest in quarantine."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from tiprdc_fl.disk import locked, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import Contributions, payloads_of, rejections, to_table, unpack
from tiprdc_fl.federation.contributor import Failure
from tiprdc_fl.store.append import Draft, append, open_draft
from tiprdc_fl.store.feature_store import FeatureStore
from tiprdc_fl.store.layout import Layout
from tiprdc_fl.store.paths import SAMPLES
from tiprdc_fl.store.withdrawal import withdrawn

SAMPLE_BYTES = 256  # first bytes of a rejected contribution that quarantine keeps


@dataclass(frozen=True)
class Answer:
    """What the collector received for one message; not validated yet.

    Attributes:
        asked: ids of the contributors that the message asked.
        contributions: bytes of the contributions, as ``contribution.pack`` returns them; None if none arrived.
        failures: of contributors who sent nothing.
        draft: name of a draft with the contributions of everybody asked, see ``store.lance.write_draft``. It
            replaces ``contributions``.
    """

    asked: tuple[int, ...]
    contributions: bytes | None
    failures: tuple[Failure, ...] = ()
    draft: str | None = None


@dataclass
class Traffic:
    """Counters that change while a collection runs.

    Attributes:
        asked_again: messages that were sent again because they had failed.
        worker_memory_bytes: peak resident memory of the worker that used most.
    """

    asked_again: int = 0
    worker_memory_bytes: int = 0


@dataclass(frozen=True)
class Collected:
    """The outcome of a collection.

    Attributes:
        asked: number of contributors asked; contributors already stored are not asked.
        answered: number of contributors whose contribution was stored.
        failures: one for each of the others.
        worker_memory_bytes: peak resident memory of the worker that used most; None if nobody was asked, and for
            the inline engine, where the collector itself is the worker.
        examples: number of examples stored.
        seconds: from the first request for contributions to the last commit. Starting the workers and sending
            them the extractor comes before it and counts in the stage's seconds only.
        asked_again: messages that were sent again because they had failed.
    """

    asked: int
    answered: int
    failures: tuple[Failure, ...]
    worker_memory_bytes: int | None = None
    examples: int = 0
    seconds: float = 0.0
    asked_again: int = 0


def add_collected(first: Collected, second: Collected) -> Collected:
    """The outcome of two collections of one run that ran one after the other."""
    peaks = (first.worker_memory_bytes, second.worker_memory_bytes)
    memory = [peak for peak in peaks if peak is not None]
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
    """Validates answers as they arrive, stores valid contributions and quarantines the others.

    Args:
        asked: how many contributors are asked in all.
        answers: one for each message.
        store: where valid contributions go.
        quarantine: folder that keeps a sample of each rejected contribution.
        on_answer: called after each answer with the number of contributors asked and of examples stored.
    """
    answered: set[int] = set()
    failures: list[Failure] = []
    examples = 0
    start = perf_counter()

    def valid_rows() -> Iterator[pa.Table | Draft]:
        nonlocal examples
        for answer in answers:
            checked = _check(answer, answered, store, quarantine)
            answered.update(checked.contributors)
            failures.extend(checked.failures)
            examples += len(checked.rows)
            on_answer(len(answer.asked), len(checked.rows))
            yield checked.rows

    append(store, valid_rows())
    return Collected(asked, len(answered), tuple(failures), examples=examples, seconds=perf_counter() - start)


@dataclass(frozen=True)
class _Checked:
    """A validated answer.

    Attributes:
        rows: rows of the store, of valid contributions only.
        contributors: ids of the contributors that the rows are of.
        failures: one for each contributor who was asked and has no stored contribution.
    """

    rows: pa.Table | Draft
    contributors: set[int]
    failures: list[Failure]


def _check(answer: Answer, answered: set[int], store: FeatureStore, quarantine: Path) -> _Checked:
    """Validates an answer; a contributor in ``answered`` has a stored contribution and gets no second one."""
    failures = {failure.contributor: failure for failure in answer.failures}
    rows, contributors = store.layout.schema().empty_table(), set[int]()
    if answer.draft is not None:
        try:
            return _Checked(open_draft(store, answer.draft, answer.asked), set(answer.asked), [])
        except InputError as error:
            failures |= _invalid(answer, error)
    elif answer.contributions is not None:
        try:
            contributions = unpack(answer.contributions, store.layout, len(answer.asked))
        except InputError as error:
            invalid = _invalid(answer, error)
            _quarantine(quarantine, dict.fromkeys(invalid.values(), answer.contributions))
            failures |= invalid
        else:
            rejected = _reject(contributions, answer.asked, store.layout, quarantine)
            rows, contributors = _accept(contributions, set(rejected), answered, store.layout)
            failures |= {failure.contributor: failure for failure in rejected.values()}
    settled = contributors | answered.intersection(answer.asked)
    missing = [contributor for contributor in answer.asked if contributor not in settled]
    silent = "the reply does not mention this contributor"
    return _Checked(
        rows=rows,
        contributors=contributors,
        failures=[
            failures.get(contributor, Failure(contributor, "message", silent)) for contributor in missing
        ],
    )


def _invalid(answer: Answer, error: InputError) -> dict[int, Failure]:
    """Failures of all contributors of an answer that cannot be read at all, by contributor."""
    return {contributor: Failure(contributor, "validate", str(error)) for contributor in answer.asked}


def _reject(
    contributions: Contributions, asked: Sequence[int], layout: Layout, quarantine: Path
) -> dict[int, Failure]:
    """Failures of the invalid contributions, by position; a sample of each goes to quarantine."""
    ids = contributions.contributor.tolist()
    reasons = rejections(contributions, asked, layout)
    rejected = {position: Failure(ids[position], "validate", reason) for position, reason in reasons.items()}
    payloads = payloads_of(contributions, list(rejected))
    _quarantine(quarantine, {failure: payloads[position] for position, failure in rejected.items()})
    return rejected


def _accept(
    contributions: Contributions, rejected: set[int], answered: set[int], layout: Layout
) -> tuple[pa.Table, set[int]]:
    """Rows of the contributions that were neither rejected nor stored before, and their contributors."""
    ids = contributions.contributor.tolist()
    skipped = rejected | {position for position, contributor in enumerate(ids) if contributor in answered}
    accepted = {contributor for position, contributor in enumerate(ids) if position not in skipped}
    return to_table(contributions, skipped, layout), accepted


def _quarantine(folder: Path, samples: Mapping[Failure, bytes | memoryview]) -> None:
    """Appends each failure with the first bytes of its contribution, unless its contributor has withdrawn."""
    if not samples:
        return
    run = folder.parent
    with writing(folder), locked(run):  # the lock orders this against a withdrawal: it waits, or is seen here
        departed = withdrawn(run)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / SAMPLES).open("a", encoding="utf-8") as file:
            for failure, payload in samples.items():
                if failure.contributor not in departed:
                    sample = bytes(payload[:SAMPLE_BYTES]).hex()
                    line = {**asdict(failure), "bytes": len(payload), "sample": sample}
                    file.write(json.dumps(line) + "\n")
