"""The Flower ServerApp: asks the nodes, and takes their replies as they come."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from logging import INFO
from pathlib import Path
from threading import Event
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collector import (
    Answer,
    Collected,
    Collection,
    Request,
    collect,
    contributors_in_message,
    open_collection,
    read_collection,
)
from tiprdc_fl.federation.contributor import Failure
from tiprdc_fl.models.extractor import load_extractor

POLL_SECONDS = 0.005
NODES_SECONDS = 300.0  # a cold start of many actors on few cores takes minutes
MESSAGES_PER_WORKER = 4  # in flight: enough that a worker never waits, few enough to bound memory

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Carries out the collection of the run folder that the run configuration's ``run-dir`` names."""
    run_dir = str(context.run_config.get("run-dir", ""))
    if not run_dir:
        raise InputError(
            "run-dir is not set: name a run folder of tiprdc_fl.simulate, whose collection to run"
        )
    collected = run_collection(grid, read_collection(Path(run_dir)))
    log(INFO, "%d of %d contributors answered", collected.answered, collected.asked)


class Interrupted(Exception):
    """The simulation has ended before the collection."""


def server_app(
    collection: Collection,
    on_answer: Callable[[int], None],
    on_end: Callable[[Collected], None],
    stop: Event,
    idle: Event,
) -> ServerApp:
    """A ServerApp for one collection, in the process that started it.

    It ends early once ``stop`` is set; ``idle`` is clear while it works.
    """
    simulated = ServerApp()

    @simulated.main()
    def main(grid: Grid, context: Context) -> None:
        idle.clear()
        try:
            with suppress(Interrupted):
                on_end(run_collection(grid, collection, on_answer, stop))
        finally:
            idle.set()

    return simulated


def run_collection(
    grid: Grid,
    collection: Collection,
    on_answer: Callable[[int], None] = lambda examples: None,
    stop: Event | None = None,
) -> Collected:
    """Asks the contributors that are not stored yet, and stores their answers.

    Raises:
        Interrupted: ``stop`` was set; what had arrived is stored.
    """
    store, asked = open_collection(collection)
    memory = [0]
    stop, slices = stop or Event(), _slices(asked, collection)
    nodes = _wait_for_nodes(grid, 1 + max((part.node for part in slices), default=-1), stop)
    answers = replies(grid, nodes, collection, slices, memory.append, stop)
    collected = collect(len(asked), answers, store, Path(collection.folder) / "quarantine", on_answer)
    return replace(collected, worker_memory_bytes=max(memory) or None)


@dataclass(frozen=True)
class Slice:
    """Contributors that one message asks for.

    Attributes:
        contributors: their ids.
        node: index of the node that hosts them.
        attempts: how often they were asked before.
    """

    contributors: tuple[int, ...]
    node: int
    attempts: int = 0


def replies(
    grid: Grid,
    nodes: Sequence[int],
    collection: Collection,
    slices: Sequence[Slice],
    on_worker: Callable[[int], None],
    stop: Event,
) -> Iterator[Answer]:
    """Asks every slice and yields each contributor's answer as it comes.

    A bounded number of messages is in flight. A message that fails (a worker died) is sent again, to another
    node, ``collection.retries`` times; then its contributors have failed.

    Args:
        grid: Flower's way to the nodes.
        nodes: their ids.
        collection: what is asked, and how.
        slices: who is asked.
        on_worker: called with a worker's peak resident memory in bytes at each reply.
        stop: ends the wait for replies that will never come.

    Raises:
        Interrupted: ``stop`` was set.
    """
    digest, weights = _read(Path(collection.request.extractor))
    waiting, pending = deque(slices), dict[str, Slice]()

    def push(part: Slice, extractor: bytes | None = None) -> None:
        content = _question(collection.request, part, digest, extractor)
        node = nodes[(part.node + part.attempts) % len(nodes)]
        (message_id,) = grid.push_messages([Message(content, node, "query.extract")])
        pending[message_id] = part

    while waiting or pending:
        while waiting and len(pending) < MESSAGES_PER_WORKER * collection.workers:
            push(waiting.popleft())
        messages = list(grid.pull_messages(list(pending)))
        for message in messages:
            part = pending.pop(message.metadata.reply_to_message_id)
            if message.has_error():
                if part.attempts < collection.retries:
                    push(replace(part, attempts=part.attempts + 1))
                else:
                    reason = " ".join(str(message.error.reason).split())
                    yield from ((key, Failure(key, "message", reason)) for key in part.contributors)
            elif "missing" in message.content.config_records:
                push(part, weights)
            else:
                yield from _answers(message, part, on_worker)
        if not messages:
            _pause(stop)


def _slices(contributors: Sequence[int], collection: Collection) -> list[Slice]:
    """Cohorts of a node each, cut into messages."""
    architecture = load_extractor(Path(collection.request.extractor)).architecture
    hosted = collection.contributors_per_node
    size = contributors_in_message(architecture, collection.request.codec, hosted)
    cohorts = [contributors[start : start + hosted] for start in range(0, len(contributors), hosted)]
    return [
        Slice(tuple(cohort[start : start + size]), node)
        for node, cohort in enumerate(cohorts)
        for start in range(0, len(cohort), size)
    ]


def _pause(stop: Event) -> None:
    if stop.wait(POLL_SECONDS):
        raise Interrupted


def _wait_for_nodes(grid: Grid, count: int, stop: Event) -> list[int]:
    """Ids of the nodes once ``count`` of them have registered: the server starts before they do."""
    until = time.monotonic() + NODES_SECONDS
    while len(nodes := sorted(grid.get_node_ids())) < count:
        if time.monotonic() > until:
            raise InputError(f"{len(nodes)} of {count} nodes registered within {NODES_SECONDS:.0f} s")
        _pause(stop)
    return nodes


def _read(extractor: Path) -> tuple[str, bytes]:
    return load_extractor(extractor).digest, extractor.read_bytes()


def _question(request: Request, part: Slice, digest: str, extractor: bytes | None) -> RecordDict:
    record = ConfigRecord(
        {
            "extractor": digest,
            "source": json.dumps(asdict(request.source)),
            "tasks": list(request.tasks),
            "codec": request.codec,
            "contributors": list(part.contributors),
        }
    )
    content = RecordDict({"request": record})
    if extractor is not None:
        content["extractor"] = ConfigRecord({"safetensors": extractor})
    return content


def _answers(message: Message, part: Slice, on_worker: Callable[[int], None]) -> Iterator[Answer]:
    """What a reply says of each contributor of its slice; one it does not mention has failed."""
    reason = "the reply does not mention this contributor"
    try:
        peak, found = _parse(message)
        on_worker(peak)
    except Exception as error:  # of any kind: a reply comes from outside
        reason, found = f"the reply is malformed ({type(error).__name__})", {}
    for key in part.contributors:
        yield key, found.get(key, Failure(key, "message", reason))


def _parse(message: Message) -> tuple[int, dict[int, bytes | Failure]]:
    """A reply's peak memory of the worker in bytes, and its answers."""
    record: Any = message.content.config_records["contributions"]
    found: dict[int, bytes | Failure] = dict(zip(record["contributors"], record["streams"], strict=True))
    for line in record["failures"]:
        fields = json.loads(line)
        failure = Failure(int(fields["contributor"]), str(fields["stage"]), str(fields["reason"]))
        found[failure.contributor] = failure
    return int(record["peak_memory_bytes"]), found
