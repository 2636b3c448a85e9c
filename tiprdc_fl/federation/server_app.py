"""The Flower ServerApp: asks the nodes, and takes their replies as they come."""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from logging import INFO
from pathlib import Path
from threading import Event
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import (
    MESSAGES_PER_WORKER,
    Collection,
    cohorts,
    features_path,
    open_collection,
    read_collection,
    writes_drafts,
)
from tiprdc_fl.federation.collector import Answer, Collected, Traffic, collect
from tiprdc_fl.federation.contributor import Failure
from tiprdc_fl.models.runtime import read_model

POLL_SECONDS = 0.02
MOST_MEMORY = 2**45
MOST_REASON = 300  # characters of what a device says went wrong
NODES_SECONDS = 300.0  # a cold start of many actors on few cores takes minutes

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
    on_answer: Callable[[int, int], None],
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
                on_end(run_collection(grid, collection, on_answer, stop, nodes_of(collection)))
        finally:
            idle.set()

    return simulated


def nodes_of(collection: Collection) -> int:
    """Nodes of a simulation: one for each message in flight, and one more to ask where one of them failed."""
    return MESSAGES_PER_WORKER * collection.workers + 1


def run_collection(
    grid: Grid,
    collection: Collection,
    on_answer: Callable[[int, int], None] = lambda contributors, examples: None,
    stop: Event | None = None,
    nodes: int = 1,
) -> Collected:
    """Asks the contributors that are not stored yet, and stores their answers.

    Args:
        grid: Flower's way to the nodes.
        collection: what is asked of whom.
        on_answer: called after each answer with the contributors asked and the examples stored.
        stop: ends the collection early when it is set.
        nodes: to wait for before anybody is asked; each has one message at a time.

    Raises:
        Interrupted: ``stop`` was set; what had arrived is stored.
    """
    store, asked = open_collection(collection)
    traffic, stop = Traffic(), stop or Event()
    slices = [Slice(part) for part in cohorts(asked, collection)]
    exchange = Exchange(grid, _wait_for_nodes(grid, nodes, stop), collection, traffic, stop)
    if slices:  # every worker is ready, and has the extractor, before the clock runs
        list(replies(exchange, [Slice((), brings=True)] * min(collection.workers, len(slices))))
        traffic.asked_again = 0
    answers = replies(exchange, slices)
    collected = collect(len(asked), answers, store, Path(collection.folder) / "quarantine", on_answer)
    memory = traffic.worker_memory_bytes or None
    return replace(collected, worker_memory_bytes=memory, asked_again=traffic.asked_again)


@dataclass(frozen=True)
class Slice:
    """What one message asks for.

    Attributes:
        contributors: their ids.
        attempts: how often they were asked before.
        failed_on: the node that failed last; another one is asked where one is free.
        brings: whether the extractor is in the message.
    """

    contributors: tuple[int, ...]
    attempts: int = 0
    failed_on: int | None = None
    brings: bool = False


@dataclass(frozen=True)
class Exchange:
    """The way to the nodes.

    Attributes:
        grid: Flower's.
        nodes: ids of the nodes.
        collection: what is asked, and how.
        traffic: counts.
        stop: ends the wait for replies that will never come.
    """

    grid: Grid
    nodes: Sequence[int]
    collection: Collection
    traffic: Traffic
    stop: Event

    @cached_property
    def weights(self) -> bytes:
        """The extractor's file."""
        return Path(self.collection.request.extractor).read_bytes()

    @cached_property
    def model(self) -> bytes:
        """What the runtime runs, where that is not the extractor's file."""
        request = self.collection.request
        return read_model(Path(request.extractor), request.runtime)

    @cached_property
    def question(self) -> dict[str, Any]:
        """What every request says."""
        request = self.collection.request
        return {
            "extractor": hashlib.sha256(self.weights).hexdigest(),
            "runtime": request.runtime,
            "model": hashlib.sha256(self.model).hexdigest(),
            "source": json.dumps(asdict(request.source)),
            "tasks": list(request.tasks),
            "codec": request.codec,
            "alone": self.collection.alone,
            "store": str(features_path(self.collection.folder).absolute()) if self.drafts else "",
        }

    @cached_property
    def drafts(self) -> bool:
        """Whether workers may write into the store's folder."""
        return writes_drafts(self.collection)


