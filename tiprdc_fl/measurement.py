"""Stage 3: what can be inferred from the stored features, and from the controls beside them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Fit, Rows
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.data.source import hold, renumber, select
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation import evaluate, majority
from tiprdc_fl.federation.collector import open_collection
from tiprdc_fl.federation.engine import run_inline
from tiprdc_fl.models.architecture import build_extractor
from tiprdc_fl.models.extractor import Extractor, batch_reader, load_extractor, to_bytes
from tiprdc_fl.report.progress import stage
from tiprdc_fl.report.schema import result_rows
from tiprdc_fl.run_folder import timed, write_json
from tiprdc_fl.stages import Run, collection_of
from tiprdc_fl.store import FeatureStore


def measure(current: Run) -> list[dict[str, Any]]:
    """Stage 3: fresh probes on features and controls, measured on holdout people."""
    path = current.folder / "results.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    settings, config = current.config.evaluation, current.config
    with timed(current.folder, "controls"):
        stored = open_collection(collection_of(current, current.folder, current.people.contributors))[0]
        learners = np.unique(stored.keys.column("contributor").to_numpy())
        examples = draw(current, learners, settings.max_examples)
        pairs = representations(current, examples, draw(current, current.people.holdout, None))
    architecture = load_extractor(current.folder / "extractor.safetensors").architecture
    fit = Fit(
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        config.seed,
        current.device,
        current.precision,
    )
    results = []
    with (
        timed(current.folder, "probes"),
        stage(current.console, "probes", len(pairs) * fit.steps, "batches") as advance,
    ):
        for name, (rows, measured) in pairs.items():
            results += evaluate(
                name, architecture, rows, measured, fit, settings.bootstrap, lambda: advance(1)
            )
    results += majority(*pairs["features"], settings.bootstrap, config.seed)
    write_json(path, result_rows(results, current.private))
    return result_rows(results, current.private)


def draw(current: Run, people: np.ndarray, most: int | None) -> Examples:
    """Examples for probes: of people in random order, at most ``evaluation.max_per_person`` of each.

    One person's messages may be most of a corpus (chitchat), and a trait of theirs must not be most of what a
    probe learns or is measured on.

    Args:
        current: the run.
        people: ids to draw from.
        most: people are taken until this many examples are reached; None takes all.
    """
    seed, cap = current.config.seed, current.config.evaluation.max_per_person
    order = seeding.generator(seed, "probe", "people").permutation(np.sort(people))
    if most is not None:
        counts = np.array([min(cap, len(current.dataset.labels([person]))) for person in order[:most]])
        order = order[: np.searchsorted(np.cumsum(counts), most) + 1]
    examples = current.dataset.load(np.sort(order))
    kept = np.zeros(len(examples), dtype=bool)
    for person in order:
        rows = np.flatnonzero(examples.people == person)
        kept[seeding.generator(seed, "probe", "rows", person).permutation(rows)[:cap]] = True
    return select(examples, kept)


def representations(current: Run, examples: Examples, holdout: Examples) -> dict[str, tuple[Rows, Rows]]:
    """What probes learn from and are measured on: the features, and the controls beside them.

    "features" are those the contributors sent; "random" those of an untrained extractor, encoded and stored
    the same way; "raw" the examples themselves. Rows stand for the same examples in all of them.
    """
    folder, extractor = current.folder, load_extractor(current.folder / "extractor.safetensors")
    untrained = folder / "controls" / "untrained.safetensors"
    untrained.parent.mkdir(exist_ok=True)
    seeding.seed_torch(current.config.seed, "untrained")
    untrained.write_bytes(to_bytes(build_extractor(extractor.architecture), extractor.architecture))
    sent, _ = open_collection(collection_of(current, folder, current.people.contributors))
    with stage(current.console, "controls", len(examples) + 2 * len(holdout), "examples") as advance:
        at_holdout = extract(current, "holdout", folder / "extractor.safetensors", holdout, advance)
        random = extract(current, "controls/random", untrained, examples, advance)
        random_at_holdout = extract(current, "controls/random_holdout", untrained, holdout, advance)
    return {
        "features": (rows_of(current, sent, examples), rows_of(current, at_holdout, renumber(holdout))),
        "random": (
            rows_of(current, random, renumber(examples)),
            rows_of(current, random_at_holdout, renumber(holdout)),
        ),
        "raw": (raw_rows(current, extractor, examples), raw_rows(current, extractor, holdout)),
    }


def extract(
    current: Run, name: str, extractor: Path, examples: Examples, advance: Callable[[int], None]
) -> FeatureStore:
    """Features of examples in memory, made as a contributor makes them, in a store of their own."""
    folder = current.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    collection = collection_of(current, folder, np.unique(examples.people), extractor)
    collected = run_inline(collection, advance, hold(current.dataset, renumber(examples)))
    if collected.failures:
        failure = collected.failures[0]
        raise InputError(f"{name}: person {failure.contributor} failed, {failure.stage}: {failure.reason}")
    return open_collection(collection)[0]


def rows_of(current: Run, store: FeatureStore, examples: Examples) -> Rows:
    """Rows of a store with the labels that came with them; private labels come from the oracle.

    Raises:
        InputError: the store lacks some of these examples.
    """
    wanted = _key(examples.people, examples.rows)
    keys = store.keys.filter(np.isin(_key(store.keys["contributor"], store.keys["row"]), wanted))
    if len(keys) != len(examples):
        raise InputError(f"{store.path}: holds {len(keys)} of the {len(examples)} examples that the data has")
    people = keys.column("contributor").to_numpy()
    positions = keys.column("position").to_numpy()
    labels = {task: keys.column(f"task_{task}").to_numpy().astype(np.int64) for task in current.tasks}
    labels |= {name: examples.attributes[name].astype(np.int64) for name in current.private}
    return Rows(lambda chosen: store.features(positions[chosen]), people, labels)


def _key(people: Any, rows: Any) -> np.ndarray:
    """(person, row) as one number; both stores and examples are ordered by it."""
    return np.asarray(people).astype(np.int64) * 2**31 + np.asarray(rows)


def raw_rows(current: Run, extractor: Extractor, examples: Examples) -> Rows:
    """The examples themselves as rows."""
    names = (*current.tasks, *current.private)
    labels = {name: examples.attributes[name].astype(np.int64) for name in names}
    return Rows(batch_reader(extractor.architecture, examples.loaded), examples.people, labels)
