"""Contributors that do nothing, asked by the collection engine and by plain Flower.

What is measured with them is the engine: asking, carrying, validating, storing. No-op contributors of the engine
send one example each, made of zeros for all of a message together, which is stored; a node of plain Flower sends
an empty reply, which is thrown away. So the comparison is one of cohorts with nodes, not of contributors' work.
"""

import time
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from tiprdc_fl import seeding
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.federation.client_app import reply
from tiprdc_fl.federation.collection import Collection, Request
from tiprdc_fl.federation.contribution import Contributions, pack
from tiprdc_fl.federation.engine import run_flower
from tiprdc_fl.federation.ray_cluster import ACTOR
from tiprdc_fl.models.architecture import Architecture, build_extractor, feature_shape
from tiprdc_fl.models.extractor import to_bytes
from tiprdc_fl.store.codec import payload_unit
from tiprdc_fl.store.layout import STAGES, Layout

LIGHT = Architecture("image", 1, image_size=(32, 32))  # 256 bytes an example
HEAVY = Architecture("image", 32, image_size=(64, 64))  # 32 KB
CODEC, TASKS = "float16", ("Smiling",)

silent = ClientApp()  # plain Flower's node


def idle_app(architecture: Architecture) -> ClientApp:
    """The engine's node: an example of each contributor asked, of the shape of the architecture's features."""
    idle, shape = ClientApp(), feature_shape(architecture)

    @idle.query("extract")
    def answer(message: Message, context: Context) -> Message:
        request = message.content.config_records["request"]
        contributors = np.array(list(request["contributors"]), np.int64)  # pyright: ignore
        layout = Layout(str(request["extractor"]), CODEC, shape, TASKS)
        return reply(message, pack(zeros(contributors, shape), layout))

    return idle


@silent.query("extract")
def nothing(message: Message, context: Context) -> Message:
    """An empty reply."""
    return Message(RecordDict(), reply_to=message)


def zeros(contributors: np.ndarray, shape: tuple[int, ...]) -> Contributions:
    """Contributions of one example each, made of zeros."""
    count, unit = len(contributors), payload_unit(CODEC, shape)
    return Contributions(
        contributor=contributors,
        examples=np.ones(count, np.int32),
        seconds=np.zeros((count, len(STAGES))),
        payload=np.zeros(count * unit, np.uint8),
        payload_bytes=np.full(count, unit, np.int32),
        raw_bytes=np.zeros(count, np.int32),
        labels=np.zeros((count, len(TASKS)), np.int8),
    )


def ask_engine(folder: Path, contributors: int, workers: int, architecture: Architecture = LIGHT) -> float:
    """Seconds from the first request to the last commit of a collection from no-op contributors.

    What they send goes through the collector, which is what is measured.

    Raises:
        RuntimeError: somebody is missing.
    """
    seeding.seed_torch(0, "no-op")
    path = folder / "extractor.safetensors"
    path.write_bytes(to_bytes(build_extractor(architecture), architecture))
    request = Request(str(path), DataSource("faces", None, (32, 32), 0), TASKS, CODEC)
    collection = Collection(
        str(folder), request, tuple(range(contributors)), workers, retries=2, writer="collector"
    )
    collected = run_flower(collection, lambda asked, examples: None, idle_app(architecture))
    if collected.answered != contributors or collected.failures:
        raise RuntimeError(f"{collected.answered} of {contributors} no-op contributors answered")
    return collected.seconds


def ask_plainly(nodes: int, workers: int) -> float:
    """Seconds until plain Flower has asked as many nodes and has their replies, once Ray has started."""
    seconds: list[float] = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        while len(node_ids := list(grid.get_node_ids())) < nodes:
            time.sleep(0.1)
        for some in (node_ids[:workers], node_ids):  # the first of them start the workers
            start = time.perf_counter()
            messages = [Message(RecordDict({"q": ConfigRecord()}), node, "query.extract") for node in some]
            replies = list(grid.send_and_receive(messages))
            seconds.append(time.perf_counter() - start)
            if len(replies) != len(some) or any(reply.has_error() for reply in replies):
                raise RuntimeError("a no-op node of plain Flower failed")

    run_simulation(
        server,
        silent,
        num_supernodes=nodes,
        backend_config={
            "init_args": {"address": "local", "num_cpus": workers, "include_dashboard": False},
            "client_resources": ACTOR,
        },
    )
    return seconds[-1]
