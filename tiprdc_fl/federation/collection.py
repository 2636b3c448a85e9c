"""What a collection asks, of whom, and how contributors are put into messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tiprdc_fl.data.source import DataSource
from tiprdc_fl.disk import reading, write_whole
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import layout_of
from tiprdc_fl.models.architecture import Architecture, feature_shape
from tiprdc_fl.models.extractor import load_extractor
from tiprdc_fl.store.codec import payload_unit
from tiprdc_fl.store.feature_store import FeatureStore, open_store, stored_contributors
from tiprdc_fl.store.withdrawal import check_removed, withdrawn

REPLY_BYTES = 8 * 2**20
TYPICAL_EXAMPLES = 25  # of a person, to foresee a reply's size
MOST_IN_MESSAGE = 1000  # contributors
MESSAGES_PER_WORKER = 4  # in flight: enough that a worker never waits, few enough to bound memory
DRAFTED_BYTES = 1000  # of an example, from which on carrying them costs more than a file does


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
