"""The Flower ServerApp: sends requests to the nodes and reads their replies as they arrive."""

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
from tiprdc_fl.store.paths import RunFolder

POLL_SECONDS = 0.02
MAX_MEMORY_BYTES = 2**45
MAX_REASON = 300  # characters kept of an error text that a device sends
NODES_SECONDS = 300.0  # a cold start of many actors on few cores takes minutes

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Runs the collection of the run folder named by ``run-dir`` in Flower's run configuration.

    Raises:
        InputError: ``run-dir`` is not set, or its folder holds no collection.
    """
    run_dir = str(context.run_config.get("run-dir", ""))
    if not run_dir:
        raise InputError(
            "run-dir is not set: set it to the run folder of tiprdc_fl.simulate whose collection is to run"
        )
    collected = run_collection(grid, read_collection(Path(run_dir)))
    log(INFO, "%d of %d contributors answered", collected.answered, collected.asked)


class Interrupted(Exception):
    """The collection was stopped before every contributor was asked."""


def server_app(
    collection: Collection,
    on_answer: Callable[[int, int], None],
    on_end: Callable[[Collected], None],
    stop: Event,
    idle: Event,
) -> ServerApp:
    """Returns a ServerApp that runs one collection in the process that started the simulation.

    Args:
        collection: what to collect from whom.
        on_answer: see ``run_collection``.
        on_end: called with the result when the collection is complete.
        stop: ends the collection early when it is set.
        idle: cleared while the ServerApp works, set when it has ended.
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
    """Number of simulated nodes: one for each message in flight, and a spare one for retries."""
    return MESSAGES_PER_WORKER * collection.workers + 1


def run_collection(
    grid: Grid,
    collection: Collection,
    on_answer: Callable[[int, int], None] = lambda contributors, examples: None,
    stop: Event | None = None,
    nodes: int = 1,
) -> Collected:
    """Asks the contributors that the store lacks, and stores their contributions.

    Args:
        grid: Flower's connection to the nodes.
        collection: what to collect from whom.
        on_answer: called after each message with the number of contributors asked and of examples stored.
        stop: ends the collection early when it is set.
        nodes: how many nodes must have registered before the first request.

    Raises:
        Interrupted: ``stop`` was set. What had arrived by then is stored.
        InputError: fewer nodes registered within NODES_SECONDS.
    """
    store, asked = open_collection(collection)
    traffic, stop = Traffic(), stop or Event()
    requests = [CohortRequest(cohort) for cohort in cohorts(asked, collection)]
    exchange = Exchange(grid, _wait_for_nodes(grid, nodes, stop), collection, traffic, stop)
    if requests:  # every worker is ready, and has the extractor, before the clock runs
        installation = CohortRequest((), carries_extractor=True)
        list(answers(exchange, [installation] * min(collection.workers, len(requests))))
        traffic.asked_again = 0
    collected = collect(
        asked=len(asked),
        answers=answers(exchange, requests),
        store=store,
        quarantine=RunFolder(Path(collection.folder)).quarantine,
        on_answer=on_answer,
    )
    memory = traffic.worker_memory_bytes or None
    return replace(collected, worker_memory_bytes=memory, asked_again=traffic.asked_again)


@dataclass(frozen=True)
class CohortRequest:
    """One message to a node: the cohort of contributors that it asks, and how it is sent.

    Attributes:
        contributors: ids of the cohort.
        attempts: how often this cohort was asked before.
        failed_node: id of the node that failed last. A retry prefers another node.
        carries_extractor: whether the message contains the extractor.
    """

    contributors: tuple[int, ...]
    attempts: int = 0
    failed_node: int | None = None
    carries_extractor: bool = False


@dataclass(frozen=True)
class Exchange:
    """The exchange of messages between the collector and the nodes.

    Attributes:
        grid: Flower's connection to the nodes.
        nodes: ids of the nodes.
        collection: what to collect from whom.
        traffic: counters, updated while messages travel.
        stop: when it is set, the exchange waits for no further reply.
    """

    grid: Grid
    nodes: Sequence[int]
    collection: Collection
    traffic: Traffic
    stop: Event

    @cached_property
    def weights(self) -> bytes:
        """Bytes of the extractor's file."""
        return Path(self.collection.request.extractor).read_bytes()

    @cached_property
    def model(self) -> bytes:
        """Bytes of the model that the runtime loads, empty if it loads the extractor's file."""
        request = self.collection.request
        return read_model(Path(request.extractor), request.runtime)

    @cached_property
    def request_fields(self) -> dict[str, Any]:
        """Fields that are the same in every request of this collection."""
        request = self.collection.request
        return {
            "extractor": hashlib.sha256(self.weights).hexdigest(),
            "runtime": request.runtime,
            "model": hashlib.sha256(self.model).hexdigest(),
            "source": json.dumps(asdict(request.source)),
            "tasks": list(request.tasks),
            "codec": request.codec,
            "plugins": list(request.plugins),
            "alone": self.collection.alone,
            "store": str(features_path(self.collection.folder).absolute()) if self.drafts else "",
        }

    @cached_property
    def drafts(self) -> bool:
        """Whether workers may write drafts into the store's folder."""
        return writes_drafts(self.collection)


