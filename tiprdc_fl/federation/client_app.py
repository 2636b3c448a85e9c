"""The Flower ClientApp: a node that answers for the contributors it hosts."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import joined, judge, pack, to_table
from tiprdc_fl.federation.contributor import Failure, contribute, layout_of, peak_memory_bytes
from tiprdc_fl.models.extractor import Extractor, from_bytes
from tiprdc_fl.models.runtime import RUNTIMES, Runner
from tiprdc_fl.store.lance import write_draft
from tiprdc_fl.store.layout import Layout

app = ClientApp()


@dataclass(frozen=True)
class Installed:
    """What a worker process was sent, ready to run.

    Attributes:
        extractor: the extractor.
        run: runs it.
    """

    extractor: Extractor
    run: Runner


_extractors: dict[tuple[str, str, str], Installed] = {}  # this process's one, by extractor, runtime and model


@app.query("extract")
def extract(message: Message, context: Context) -> Message:
    """Contributions of the contributors that the request names, or a plea for the extractor.

    The request names the extractor by its digest. It travels once to a worker, with a first request that names
    nobody; a worker process that has not seen it all the same (another one died, and this one took its place) says
    so, and the collector asks again with the extractor in the message.
    """
    request = message.content.config_records["request"]
    installed = _install(message, request)
    if installed is None:
        return Message(RecordDict({"missing": ConfigRecord({"extractor": True})}), reply_to=message)
    try:
        return _answer(message, request, installed)
    except Exception as error:  # its text may quote the contributors' data: only the type leaves the device
        contributors: list[int] = list(request["contributors"])  # pyright: ignore
        failed = [Failure(contributor, "message", type(error).__name__) for contributor in contributors]
        empty = joined([], len(list(request["tasks"])))  # pyright: ignore
        return reply(message, pack(empty, _layout(request, installed.extractor)), failed)


def _answer(message: Message, request: ConfigRecord, installed: Installed) -> Message:
    fields = json.loads(str(request["source"]))
    source = DataSource(**{**fields, "image_size": tuple(fields["image_size"])})
    contributors: list[int] = list(request["contributors"])  # pyright: ignore
    extractor, alone = installed.extractor, bool(request["alone"])
    layout = _layout(request, extractor)
    found, failures = contribute(
        extractor, open_dataset(source), contributors, layout, source.seed, alone, installed.run
    )
    folder = str(request["store"])
    whole = not failures and len(contributors) > 0 and bool((found.examples > 0).all())
    if folder and whole and not judge(found, contributors, layout):
        return reply(message, draft=write_draft(Path(folder), to_table(found, set(), layout)))
    return reply(message, pack(found, layout), failures)


def _layout(request: ConfigRecord, extractor: Extractor) -> Layout:
    return layout_of(extractor, str(request["codec"]), list(request["tasks"]))  # pyright: ignore


def reply(
    message: Message, contributions: bytes = b"", failures: Sequence[Failure] = (), draft: str = ""
) -> Message:
    """The answer to a request.

    Args:
        message: the request.
        contributions: as ``pack`` makes them.
        failures: of those who have none.
        draft: instead of both, as ``write_draft`` returns it; of everybody who was asked.
    """
    record = {
        "contributions": contributions,
        "draft": draft,
        "failures": [json.dumps(asdict(failure)) for failure in failures],
        "peak_memory_bytes": peak_memory_bytes(),
    }
    return Message(RecordDict({"answer": ConfigRecord(record)}), reply_to=message)  # pyright: ignore


def _install(message: Message, request: ConfigRecord) -> Installed | None:
    """The extractor that a request asks for, from the message where it is in it; None where it is nowhere."""
    key = (str(request["extractor"]), str(request["runtime"]), str(request["model"]))
    sent = message.content.config_records.get("extractor")
    if sent is not None and key not in _extractors:
        received, model = from_bytes(sent["safetensors"]), sent["model"]  # pyright: ignore[reportArgumentType]
        digests = (received.digest, hashlib.sha256(model).hexdigest())  # pyright: ignore[reportArgumentType]
        if digests != (key[0], key[2]):
            raise InputError(f"the extractor received is {digests}, the one asked for {(key[0], key[2])}")
        _extractors.clear()
        _extractors[key] = Installed(received, RUNTIMES[key[1]].start(received, model))  # pyright: ignore
    return _extractors.get(key)
