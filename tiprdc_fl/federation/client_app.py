"""The Flower ClientApp: a node that answers for the contributors it hosts."""

import json
from dataclasses import asdict

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import Failure, contribute_each, peak_memory_bytes
from tiprdc_fl.models.extractor import Extractor, from_bytes

app = ClientApp()
_extractors: dict[str, Extractor] = {}  # this worker process's one extractor, by digest


@app.query("extract")
def extract(message: Message, context: Context) -> Message:
    """Contributions of the contributors that the request names, or a plea for the extractor.

    The request names the extractor by its digest; a worker process that has not seen it says so, and the
    collector asks again with the extractor in the message. So it travels to a worker as often as messages were
    in flight when the worker was new, not once to a contributor.
    """
    request = message.content.config_records["request"]
    extractor = _extractor(message, str(request["extractor"]))
    if extractor is None:
        return Message(RecordDict({"missing": ConfigRecord({"extractor": True})}), reply_to=message)
    fields = json.loads(str(request["source"]))
    source = DataSource(**{**fields, "image_size": tuple(fields["image_size"])})
    dataset = open_dataset(source)
    contributors: list[int] = list(request["contributors"])  # pyright: ignore
    tasks: list[str] = list(request["tasks"])  # pyright: ignore
    codec = str(request["codec"])
    answers = contribute_each(extractor, dataset, contributors, tasks, codec, source.seed)
    return Message(_reply(dict(answers)), reply_to=message)


def _extractor(message: Message, digest: str) -> Extractor | None:
    sent = message.content.config_records.get("extractor")
    if sent is not None and digest not in _extractors:
        received = from_bytes(sent["safetensors"])  # pyright: ignore[reportArgumentType]
        if received.digest != digest:
            raise InputError(f"the extractor received is {received.digest}, the one asked for {digest}")
        _extractors.clear()
        _extractors[digest] = received
    return _extractors.get(digest)


def _reply(answers: dict[int, bytes | Failure]) -> RecordDict:
    streams = {key: answer for key, answer in answers.items() if isinstance(answer, bytes)}
    failures = [json.dumps(asdict(answer)) for answer in answers.values() if isinstance(answer, Failure)]
    record = {
        "contributors": list(streams),
        "streams": list(streams.values()),
        "failures": failures,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    return RecordDict({"contributions": ConfigRecord(record)})