def replies(exchange: Exchange, slices: Iterable[Slice]) -> Iterator[Answer]:
    """Asks every slice and yields the answers as they come.

    A bounded number of messages is in flight, each to a node of its own. A message that fails (a worker died) is
    sent again, ``collection.retries`` times; then its contributors have failed.

    Raises:
        Interrupted: ``stop`` was set.
    """
    waiting, pending, free = deque(slices), dict[str, tuple[Slice, int]](), deque(exchange.nodes)
    most = MESSAGES_PER_WORKER * exchange.collection.workers

    while waiting or pending:
        if exchange.stop.is_set():
            raise Interrupted
        while waiting and free and len(pending) < most:
            part = waiting.popleft()
            free.rotate(-(free[0] == part.failed_on))
            node = free.popleft()
            (message_id,) = exchange.grid.push_messages([_request(exchange, part, node)])
            pending[message_id] = part, node
        arrived = list(exchange.grid.pull_messages(list(pending)))
        for message in arrived:
            part, node = pending.pop(message.metadata.reply_to_message_id)
            free.append(node)
            again = _again(message, part, node, exchange)
            if again is not None:
                waiting.appendleft(again)
            else:
                yield _answer(message, part, exchange)
        if not arrived:
            exchange.stop.wait(POLL_SECONDS)


def _again(message: Message, part: Slice, node: int, exchange: Exchange) -> Slice | None:
    """What is to be asked once more after a reply: nothing where it answers, or failed once too often."""
    if message.has_error():
        if part.attempts == exchange.collection.retries:
            return None
        exchange.traffic.asked_again += 1
        return replace(part, attempts=part.attempts + 1, failed_on=node)
    # A worker that lacks the extractor; one that lacks it with the extractor in hand gives no answer.
    return replace(part, brings=True) if "missing" in message.content and not part.brings else None


def _request(exchange: Exchange, part: Slice, node: int) -> Message:
    question = ConfigRecord({**exchange.question, "contributors": list(part.contributors)})
    content = RecordDict({"request": question})
    if part.brings:
        content["extractor"] = ConfigRecord({"safetensors": exchange.weights, "model": exchange.model})
    return Message(content, node, "query.extract")


def _wait_for_nodes(grid: Grid, count: int, stop: Event) -> list[int]:
    """Ids of the nodes once ``count`` of them have registered: the server starts before they do."""
    until = time.monotonic() + NODES_SECONDS
    while len(nodes := sorted(grid.get_node_ids())) < count:
        if time.monotonic() > until:
            raise InputError(f"{len(nodes)} of {count} nodes registered within {NODES_SECONDS:.0f} s")
        if stop.wait(POLL_SECONDS):
            raise Interrupted
    return nodes


def _answer(message: Message, part: Slice, exchange: Exchange) -> Answer:
    """What a reply says of its slice."""
    if message.has_error():
        reason = " ".join(str(message.error.reason)[:MOST_REASON].split())
    else:
        try:
            return _parse(message, part, exchange)
        except Exception as error:  # of any kind: a reply comes from outside
            reason = f"the reply is malformed ({type(error).__name__})"
    failed = tuple(Failure(contributor, "message", reason) for contributor in part.contributors)
    return Answer(part.contributors, None, failed)


def _parse(message: Message, part: Slice, exchange: Exchange) -> Answer:
    record: Any = message.content.config_records["answer"]
    failures = []
    for line in record["failures"]:
        fields = json.loads(line)
        stage, reason = (str(fields[name])[:MOST_REASON] for name in ("stage", "reason"))
        failures.append(Failure(int(fields["contributor"]), stage, reason))
    contributions, peak = record["contributions"], int(record["peak_memory_bytes"])
    if not 0 <= peak <= MOST_MEMORY:
        raise ValueError("peak_memory_bytes are those of a machine")
    draft = record["draft"] if exchange.drafts else ""  # nobody else writes into the store's folder
    if not isinstance(contributions, bytes) or not isinstance(draft, str):
        raise TypeError("contributions are bytes, a draft is text")
    traffic = exchange.traffic
    traffic.worker_memory_bytes = max(traffic.worker_memory_bytes, peak)
    return Answer(part.contributors, contributions, tuple(failures), draft or None)
