"""What the framework costs over a bare PyTorch loop: ``python -m simulations.benchmarks.overhead RUN_DIR``.

Trains and extracts a sample of a run's own examples by the framework and by bare loops over the same
networks, in turns in one process, and prints the ratios. The rate of the run's collection stands beside them.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tiprdc_fl.data.examples import Examples
from tiprdc_fl.data.source import hold
from tiprdc_fl.errors import InputError, exit_status, leave
from tiprdc_fl.federation.contributor import contribute, layout_of
from tiprdc_fl.models.extractor import Extractor, batch_reader, forward, load_extractor, preprocess
from tiprdc_fl.models.runtime import extraction_threads
from tiprdc_fl.stages.prepare import open_data
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.stages.train import plan_of
from tiprdc_fl.store.paths import RunFolder
from tiprdc_fl.training.hybrid import build_players, hybrid_step
from tiprdc_fl.training.information import OBJECTIVES
from tiprdc_fl.training.loop import Plan, train_extractor, validation_rows
from tiprdc_fl.training.objectives import head_labels

PEOPLE = 100
TURNS = 3
LARGE_BATCH = 256


def trained_rate(examples: Examples, extractor: Extractor, plan: Plan) -> float:
    """Examples a second of one hybrid epoch by the framework."""
    with tempfile.TemporaryDirectory() as folder:
        return train_extractor(examples, extractor.architecture, plan, Path(folder))[-1][
            "examples_per_second"
        ]


def bare_training_rate(examples: Examples, extractor: Extractor, plan: Plan) -> float:
    """The same steps over batches that were prepared beforehand."""
    rows = np.flatnonzero(~validation_rows(examples.people, plan.seed))
    labels = np.stack([examples.attributes[name] for name in plan.private], axis=1)
    u, classes = head_labels(labels, [2] * len(plan.private), plan.heads)
    read = batch_reader(extractor.architecture, examples.loaded)
    batches = [(read(part), u[part]) for part in np.array_split(rows, max(1, len(rows) // plan.batch_size))]
    players = build_players(
        architecture=extractor.architecture,
        objective=OBJECTIVES[plan.objective],
        sample=batches[0][0],
        classes=classes,
        convolutions=plan.convolutions,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        device="cpu",
        adversaries=plan.adversaries,
        hiding=plan.hiding,
        optimiser=plan.optimiser,
    )
    start = perf_counter()
    for x, labels_of_batch in batches:
        order = torch.arange(len(x)).roll(1).expand(plan.negatives, -1)
        hybrid_step(players, x, labels_of_batch, order, plan.budget)
    return len(rows) / (perf_counter() - start)


def contributed_rate(examples: Examples, extractor: Extractor, loads: bool, run: Path) -> float:
    """Examples a second of contributors' work on one thread; with or without loading their examples."""
    _, dataset, _ = open_data(load_config(str(RunFolder(run).config), []))
    dataset = dataset if loads else hold(dataset, examples)
    start = perf_counter()
    contribute(extractor, dataset, np.unique(examples.people).tolist(), layout_of(extractor, "float16", []))
    return len(examples) / (perf_counter() - start)


def bare_extraction_rate(examples: Examples, extractor: Extractor) -> float:
    """Examples a second of the network alone, on large batches and as many threads."""
    prepared = preprocess(extractor.architecture, examples.loaded)
    with extraction_threads():
        start = perf_counter()
        for batch in prepared.split(LARGE_BATCH):
            forward(extractor, batch)
        return len(examples) / (perf_counter() - start)


def measure(run: Path) -> dict[str, float]:
    """Median rates over the turns; the first turn warms up and does not count."""
    config = load_config(str(RunFolder(run).config), [])
    extractor = load_extractor(RunFolder(run).extractor)
    _, dataset, people = open_data(config)
    examples = dataset.load(people.collector[:PEOPLE])
    plan = replace(plan_of(config, "cpu"), epochs=1, pretrain_epochs=0)
    turns = [
        {
            "training": trained_rate(examples, extractor, plan),
            "training, bare": bare_training_rate(examples, extractor, plan),
            "extraction with loading, one worker": contributed_rate(examples, extractor, True, run),
            "extraction, one worker": contributed_rate(examples, extractor, False, run),
            "extraction, bare": bare_extraction_rate(examples, extractor),
        }
        for _ in range(1 + TURNS)
    ][1:]
    rates = {name: float(np.median([turn[name] for turn in turns])) for name in turns[0]}
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return rates | {"collection of the run": report.federation.examples_per_second or float("nan")}


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    return exit_status(lambda: show(arguments, Console()), "interrupted")


def show(arguments: Sequence[str], console: Console) -> None:
    """Measures a run and prints the table.

    Raises:
        InputError: the arguments name no finished run.
    """
    if len(arguments) != 1 or not (Path(arguments[0]) / "report.json").is_file():
        raise InputError("usage: python -m simulations.benchmarks.overhead RUN_DIR, of a finished run")
    rates = measure(Path(arguments[0]))
    table = Table("examples a second", "rate", "ratio to the bare loop")
    for name, rate in rates.items():
        bare = rates["training, bare" if name.startswith("training") else "extraction, bare"]
        table.add_row(name, f"{rate:,.0f}", f"{rate / bare:.2f}")
    console.print(table)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
