"""What stage 3 reads: stored features, those of holdout and collector people, and the controls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import READ_BATCH, Rows
from tiprdc_fl.data.examples import Examples, pick, select
from tiprdc_fl.data.source import renumber
from tiprdc_fl.disk import write_bytes
from tiprdc_fl.federation.person_means import PersonMeans
from tiprdc_fl.models.architecture import Architecture, Per, extracting
from tiprdc_fl.models.extractor import Extractor, batch_reader, load_extractor, to_bytes
from tiprdc_fl.protections import untrained
from tiprdc_fl.stages.informed import Device, InformedView, Part, augmentations, open_informed
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.stored import extract, items, joined, rows_of
from tiprdc_fl.stages.train import Trained
from tiprdc_fl.store.feature_store import FeatureStore
from tiprdc_fl.store.paths import RunFolder


@dataclass(frozen=True)
class Representation:
    """One view of the same examples that probes may have.

    Attributes:
        architecture: says what the rows are.
        learned: rows of the contributors, then of the collector's people, with all labels.
        measured: rows of the holdout people.
        informed: what who knows the protection reads beside; None where nobody asks for it, and of controls.
    """

    architecture: Architecture
    learned: Rows
    measured: Rows
    informed: InformedView | None = None


@dataclass(frozen=True)
class Views:
    """Everything that stage 3 reads.

    Attributes:
        shown: representations by name: "features" (what was sent), protections beside by their names, and the
            controls "random" and "raw".
        contributors: number of the contributors' rows, the first of every ``learned``.
        auxiliary: the features of the collector's own people; None where neither an adversary nor the
            reconstruction needs them.
        collector: the collector's examples, in the order of ``auxiliary``.
        holdout: the holdout people's, in the order of every ``measured``.
        sizes: what is seen of each row of ``learned`` and of ``measured``, float [rows] by name: bytes of the raw
            example, and the logarithm of the number of all examples of its person.
    """

    shown: dict[str, Representation]
    contributors: int
    auxiliary: Rows | None
    collector: Examples | None
    holdout: Examples
    sizes: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def open_views(
    current: Run, trained: Trained, stored: FeatureStore, beside: Mapping[str, Trained] | None = None
) -> Views:
    """Reads and extracts everything that stage 3 needs, each once.

    "features" are those the contributors sent; "random" those of an untrained extractor, encoded and stored
    the same way; "raw" the examples themselves. Rows stand for the same examples in all of them.

    Args:
        current: the run.
        trained: what made the features.
        stored: the contributors' features.
        beside: what other protections' devices would run, by name.
    """
    config, extractor, beside = current.config, trained.extractor, beside or {}
    most, controls = config.evaluation.max_examples, config.evaluation.controls
    learners = np.unique(stored.keys.column("contributor").to_numpy())
    per = extractor.architecture.per
    examples = draw(current, learners, most, inputs=bool(controls), per=per)
    holdout = draw(current, current.people.holdout, None, per=per)
    asked = set(config.evaluation.adversaries)
    auxiliary = {"auxiliary", "both", "informed"} & asked or config.evaluation.reconstruction
    own = draw(current, current.people.collector, most, per=per) if auxiliary else None
    everybody = [examples] if own is None else [examples, own]
    measured_items, *learned_items = (len(items(part, per)) for part in (holdout, *everybody))
    total = measured_items + sum(learned_items[1:])  # the contributors' are stored
    total += (measured_items + sum(learned_items)) * (("random" in controls) + len(beside))
    if own is not None and "informed" in asked:
        devices = (extractor, *(other.extractor for other in beside.values()))
        total += learned_items[-1] * sum(len(augmentations(current, device)) for device in devices)
    with stage(current.console, "controls", total, "examples") as advance:
        at_holdout = extract(current, current.folder.holdout, trained.path, holdout, advance)
        measured = rows_of(current, at_holdout, renumber(holdout), extractor)
        learned, mine, informed = rows_of(current, stored, examples, extractor), None, None
        if own is not None:
            store = extract(current, current.folder.auxiliary, trained.path, own, advance)
            mine = rows_of(current, store, renumber(own), extractor)
            learned = joined(learned, mine)
            if "informed" in asked:
                device = Device(config.protection.name, trained.path, extractor, current.folder)
                parts = [Part(stored, examples), Part(store, renumber(own))]
                informed = open_informed(current, device, parts, Part(at_holdout, renumber(holdout)), advance)
        shown = {"features": Representation(extractor.architecture, learned, measured, informed)}
        for name, other in beside.items():
            folder = current.folder.beside(name)
            places = (folder, folder.auxiliary, folder.holdout)
            device = Device(name, other.path, other.extractor, folder) if "informed" in asked else None
            shown[name] = _extracted(current, other.path, places, everybody, holdout, advance, device)
        if "random" in controls:
            shown["random"] = _random(current, extractor, everybody, holdout, advance)
    if "raw" in controls and (per == "example" or current.dataset.modality == "image"):  # no mean of words
        raw = replace(extracting(extractor.architecture), transform="pass")
        parts = [raw_rows(current, extractor, part) for part in everybody]
        shown["raw"] = Representation(raw, joined(*parts), raw_rows(current, extractor, holdout))
    return Views(
        shown=shown,
        contributors=len(items(examples, per)),
        auxiliary=mine,
        collector=own,
        holdout=holdout,
        sizes=(_sizes(current, everybody, per), _sizes(current, [holdout], per)),
    )


def _sizes(current: Run, parts: Sequence[Examples], per: Per) -> dict[str, np.ndarray]:
    """Bytes of each raw example, and the logarithm of how many examples its person has, drawn or not.

    Who sends one item sends the bytes of all examples together, and not how many these are.
    """
    raw = np.concatenate([items(part, per).raw_bytes for part in parts])
    if per == "person":
        return {"raw bytes": raw}
    counts = []
    for part in parts:
        people = current.dataset.labels(np.unique(part.people)).people
        ids, number = np.unique(people, return_counts=True)
        counts.append(np.log(number)[np.searchsorted(ids, part.people)])
    return {"raw bytes": raw, "examples": np.concatenate(counts)}


def _random(
    current: Run,
    extractor: Extractor,
    learned: Sequence[Examples],
    holdout: Examples,
    advance: Callable[[int], None],
) -> Representation:
    """The control "random": features of an untrained extractor of the same architecture."""
    architecture = extracting(extractor.architecture)
    folder = current.folder
    folder.controls.mkdir(exist_ok=True)
    write_bytes(folder.untrained, to_bytes(untrained(architecture, current.config.seed), architecture))
    places = (folder.random, folder.random_auxiliary, folder.random_holdout)
    return _extracted(current, folder.untrained, places, learned, holdout, advance)


def _extracted(
    current: Run,
    path: Path,
    places: tuple[RunFolder, RunFolder, RunFolder],
    learned: Sequence[Examples],
    holdout: Examples,
    advance: Callable[[int], None],
    device: Device | None = None,
) -> Representation:
    """What another extractor makes of the same examples.

    Args:
        current: the run.
        path: of the extractor.
        places: where features of contributors, collector and holdout people go.
        learned: examples of contributors, and of the collector's people where these are read.
        holdout: examples of the holdout people.
        advance: called with the number of examples just done.
        device: what an informed adversary knows of it; None where nobody asks.
    """
    extractor, parts = load_extractor(path), []
    for place, examples in zip((*places[: len(learned)], places[-1]), (*learned, holdout), strict=True):
        parts.append(Part(extract(current, place, path, examples, advance), renumber(examples)))
    informed = device and open_informed(current, device, parts[:-1], parts[-1], advance)
    rows = [rows_of(current, part.store, part.examples, extractor) for part in parts]
    return Representation(extractor.architecture, joined(*rows[:-1]), rows[-1], informed)


def drawing_order(current: Run, people: np.ndarray) -> np.ndarray:
    """The people in the random order in which ``draw`` takes them."""
    return seeding.generator(current.config.seed, "probe", "people").permutation(np.sort(people))


def draw(
    current: Run, people: np.ndarray, most: int | None, inputs: bool = True, per: Per = "example"
) -> Examples:
    """Examples for probes: of people in random order, at most ``evaluation.max_per_person`` of each.

    A person may have written most messages of a corpus (chitchat). The cap keeps that person's traits from being
    most of what a probe learns or is measured on. Where a person sends one item, it is of all of that person's
    examples, and ``most`` is a number of people.

    Args:
        current: the run.
        people: ids to draw from.
        most: people are taken until this many examples are reached; None takes all.
        inputs: whether the raw examples are wanted, beside their labels.
        per: what an item is sent for.
    """
    seed, cap = current.config.seed, current.config.evaluation.max_per_person
    order = drawing_order(current, people)
    examples = current.dataset.labels(np.sort(order[:most]))
    if per == "person":
        return pick(current.dataset, examples.people, examples.rows) if inputs else examples
    ids, starts, counts = np.unique(examples.people, return_index=True, return_counts=True)
    if most is not None:
        taken = np.minimum(cap, counts[np.searchsorted(ids, order[:most])])
        order = order[: np.searchsorted(np.cumsum(taken), most) + 1]
    kept = np.zeros(len(examples), dtype=bool)
    for i in np.flatnonzero(np.isin(ids, order)):
        rows = np.arange(starts[i], starts[i] + counts[i])
        kept[seeding.generator(seed, "probe", "rows", ids[i]).permutation(rows)[:cap]] = True
    return (
        pick(current.dataset, examples.people[kept], examples.rows[kept])
        if inputs
        else select(examples, kept)
    )


def raw_rows(current: Run, extractor: Extractor, examples: Examples) -> Rows:
    """The examples themselves as rows, or the mean image of each person where a person sends one item."""
    architecture, names = extractor.architecture, (*current.tasks, *current.private)
    shown = items(examples, architecture.per)
    labels = {name: shown.attributes[name].astype(np.int64) for name in names}
    read = batch_reader(architecture, examples.loaded)
    if architecture.per == "example":
        return Rows(read, examples.people, labels)

    means = PersonMeans()
    for batch in np.array_split(np.arange(len(examples)), max(1, len(examples) // READ_BATCH)):
        means.add(read(batch), examples.people[batch])
    images = means.means()[0]
    return Rows(lambda chosen: images[torch.from_numpy(chosen)], shown.people, labels)
