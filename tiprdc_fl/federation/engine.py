"""ENGINES: run a collection on Flower and Ray, or in this process; both call the same functions."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import Collection, cohorts, extractor_of, open_collection
from tiprdc_fl.federation.collector import Answer, Collected, collect
from tiprdc_fl.federation.contribution import pack
from tiprdc_fl.federation.contributor import contribute
from tiprdc_fl.federation.ray_cluster import (
    ACTOR,
    interrupt_sets,
    logs_in,
    session_logs,
    start_ray,
    watch_ray,
)
from tiprdc_fl.models.runtime import RUNTIMES, read_model
from tiprdc_fl.store.lance import sweep
from tiprdc_fl.store.paths import RunFolder

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp

COMMIT_SECONDS = 60.0  # time to commit what has arrived after an interrupt

# Called after each answer with the number of contributors asked and of examples stored.
OnAnswer = Callable[[int, int], None]


def run_inline(collection: Collection, on_answer: OnAnswer, dataset: Dataset | None = None) -> Collected:
    """Runs the collection in this process.

    Args:
        collection: what to collect from whom.
        on_answer: see OnAnswer.
        dataset: the contributors' dataset if it is open already; None opens the request's source.
    """
    request = collection.request
    extractor, model = extractor_of(request), read_model(Path(request.extractor), request.runtime)
    run = RUNTIMES[request.runtime].start(extractor, model)
    dataset = dataset or open_dataset(request.source)
    store, asked = open_collection(collection)

    def answers() -> Iterator[Answer]:
        for cohort in cohorts(asked, collection):
            contributions, failures = contribute(
                extractor=extractor,
                dataset=dataset,
                contributors=cohort,
                layout=store.layout,
                seed=request.source.seed,
                alone=collection.alone,
                run=run,
            )
            yield Answer(cohort, pack(contributions, store.layout), tuple(failures))

    return collect(
        asked=len(asked),
        answers=answers(),
        store=store,
        quarantine=RunFolder(Path(collection.folder)).quarantine,
        on_answer=on_answer,
    )


def run_flower(collection: Collection, on_answer: OnAnswer, app: "ClientApp | None" = None) -> Collected:
    """Runs the collection as a Flower simulation on Ray, with one actor for each worker.

    Args:
        collection: what to collect from whom.
        on_answer: see OnAnswer.
        app: ClientApp that does the contributors' work; None: ``client_app.app``.

    Raises:
        InputError: no Ray cluster answers at ``collection.ray_address``, or Ray or Flower ended before the
            collection was complete.
        KeyboardInterrupt: the user interrupted the collection. What had arrived is stored.
    """
    store, asked = open_collection(collection)
    if not asked:
        return Collected(0, 0, ())
    sweep(store.path)
    # Imported here because an inline run should not wait for Flower and Ray.
    from flwr.simulation import run_simulation

    from tiprdc_fl.federation import client_app
    from tiprdc_fl.federation.server_app import nodes_of, server_app

    outcome: list[Collected] = []
    stop, idle = Event(), Event()
    idle.set()
    with logs_in(RunFolder(Path(collection.folder)).logs) as ray_logs, interrupt_sets(stop):
        collection = replace(collection, workers=start_ray(collection))
        if collection.ray_address is None:  # a joined cluster's logs are its own, and may be large
            ray_logs.append(session_logs())
        dead = watch_ray(stop)
        try:
            run_simulation(
                server_app(collection, on_answer, outcome.append, stop, idle),
                app or client_app.app,
                num_supernodes=nodes_of(collection),
                backend_config={"client_resources": ACTOR},
            )
        finally:
            stopped = stop.is_set()
            stop.set()  # Flower's server thread outlives an exception in the main one
            idle.wait(COMMIT_SECONDS)
    if outcome:
        return outcome[0]
    if dead:
        raise InputError(
            f"Ray ended during the collection ({', '.join(dead)} died): what had arrived is stored, "
            "the same command resumes"
        )
    if stopped:
        raise KeyboardInterrupt
    raise InputError(
        f"Flower ended before the collection was complete; see {collection.folder}/logs/flower.log, "
        "then run the same command to resume"
    )


ENGINES: dict[str, Callable[[Collection, OnAnswer], Collected]] = {
    "flower": run_flower,
    "inline": run_inline,
}
