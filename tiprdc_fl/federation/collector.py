"""The collector's half of the federation: what is asked, and what becomes of each answer."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from tiprdc_fl.data.source import DataSource
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.codec import payload_unit
from tiprdc_fl.federation.contribution import Contributions, judge, payloads_of, to_table, unpack
from tiprdc_fl.federation.contributor import Failure, layout_of
from tiprdc_fl.models.architecture import Architecture, feature_shape
from tiprdc_fl.models.extractor import load_extractor
from tiprdc_fl.storage import locked, reading, write_whole, writing
from tiprdc_fl.store import Draft, FeatureStore, Layout, append, open_draft, open_store, stored_contributors
from tiprdc_fl.withdrawal import check_removed, withdrawn

REPLY_BYTES = 8 * 2**20
TYPICAL_EXAMPLES = 25  # of a person, to foresee a reply's size
MOST_IN_MESSAGE = 1000  # contributors
MESSAGES_PER_WORKER = 4  # in flight: enough that a worker never waits, few enough to bound memory
DRAFTED_BYTES = 1000  # of an example, from which on carrying them costs more than a file does
SAMPLE_BYTES = 256  # of what failed, kept in quarantine


@dataclass(frozen=True)
class Request:
    """What every contributor is asked for.

    Attributes:
        extractor: path of the frozen extractor.
        source: where the simulated devices find their examples.
        tasks: attributes that are sent as labels.
        codec: key of CODECS.
        runtime: key of RUNTIMES, what runs the extractor.
    """

    extractor: str
    source: DataSource
    tasks: tuple[str, ...]
    codec: str
    runtime: str = "torch"


@dataclass(frozen=True)
class Collection:
    """A collection in a run folder: everything a ServerApp needs to carry it out.

    Attributes:
        folder: the run folder; features go to ``features.lance`` in it, what fails validation to
            ``quarantine/``.
        request: what is asked.
        contributors: who is asked.
        workers: processes that do the contributors' work.
        retries: how often a message that failed is sent again.
        contributors_per_message: how many of them a message asks for; None: see ``contributors_in_message``.
        alone: whether each contributor works alone, so that its seconds are its own.
        ray_address: of a running Ray cluster; None starts one on this machine.
        writer: "workers" write what they made into the store's folder, as drafts that the collector commits;
            "collector": it is sent there; "auto": see ``writes_drafts``.
    """

    folder: str
    request: Request
    contributors: tuple[int, ...]
    workers: int
    retries: int
    contributors_per_message: int | None = None
    alone: bool = False
    ray_address: str | None = None
    writer: str = "auto"


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


def features_path(folder: str | Path) -> Path:
    """Where a run folder keeps its features."""
    return Path(folder) / "features.lance"


def write_collection(collection: Collection) -> None:
    """Leaves the collection in its run folder, where a ServerApp of another process finds it."""
    path = Path(collection.folder) / "collection.json"
    text = json.dumps(vars(collection), default=vars) + "\n"
    write_whole(path, lambda file: file.write_text(text, encoding="utf-8"))


def read_collection(folder: Path) -> Collection:
    """The collection of a run folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / "collection.json"
    if not path.is_file():
        raise InputError(f"{path} is missing: run python -m tiprdc_fl.simulate run_dir={folder} first")
    with reading(path):
        fields = json.loads(path.read_text(encoding="utf-8"))
        request = fields.pop("request")
        source = request.pop("source")
        source["image_size"] = tuple(source["image_size"])
        request["tasks"] = tuple(request["tasks"])
        fields["contributors"] = tuple(fields["contributors"])
        return Collection(request=Request(source=DataSource(**source), **request), **fields)


def open_collection(collection: Collection) -> tuple[FeatureStore, list[int]]:
    """The collection's store, created where there is none, and who is not in it and has not withdrawn."""
    request = collection.request
    layout = layout_of(load_extractor(Path(request.extractor)), request.codec, request.tasks)
    store = open_store(features_path(collection.folder), layout)
    stored, gone = stored_contributors(store), withdrawn(store.path.parent)
    check_removed(store.path, stored & gone)
    settled = stored | gone
    return store, [contributor for contributor in collection.contributors if contributor not in settled]


def cohorts(asked: Sequence[int], collection: Collection) -> list[tuple[int, ...]]:
    """The contributors of each message."""
    size = collection.contributors_per_message
    if size is None:
        architecture = load_extractor(Path(collection.request.extractor)).architecture
        size = contributors_in_message(architecture, collection.request.codec)
        # Small collections too are spread over the workers.
        size = max(1, min(size, len(asked) // (MESSAGES_PER_WORKER * collection.workers)))
    return [tuple(asked[start : start + size]) for start in range(0, len(asked), size)]


def writes_drafts(collection: Collection) -> bool:
    """Whether workers write into the store's folder themselves.

    By default they do where they run on this machine and replies are large: what a worker made is validated there,
    by the same code, and its bytes are not carried from process to process.
    """
    if collection.writer != "auto":
        return collection.writer == "workers"
    architecture = load_extractor(Path(collection.request.extractor)).architecture
    unit = payload_unit(collection.request.codec, feature_shape(architecture))
    return collection.ray_address is None and unit >= DRAFTED_BYTES


def contributors_in_message(architecture: Architecture, codec: str) -> int:
    """How many contributors fit into a message whose reply stays near REPLY_BYTES; at least one."""
    unit = payload_unit(codec, feature_shape(architecture))
    example = unit * architecture.max_tokens if architecture.modality == "text" else unit
    return max(1, min(MOST_IN_MESSAGE, REPLY_BYTES // (example * TYPICAL_EXAMPLES)))


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
