"""Stage 1: what runs on the devices: trained now, found in a library, given as a file, or never trained."""

from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.data.examples import Examples, labels_of
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.disk import reading, write_bytes, write_copy, write_json
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor, batch_reader, from_bytes, load_extractor
from tiprdc_fl.models.text import build_vocabulary
from tiprdc_fl.protections import PROTECTIONS, Collected, Settings, apply_protection, settings_of
from tiprdc_fl.report.schema import Epoch, Origin, ReconstructionBound
from tiprdc_fl.stages.library import FILES, keep, training_configuration, training_key
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.store.paths import EXTRACTOR, HISTORY, RunFolder
from tiprdc_fl.training.loop import Plan, train_extractor, validation_rows

_HISTORY = TypeAdapter(tuple[Epoch, ...])


@dataclass(frozen=True)
class Trained:
    """What stage 1 hands on.

    Attributes:
        path: of the extractor's file.
        extractor: the frozen extractor, with the digest that names it.
        origin: where it comes from; None where this run trained it.
        history: figures of each epoch; empty where nothing was trained.
        bound: how near to an image anyone can come from what is sent; None where the protection does not say.
    """

    path: Path
    extractor: Extractor
    origin: Origin | None
    history: tuple[Epoch, ...]
    bound: ReconstructionBound | None


def train(current: Run) -> Trained:
    """Stage 1: the extractor and its training's figures, made unless the run folder has them.

    Raises:
        InputError: training is not possible, the library cannot be written, or a file of an earlier session is
            damaged.
    """
    folder, given = current.folder, current.config.training.extractor
    if not folder.extractor.exists():
        make(current) if given is None else _take(current, Path(given))
    return trained_in(folder)


def trained_in(folder: RunFolder) -> Trained:
    """What lies in a folder in which an extractor was made.

    Raises:
        InputError: a file is damaged.
    """
    with reading(folder.history):
        history = _HISTORY.validate_json(folder.history.read_bytes())
    return Trained(
        path=folder.extractor,
        extractor=load_extractor(folder.extractor),
        origin=_origin_of(folder),
        history=history,
        bound=_bound_of(folder),
    )


def make(current: Run) -> None:
    """Makes what the devices run, by the configuration's protection, in the run's folder."""
    folder = current.folder
    protection, settings = PROTECTIONS[current.config.protection.name], protection_settings(current.config)
    with timed(folder, "collector examples"):
        examples = current.dataset.load(current.people.collector)
        architecture = architecture_of(current, examples)
    encoder = None
    if protection.train is not None:
        plan = protection.train(plan_of(current.config, current.device), settings, current.tasks)
        encoder = _trained(current, plan, architecture, examples)
        write_copy(folder.training / HISTORY, folder.history)
    else:
        write_json(folder.history, [])
    collected = Collected(
        encoder=encoder,
        read=batch_reader(architecture, examples.loaded),
        examples=len(examples),
        private=labels_of(examples, current.private),
        seed=current.config.seed,
        names=tuple(current.private),
        people=examples.people,
        proxies=labels_of(examples, settings.proxies),
        per=settings.per,
    )
    with timed(folder, "extractor"):
        data = apply_protection(protection, settings, architecture, collected)
    if protection.certify is not None:
        with timed(folder, "reconstruction bound"):
            bound = protection.certify(from_bytes(data), collected)
        if bound is not None:
            write_json(folder.reconstruction_bound, asdict(bound))
    write_bytes(folder.extractor, data)  # last: it ends the stage


def protection_settings(config: Config) -> Settings:
    """The protection's settings that a configuration asks for."""
    return settings_of(flatten(config))


def plan_of(config: Config, device: str) -> Plan:
    """The training of TIPRDC that a configuration asks for."""
    settings = config.training
    return Plan(
        private=tuple(config.data.private or ()),
        budget=settings.budget,
        objective=settings.objective,
        epochs=settings.epochs,
        pretrain_epochs=settings.pretrain_epochs,
        pretraining=settings.pretraining,
        adversaries=settings.adversaries,
        hiding=settings.hiding,
        restarts=settings.restarts,
        pretrain_batch_size=settings.pretrain_batch_size,
        batch_size=settings.batch_size,
        pretrain_learning_rate=settings.pretrain_learning_rate,
        learning_rate=settings.learning_rate,
        optimiser=settings.optimiser,
        weight_decay=settings.weight_decay,
        decay_at=settings.decay_at,
        pairing=settings.pairing,
        negatives=settings.negatives,
        heads=settings.private_heads,
        convolutions=config.model.estimator_convs,
        seed=config.seed,
        device=device,
    )


