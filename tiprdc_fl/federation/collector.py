"""The collector's half of the federation: what is asked, and what becomes of each answer."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from tiprdc_fl.data.source import DataSource
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.codec import payload_unit
from tiprdc_fl.federation.contributor import Failure
from tiprdc_fl.models.architecture import Architecture, feature_shape
from tiprdc_fl.models.extractor import Extractor, load_extractor
from tiprdc_fl.store import FeatureStore, Layout, append, open_store, stored_contributors, validate

Answer = tuple[int, bytes | Failure]
REPLY_BYTES = 16 * 2**20
TYPICAL_EXAMPLES = 25  # of a person, to foresee a reply's size


@dataclass(frozen=True)
class Request:
    """What every contributor is asked for.

    Attributes:
        extractor: path of the frozen extractor.
        source: where the simulated devices find their examples.
        tasks: attributes that are sent as labels.
        codec: key of CODECS.
    """

    extractor: str
    source: DataSource
    tasks: tuple[str, ...]
    codec: str


@dataclass(frozen=True)
class Collection:
    """A collection in a run folder: everything a ServerApp needs to carry it out.

    Attributes:
        folder: the run folder; features go to ``features.lance`` in it, what fails validation to
            ``quarantine/``.
        request: what is asked.
        contributors: who is asked.
        contributors_per_node: how many of them a node hosts.
        workers: processes that do the contributors' work.
        retries: how often a message that failed is sent again.
    """

    folder: str
    request: Request
    contributors: tuple[int, ...]
    contributors_per_node: int
    workers: int
    retries: int


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
        seconds: from the first request to the last commit; Flower and Ray have started by then, but the workers
            still import what they need.
    """

    asked: int
    answered: int
    failures: tuple[Failure, ...]
    worker_memory_bytes: int | None = None
    examples: int = 0
    seconds: float = 0.0


def features_path(folder: str | Path) -> Path:
    """Where a run folder keeps its features."""
    return Path(folder) / "features.lance"


def write_collection(collection: Collection) -> None:
    """Leaves the collection in its run folder, where a ServerApp of another process finds it."""
    path = Path(collection.folder) / "collection.json"
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(asdict(collection)) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_collection(folder: Path) -> Collection:
    """The collection of a run folder.

    Raises:
        InputError: there is none.
    """
    path = folder / "collection.json"
    if not path.is_file():
        raise InputError(f"{path} is missing: run python -m tiprdc_fl.simulate run_dir={folder} first")
    fields = json.loads(path.read_text(encoding="utf-8"))
    request = fields.pop("request")
    source = request.pop("source")
    source["image_size"] = tuple(source["image_size"])
    request["tasks"] = tuple(request["tasks"])
    fields["contributors"] = tuple(fields["contributors"])
    return Collection(request=Request(source=DataSource(**source), **request), **fields)


def open_collection(collection: Collection) -> tuple[FeatureStore, list[int]]:
    """The collection's store, created where there is none, and the contributors it lacks."""
    extractor = load_extractor(Path(collection.request.extractor))
    store = open_store(features_path(collection.folder), layout_of(extractor, collection.request))
    stored = stored_contributors(store)
    return store, [contributor for contributor in collection.contributors if contributor not in stored]


def layout_of(extractor: Extractor, request: Request) -> Layout:
    """The layout of the store that the request's answers go to."""
    return Layout(extractor.digest, request.codec, feature_shape(extractor.architecture), request.tasks)


def contributors_in_message(architecture: Architecture, codec: str, hosted: int) -> int:
    """How many contributors a message asks for: as many as a node hosts, within REPLY_BYTES."""
    unit = payload_unit(codec, feature_shape(architecture))
    example = unit * architecture.max_tokens if architecture.modality == "text" else unit
    return max(1, min(hosted, REPLY_BYTES // (example * TYPICAL_EXAMPLES)))


def collect(
    asked: int,
    answers: Iterable[Answer],
    store: FeatureStore,
    quarantine: Path,
    on_answer: Callable[[int], None],
) -> Collected:
    """Validates and stores answers as they come; what does not pass validation goes to quarantine.

    Args:
        asked: how many contributors were asked.
        answers: contributor, and its contribution or failure.
        store: where contributions go.
        quarantine: folder for the others.
        on_answer: called after each answer with the number of its examples.
    """
    answered: dict[int, int] = {}
    failures: list[Failure] = []
    start = perf_counter()

    def valid() -> Iterator[pa.Table]:
        for contributor, answer in answers:
            if contributor in answered:
                continue
            table = _checked(contributor, answer, store.layout, quarantine)
            on_answer(0 if isinstance(table, Failure) else len(table))
            if isinstance(table, Failure):
                failures.append(table)
            else:
                answered[contributor] = len(table)
                yield table

    append(store, valid())
    seconds = perf_counter() - start
    return Collected(asked, len(answered), tuple(failures), examples=sum(answered.values()), seconds=seconds)


def _checked(
    contributor: int, answer: bytes | Failure, layout: Layout, quarantine: Path
) -> pa.Table | Failure:
    if isinstance(answer, Failure):
        return answer
    try:
        return validate(answer, contributor, layout)
    except InputError as error:
        failure = Failure(contributor, "validate", str(error))
        _quarantine(quarantine, failure, answer)
        return failure


def _quarantine(folder: Path, failure: Failure, answer: bytes) -> None:
    """Keeps who, why, and the answer's first bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps({**asdict(failure), "bytes": len(answer), "sample": answer[:256].hex()})
    with (folder / "contributions.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
