"""ENGINES: who carries out a collection, Flower on Ray or this process alone; the functions are the same."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import Collection, cohorts, open_collection
from tiprdc_fl.federation.collector import Answer, Collected, collect
from tiprdc_fl.federation.contribution import pack
from tiprdc_fl.federation.contributor import contribute
from tiprdc_fl.federation.ray_cluster import ACTOR, interrupt_sets, logs_in, start_ray, watch_ray
from tiprdc_fl.models.extractor import load_extractor
from tiprdc_fl.models.runtime import RUNTIMES, read_model
from tiprdc_fl.store.lance import sweep

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp

COMMIT_SECONDS = 60.0  # for what has arrived to be committed after an interrupt

Heard = Callable[
    [int, int], None
]  # called with the contributors asked and the examples stored of each answer


def run_inline(collection: Collection, on_answer: Heard, dataset: Dataset | None = None) -> Collected:
    """Every contributor in this process; from ``dataset`` when it is already open."""
    request = collection.request
    path = Path(request.extractor)
    extractor = load_extractor(path)
    run = RUNTIMES[request.runtime].start(extractor, read_model(path, request.runtime))
    dataset = dataset or open_dataset(request.source)
    store, asked = open_collection(collection)

    def answers() -> Iterator[Answer]:
        for part in cohorts(asked, collection):
            seed, alone = request.source.seed, collection.alone
            made = contribute(extractor, dataset, part, store.layout, seed, alone, run)
            yield Answer(part, pack(made[0], store.layout), tuple(made[1]))

    return collect(len(asked), answers(), store, Path(collection.folder) / "quarantine", on_answer)


def run_flower(collection: Collection, on_answer: Heard, app: "ClientApp | None" = None) -> Collected:
    """A Flower simulation on Ray, one actor a worker.

    Args:
        collection: what is asked of whom.
        on_answer: see ``Heard``.
        app: does the contributors' work; None: ``client_app.app``.

    Raises:
        InputError: there is no Ray cluster at ``collection.ray_address``, or Ray ended before the collection did.
    """
    store, asked = open_collection(collection)
    if not asked:
        return Collected(0, 0, ())
    sweep(store.path)
    # Imported here, so that an inline run does not wait for Flower and Ray.
    from flwr.simulation import run_simulation

    from tiprdc_fl.federation import client_app
    from tiprdc_fl.federation.server_app import nodes_of, server_app

    ended: list[Collected] = []
    stop, idle = Event(), Event()
    idle.set()
    with logs_in(Path(collection.folder) / "logs"), interrupt_sets(stop):
        collection = replace(collection, workers=start_ray(collection))
        dead = watch_ray(stop)
        try:
            run_simulation(
                server_app(collection, on_answer, ended.append, stop, idle),
                app or client_app.app,
                num_supernodes=nodes_of(collection),
                backend_config={"client_resources": ACTOR},
            )
        finally:
            stopped = stop.is_set()
            stop.set()  # Flower's server thread outlives an exception in the main one
            idle.wait(COMMIT_SECONDS)
    if not ended and dead:
        raise InputError(
            f"Ray ended during the collection ({', '.join(dead)} died): what had arrived is stored, "
            "the same command resumes"
        )
    if not ended and stopped:
        raise KeyboardInterrupt
    if not ended:
        raise InputError(f"Flower ended before the collection did; see {collection.folder}/logs/flower.log")
    return ended[0]


ENGINES: dict[str, Callable[[Collection, Heard], Collected]] = {
    "flower": run_flower,
    "inline": run_inline,
}
