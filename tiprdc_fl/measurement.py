"""Stage 3: what can be inferred from the stored features, and from the controls beside them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Fit, Rows, split_rows
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.data.source import hold
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
    learners = draw_learners(current)
    with timed(current.folder, "controls"):
        examples = current.dataset.load(learners)
        holdout = current.dataset.load(np.sort(current.people.holdout))
        pairs = representations(current, examples, holdout)
    settings = current.config.evaluation
    architecture = load_extractor(current.folder / "extractor.safetensors").architecture
    fit = Fit(
        settings.epochs,
        settings.batch_size,
        settings.learning_rate,
        current.config.seed,
        current.device,
        current.precision,
    )
    total = len(pairs) * fit.epochs * len(split_rows(examples.people, fit.seed)[0])
    results = []
    with timed(current.folder, "probes"), stage(current.console, "probes", total, "examples") as advance:
        for name, (rows, measured) in pairs.items():
            results += evaluate(name, architecture, rows, measured, fit, settings.bootstrap, advance)
    results += majority(*pairs["features"], settings.bootstrap, current.config.seed)
    write_json(path, result_rows(results, current.private))
    return result_rows(results, current.private)


def draw_learners(current: Run) -> np.ndarray:
    """Ids of the contributors whose examples probes learn from: whole people, drawn at random.

    People are taken until ``evaluation.max_examples`` are reached; null takes all.
    """
    store, _ = open_collection(collection_of(current, current.folder, current.people.contributors))
    people, counts = np.unique(store.keys.column("contributor").to_numpy(), return_counts=True)
    most = current.config.evaluation.max_examples
    order = seeding.generator(current.config.seed, "probe", "people").permutation(len(people))
    enough = len(people) if most is None else int(np.searchsorted(np.cumsum(counts[order]), most)) + 1
    return np.sort(people[order[:enough]])


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
        "features": (rows_of(current, sent, examples), rows_of(current, at_holdout, holdout)),
        "random": (rows_of(current, random, examples), rows_of(current, random_at_holdout, holdout)),
        "raw": (raw_rows(current, extractor, examples), raw_rows(current, extractor, holdout)),
    }


def extract(
    current: Run, name: str, extractor: Path, examples: Examples, advance: Callable[[int], None]
) -> FeatureStore:
    """Features of examples in memory, made as a contributor makes them, in a store of their own."""
    folder = current.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    collection = collection_of(current, folder, np.unique(examples.people), extractor)
    run_inline(collection, advance, hold(current.dataset, examples))
    return open_collection(collection)[0]


def rows_of(current: Run, store: FeatureStore, examples: Examples) -> Rows:
    """Rows of a store with the labels that came with them; private labels come from the oracle.

    Raises:
        InputError: the store does not hold exactly these examples of these people.
    """
    keys = store.keys.filter(np.isin(store.keys.column("contributor").to_numpy(), examples.people))
    people, rows = keys.column("contributor").to_numpy(), keys.column("row").to_numpy()
    if not (np.array_equal(people, examples.people) and np.array_equal(rows, examples.rows)):
        raise InputError(
            f"{store.path}: its {len(people)} rows are not the {len(examples)} examples of the data"
        )
    positions = keys.column("position").to_numpy()
    labels = {task: keys.column(f"task_{task}").to_numpy().astype(np.int64) for task in current.tasks}
    labels |= {name: examples.attributes[name].astype(np.int64) for name in current.private}
    return Rows(lambda chosen: store.features(positions[chosen]), people, labels)


def raw_rows(current: Run, extractor: Extractor, examples: Examples) -> Rows:
    """The examples themselves as rows."""
    names = (*current.tasks, *current.private)
    labels = {name: examples.attributes[name].astype(np.int64) for name in names}
    return Rows(batch_reader(extractor.architecture, examples.loaded), examples.people, labels)
