"""A collection: what is requested from which contributors, and how they are divided among messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tiprdc_fl.data.source import DataSource
from tiprdc_fl.disk import reading, write_text
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import layout_of
from tiprdc_fl.models.architecture import Architecture, feature_shape
from tiprdc_fl.models.extractor import Extractor, load_extractor
from tiprdc_fl.store.codec import payload_unit
from tiprdc_fl.store.feature_store import FeatureStore, open_store, stored_contributors
from tiprdc_fl.store.paths import RunFolder
from tiprdc_fl.store.withdrawal import check_removed, withdrawn

REPLY_BYTES = 8 * 2**20  # size that a reply should stay near
TYPICAL_EXAMPLES = 25  # of a contributor; used to predict a reply's size
MAX_COHORT = 1000  # contributors in one message
MESSAGES_PER_WORKER = 4  # in flight: enough that a worker never waits, few enough to bound memory
DRAFT_BYTES = 1000  # of an example; from this size on, a draft file costs less than sending the bytes


@dataclass(frozen=True)
class Request:
    """What every contributor is asked for.

    Attributes:
        extractor: path of the frozen extractor's file.
        source: dataset that the simulated devices load their examples from.
        tasks: names of the task attributes that are sent as labels.
        codec: key of CODECS, which encodes the features.
        runtime: key of RUNTIMES, which runs the extractor.
        plugins: modules that are imported before a name is looked up.
    """

    extractor: str
    source: DataSource
    tasks: tuple[str, ...]
    codec: str
    runtime: str = "torch"
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collection:
    """A collection in a run folder: everything that a ServerApp needs to run it.

    Attributes:
        folder: the run folder. Features go to its ``features.lance``, samples of rejected contributions to its
            ``quarantine/``.
        request: what every contributor is asked for.
        contributors: ids of the contributors to ask.
        workers: number of processes that do the contributors' work.
        retries: how often a message that failed is sent again.
        contributors_per_message: size of a cohort; None: see ``cohort_size``.
        alone: whether each contributor works alone, so that its seconds are measured and not shared out.
        ray_address: address of a running Ray cluster; None starts one on this machine.
        writer: who writes the features to disk. "workers": each worker writes a draft into the store's folder
            and the collector commits it. "collector": the features are sent to it. "auto": see
            ``writes_drafts``.
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
    """Path of the feature store in a run folder."""
    return RunFolder(Path(folder)).features


def extractor_of(request: Request) -> Extractor:
    """The extractor that a request names; read and checked once a process, and again where its file has changed.

    Raises:
        InputError: the file is missing or is not an extractor.
    """
    path = Path(request.extractor)
    try:
        stat = path.stat()
    except OSError:
        return load_extractor(path)  # which says what is wrong
    return _load_once(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _load_once(path: Path, inode: int, changed: int, size: int) -> Extractor:
    return load_extractor(path)


def write_collection(collection: Collection) -> None:
    """Writes the collection to its run folder, so that a ServerApp in another process can read it."""
    path = RunFolder(Path(collection.folder)).collection
    write_text(path, json.dumps(vars(collection), default=vars) + "\n")


def read_collection(folder: Path) -> Collection:
    """Reads the collection that ``write_collection`` left in a run folder.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = RunFolder(folder).collection
    if not path.is_file():
        raise InputError(f"{path} is missing: run python -m tiprdc_fl.simulate run_dir={folder} first")
    with reading(path):
        fields = json.loads(path.read_text(encoding="utf-8"))
        request = fields.pop("request")
        source = request.pop("source")
        source["image_size"] = tuple(source["image_size"])
        request["tasks"], request["plugins"] = tuple(request["tasks"]), tuple(request["plugins"])
        fields["contributors"] = tuple(fields["contributors"])
        return Collection(request=Request(source=DataSource(**source), **request), **fields)


def open_collection(collection: Collection) -> tuple[FeatureStore, list[int]]:
    """Opens the collection's store, and creates it if it does not exist.

    Returns:
        The store, and the contributors who are still to be asked: neither stored nor withdrawn.

    Raises:
        InputError: the store holds another layout, or features of a contributor whose withdrawal is unfinished.
    """
    request = collection.request
    layout = layout_of(extractor_of(request), request.codec, request.tasks)
    store = open_store(features_path(collection.folder), layout)
    return store, missing(store, collection.contributors)


def missing(store: FeatureStore, contributors: Sequence[int]) -> list[int]:
    """Contributors who are not in the store and have not withdrawn, in their order.

    Raises:
        InputError: the store is damaged, or has rows of a contributor who has withdrawn.
    """
    stored, departed = stored_contributors(store), withdrawn(store.path.parent)
    check_removed(store.path, stored & departed)
    settled = stored | departed
    return [contributor for contributor in contributors if contributor not in settled]


def cohorts(asked: Sequence[int], collection: Collection) -> list[tuple[int, ...]]:
    """Divides the contributors into the cohorts of the messages; a cohort is at most ``cohort_size`` large."""
    size = collection.contributors_per_message
    if size is None:
        architecture = extractor_of(collection.request).architecture
        size = cohort_size(architecture, collection.request.codec)
        # A small collection is spread over all workers too.
        size = max(1, min(size, len(asked) // (MESSAGES_PER_WORKER * collection.workers)))
    return [tuple(asked[start : start + size]) for start in range(0, len(asked), size)]


def writes_drafts(collection: Collection) -> bool:
    """Whether workers write their features into the store's folder as drafts.

    By default they do if they run on this machine and an example takes at least DRAFT_BYTES. The worker then runs
    the collector's validation itself, and the bytes are not copied from process to process.
    """
    if collection.writer != "auto":
        return collection.writer == "workers"
    architecture = extractor_of(collection.request).architecture
    unit = payload_unit(collection.request.codec, feature_shape(architecture))
    return collection.ray_address is None and unit >= DRAFT_BYTES


def cohort_size(architecture: Architecture, codec: str) -> int:
    """Number of contributors in a message so that its reply stays near REPLY_BYTES; from 1 to MAX_COHORT."""
    shape = feature_shape(architecture)
    unit = payload_unit(codec, shape)
    example = unit * architecture.max_tokens if shape[0] < 0 else unit
    if architecture.per == "person":  # one item, of a message one step
        return max(1, min(MAX_COHORT, REPLY_BYTES // unit))
    return max(1, min(MAX_COHORT, REPLY_BYTES // (example * TYPICAL_EXAMPLES)))
