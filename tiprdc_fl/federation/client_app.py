"""The Flower ClientApp: a node that answers for the cohort of contributors it hosts."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from tiprdc_fl.config.plugins import import_plugins
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import concatenate, pack, rejections, to_table
from tiprdc_fl.federation.contributor import Failure, contribute, layout_of, peak_memory_bytes
from tiprdc_fl.models.extractor import Extractor, from_bytes
from tiprdc_fl.models.runtime import RUNTIMES, Runner
from tiprdc_fl.store.lance import write_draft
from tiprdc_fl.store.layout import Layout

app = ClientApp()


@dataclass(frozen=True)
class Installed:
    """The extractor that a worker process received, ready to run.

    Attributes:
        extractor: the frozen extractor.
        run: runs it, see ``models.runtime``.
    """

    extractor: Extractor
    run: Runner


# The extractor of this process, by (extractor's digest, runtime, model's digest); at most one entry.
_extractors: dict[tuple[str, str, str], Installed] = {}


@app.query("extract")
def extract(message: Message, context: Context) -> Message:
    """Replies with the contributions of the contributors in the request, or that the extractor is missing.

    A request names the extractor by its digest. The extractor itself is sent to each worker once, in a first
    request without contributors. A worker process that lacks it, because it replaced one that died, says so in its
    reply. The collector then repeats the request with the extractor in the message.
    """
    request = message.content.config_records["request"]
    import_plugins(list(request["plugins"]))  # pyright: ignore
    installed = _install(message, request)
    if installed is None:
        return Message(RecordDict({"missing": ConfigRecord({"extractor": True})}), reply_to=message)
    try:
        return _answer(message, request, installed)
    except Exception as error:  # its text may quote the contributors' data: only the type leaves the device
        contributors: list[int] = list(request["contributors"])  # pyright: ignore
        failures = [Failure(contributor, "message", type(error).__name__) for contributor in contributors]
        empty = concatenate([], len(list(request["tasks"])))  # pyright: ignore
        return reply(message, pack(empty, _layout(request, installed.extractor)), failures)


def _answer(message: Message, request: ConfigRecord, installed: Installed) -> Message:
    fields = json.loads(str(request["source"]))
    source = DataSource(**{**fields, "image_size": tuple(fields["image_size"])})
    contributors: list[int] = list(request["contributors"])  # pyright: ignore
    layout = _layout(request, installed.extractor)
    contributions, failures = contribute(
        extractor=installed.extractor,
        dataset=open_dataset(source),
        contributors=contributors,
        layout=layout,
        seed=source.seed,
        alone=bool(request["alone"]),
        run=installed.run,
    )
    folder = str(request["store"])
    complete = not failures and len(contributors) > 0 and bool((contributions.examples > 0).all())
    if folder and complete and not rejections(contributions, contributors, layout):
        return reply(message, draft=write_draft(Path(folder), to_table(contributions, set(), layout)))
    return reply(message, pack(contributions, layout), failures)


def _layout(request: ConfigRecord, extractor: Extractor) -> Layout:
    return layout_of(extractor, str(request["codec"]), list(request["tasks"]))  # pyright: ignore


def reply(
    message: Message, contributions: bytes = b"", failures: Sequence[Failure] = (), draft: str = ""
) -> Message:
    """The reply to a request.

    Args:
        message: the request.
        contributions: contributions as ``pack`` returns them.
        failures: of contributors who have no contribution.
        draft: name of a draft as ``write_draft`` returns it. It holds the contributions of everybody asked and
            replaces the two above.
    """
    record = {
        "contributions": contributions,
        "draft": draft,
        "failures": [json.dumps(asdict(failure)) for failure in failures],
        "peak_memory_bytes": peak_memory_bytes(),
    }
    return Message(RecordDict({"answer": ConfigRecord(record)}), reply_to=message)  # pyright: ignore


def _install(message: Message, request: ConfigRecord) -> Installed | None:
    """The extractor that a request names; None if neither this process nor the message has it.

    Raises:
        InputError: the message carries a different extractor.
    """
    key = (str(request["extractor"]), str(request["runtime"]), str(request["model"]))
    sent = message.content.config_records.get("extractor")
    if sent is not None and key not in _extractors:
        received, model = from_bytes(sent["safetensors"]), sent["model"]  # pyright: ignore[reportArgumentType]
        digests = (received.digest, hashlib.sha256(model).hexdigest())  # pyright: ignore[reportArgumentType]
        if digests != (key[0], key[2]):
            raise InputError(f"received the extractor {digests}, but the request names {(key[0], key[2])}")
        _extractors.clear()
        _extractors[key] = Installed(received, RUNTIMES[key[1]].start(received, model))  # pyright: ignore
    return _extractors.get(key)