def answers(exchange: Exchange, requests: Iterable[CohortRequest]) -> Iterator[Answer]:
    """Sends every request and yields the answers in the order of their arrival.

    At most MESSAGES_PER_WORKER messages a worker are in flight, each to a different node. A message that fails
    (its worker died) is sent again up to ``collection.retries`` times. After that its contributors count as failed.

    Raises:
        Interrupted: ``stop`` was set.
    """
    waiting, free_nodes = deque(requests), deque(exchange.nodes)
    pending: dict[str, tuple[CohortRequest, int]] = {}
    max_in_flight = MESSAGES_PER_WORKER * exchange.collection.workers

    while waiting or pending:
        if exchange.stop.is_set():
            raise Interrupted
        while waiting and free_nodes and len(pending) < max_in_flight:
            request = waiting.popleft()
            free_nodes.rotate(-(free_nodes[0] == request.failed_node))
            node = free_nodes.popleft()
            (message_id,) = exchange.grid.push_messages([_to_message(exchange, request, node)])
            pending[message_id] = request, node
        replies = list(exchange.grid.pull_messages(list(pending)))
        for reply in replies:
            request, node = pending.pop(reply.metadata.reply_to_message_id)
            free_nodes.append(node)
            retry = _retry(reply, request, node, exchange)
            if retry is not None:
                waiting.appendleft(retry)
            else:
                yield _to_answer(reply, request, exchange)
        if not replies:
            exchange.stop.wait(POLL_SECONDS)


def _retry(reply: Message, request: CohortRequest, node: int, exchange: Exchange) -> CohortRequest | None:
    """The request to send after this reply; None if the reply is an answer or the last permitted failure."""
    if reply.has_error():
        if request.attempts == exchange.collection.retries:
            return None
        exchange.traffic.asked_again += 1
        return replace(request, attempts=request.attempts + 1, failed_node=node)
    # The worker lacks the extractor. If the request carried it, asking again would not help: the reply is
    # malformed.
    lacks_extractor = "missing" in reply.content and not request.carries_extractor
    return replace(request, carries_extractor=True) if lacks_extractor else None


def _to_message(exchange: Exchange, request: CohortRequest, node: int) -> Message:
    fields = {**exchange.request_fields, "contributors": list(request.contributors)}
    content = RecordDict({"request": ConfigRecord(fields)})
    if request.carries_extractor:
        content["extractor"] = ConfigRecord({"safetensors": exchange.weights, "model": exchange.model})
    return Message(content, node, "query.extract")


def _wait_for_nodes(grid: Grid, count: int, stop: Event) -> list[int]:
    """Ids of the nodes, once ``count`` of them have registered; the ServerApp starts before they do.

    Raises:
        InputError: fewer registered within NODES_SECONDS.
        Interrupted: ``stop`` was set.
    """
    until = time.monotonic() + NODES_SECONDS
    while len(nodes := sorted(grid.get_node_ids())) < count:
        if time.monotonic() > until:
            raise InputError(
                f"{len(nodes)} of {count} nodes registered within {NODES_SECONDS:.0f} s: see logs/flower.log in "
                "the run folder, and run the same command again"
            )
        if stop.wait(POLL_SECONDS):
            raise Interrupted
    return nodes


def _to_answer(reply: Message, request: CohortRequest, exchange: Exchange) -> Answer:
    """The answer in a reply; a failure of every contributor of the cohort if the reply is an error or malformed."""
    if reply.has_error():
        reason = " ".join(str(reply.error.reason)[:MAX_REASON].split())
    else:
        try:
            return _parse(reply, request, exchange)
        except Exception as error:  # of any kind: a reply comes from outside
            reason = f"the reply is malformed ({type(error).__name__})"
    failures = tuple(Failure(contributor, "message", reason) for contributor in request.contributors)
    return Answer(request.contributors, None, failures)


def _parse(reply: Message, request: CohortRequest, exchange: Exchange) -> Answer:
    record: Any = reply.content.config_records["answer"]
    failures = tuple(_parse_failure(line) for line in record["failures"])
    contributions, peak = record["contributions"], int(record["peak_memory_bytes"])
    if not 0 <= peak <= MAX_MEMORY_BYTES:
        raise ValueError("peak_memory_bytes is not the memory of a machine")
    draft = (
        record["draft"] if exchange.drafts else ""
    )  # where drafts are off, nobody may name a file of the store
    if not isinstance(contributions, bytes) or not isinstance(draft, str):
        raise TypeError("contributions must be bytes and draft must be text")
    traffic = exchange.traffic
    traffic.worker_memory_bytes = max(traffic.worker_memory_bytes, peak)
    return Answer(request.contributors, contributions, failures, draft or None)


def _parse_failure(line: str) -> Failure:
    fields = json.loads(line)
    stage, reason = (str(fields[name])[:MAX_REASON] for name in ("stage", "reason"))
    return Failure(int(fields["contributor"]), stage, reason)