def architecture_of(current: Run, examples: Examples) -> Architecture:
    """The extractor's architecture; a text's vocabulary is that of the collector's people alone."""
    model, data = current.config.model, current.config.data
    if current.dataset.modality == "image":
        return Architecture("image", model.width, image_size=data.image_size, precision=current.precision)
    inputs = examples.loaded
    messages = inputs if isinstance(inputs, list) else []
    vocabulary = build_vocabulary(messages, examples.people.tolist(), model.vocabulary_size)
    return Architecture(
        "text", model.width, vocabulary=vocabulary, max_tokens=model.max_tokens, precision=current.precision
    )


def check_given(path: str | None, source: DataSource, modality: str, rebuilt: bool = False) -> None:
    """Raises InputError unless the file given as ``training.extractor`` fits the dataset; None is none.

    Args:
        path: of the file.
        source: of the data.
        modality: "image" or "text".
        rebuilt: whether examples are to be rebuilt from what is sent.
    """
    if path is None:
        return
    given = load_extractor(Path(path)).architecture
    if (given.transform, given.noise) != ("extract", "none"):
        raise InputError(
            f"training.extractor={path} is of a baseline that does not send an extractor's features; set "
            "protection.name instead"
        )
    if rebuilt and given.per == "person":
        raise InputError(
            f"training.extractor={path} sends one item a person, and evaluation.reconstruction=true rebuilds "
            "examples; leave one of the two out"
        )
    if given.modality != modality:
        raise InputError(
            f"training.extractor={path} is for {given.modality}, data.name={source.name} holds {modality}: "
            "name an extractor of the same kind"
        )
    if modality == "image" and given.image_size != source.image_size:
        height, width = given.image_size
        raise InputError(
            f"training.extractor={path} takes images of {list(given.image_size)}, and data.image_size="
            f"{list(source.image_size)}: set data.image_size=[{height},{width}]"
        )


def _take(current: Run, path: Path) -> None:
    """Copies a trained extractor's file, which ``check_given`` has seen, into the run folder."""
    write_json(current.folder.origin, {"path": str(path), "digest": load_extractor(path).digest})
    write_json(current.folder.history, [])
    write_copy(path, current.folder.extractor)


def _trained(current: Run, plan: Plan, architecture: Architecture, examples: Examples) -> Extractor:
    """The extractor of a plan, from the library where it has been trained before."""
    folder, library = current.folder.training, current.config.training.library
    folder.mkdir(exist_ok=True)
    kept = None if library is None else Path(library) / training_key(current, plan, examples)
    if kept is not None and (kept / EXTRACTOR).is_file() and not (folder / EXTRACTOR).exists():
        digest = load_extractor(kept / EXTRACTOR).digest
        write_json(current.folder.origin, {"path": str(kept), "digest": digest})
        for name in reversed(FILES):  # the extractor last: it ends the training
            write_copy(kept / name, folder / name)
    if not (folder / EXTRACTOR).exists():
        _train_in(current, plan, architecture, examples, folder)
    if kept is not None and not (kept / EXTRACTOR).is_file():
        keep(folder, kept, training_configuration(current, plan, examples))
    encoder = load_extractor(folder / EXTRACTOR)
    if encoder.architecture != architecture:
        raise InputError(
            f"{folder}: the data has changed since this extractor was trained; use another run_dir"
        )
    return encoder


def _train_in(current: Run, plan: Plan, architecture: Architecture, examples: Examples, folder: Path) -> None:
    from tiprdc_fl.report.tensorboard import epoch_writer

    rows = int((~validation_rows(examples.people, plan.seed)).sum())
    total = rows * (plan.epochs + plan.pretrain_epochs)
    with (
        timed(current.folder, "training"),
        stage(current.console, "training", total, "examples") as advance,
        epoch_writer(current.folder.tensorboard) as write,
    ):

        def on_epoch(figures: dict[str, Any]) -> None:
            write(figures)
            for callback in current.callbacks:
                callback.on_epoch_end(deepcopy(figures))

        train_extractor(examples, architecture, plan, folder, advance, on_epoch)


def _origin_of(folder: RunFolder) -> Origin | None:
    """Where a run's extractor comes from when this run did not train it."""
    return Origin.model_validate_json(folder.origin.read_bytes()) if folder.origin.exists() else None


def _bound_of(folder: RunFolder) -> ReconstructionBound | None:
    """How near to an image anyone can come, where the protection says it.

    Raises:
        InputError: the file is damaged.
    """
    if not folder.reconstruction_bound.exists():
        return None
    with reading(folder.reconstruction_bound):
        return ReconstructionBound.model_validate_json(folder.reconstruction_bound.read_bytes())
