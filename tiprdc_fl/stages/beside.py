"""Other protections beside the run's own: trained by the collector, applied to the same examples, measured alike.

A name in ``evaluation.controls`` that is neither random nor raw is such a protection. It has the run's settings;
where null stood for the default of the run's own protection, its own default counts. What it would send of the same
people is made as the control random's features are, and nobody sends it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tiprdc_fl.config.choices import filled, resolved
from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.data.examples import Examples, select
from tiprdc_fl.data.source import hold, renumber
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Per
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.report.schema import CertificateResult
from tiprdc_fl.stages.certificate import certificates
from tiprdc_fl.stages.library import keep, training_configuration, training_key
from tiprdc_fl.stages.representations import draw, drawing_order
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.stages.train import Trained, make, plan_of, protection_settings, trained_in
from tiprdc_fl.store.feature_store import FeatureStore, open_store
from tiprdc_fl.store.paths import EXTRACTOR

WITHOUT_TRAINING = ("random", "raw")  # controls that no protection has to be fitted for


def names_beside(config: Config) -> tuple[str, ...]:
    """Names of the protections that a configuration measures beside its own."""
    return tuple(name for name in config.evaluation.controls if name not in WITHOUT_TRAINING)


def config_beside(config: Config, name: str) -> Config:
    """The configuration with another protection, which has its own defaults.

    A key at the default of the run's own protection counts as null: ``load_config`` has filled it in.

    Args:
        config: of the run.
        name: of the other protection.
    """
    keys = flatten(config)
    own = resolved(PROTECTIONS[config.protection.name].defaults, keys)
    given = {key: None if key in own and own[key] == value else value for key, value in keys.items()}
    values = filled(given, resolved(PROTECTIONS[name].defaults, given))
    section = {key: values[f"protection.{key}"] for key in vars(config.protection)}
    return replace(config, protection=replace(config.protection, **section | {"name": name}))


def configs_beside(config: Config) -> Iterator[Config]:
    """The configuration with each of the protections beside its own.

    Raises:
        InputError: the run's own protection is among them.
    """
    for name in names_beside(config):
        if name == config.protection.name:
            raise InputError(
                f"evaluation.controls names {name}, which is what the run sends: leave it out, or set "
                "protection.name to another"
            )
        yield config_beside(config, name)


def labels_beside(config: Config) -> dict[str, str]:
    """What each protection beside the run's own is, with the values that matter, by name."""
    labels = {}
    for other in configs_beside(config):
        record = PROTECTIONS[other.protection.name]
        labels[other.protection.name] = ": ".join(
            filter(None, (record.label, record.describe(flatten(other))))
        )
    return labels


def train_beside(current: Run, per: Per) -> dict[str, Trained]:
    """What the devices of the protections beside would run, by name; made unless the run folder has it.

    Args:
        current: the run.
        per: what its own extractor sends an item for; the others do, too.

    Raises:
        InputError: a protection cannot be fitted to the collector's examples.
    """
    names = names_beside(current.config)
    if not all(current.folder.beside(name).extractor.exists() for name in names):
        with timed(current.folder, "collector examples"):
            examples = current.dataset.load(current.people.collector)
        _share_own_training(current, examples)
        held = replace(current, dataset=hold(current.dataset, examples))
        for name in names:
            _make_beside(held, name, per)
    return {name: trained_in(current.folder.beside(name)) for name in names}


def _make_beside(current: Run, name: str, per: Per) -> None:
    """Trains and fits one protection in its folder; its stages have a file of seconds of their own there."""
    folder, config = current.folder.beside(name), config_beside(current.config, name)
    if folder.extractor.exists():
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    config = replace(
        config,
        protection=replace(config.protection, per=per),
        training=replace(config.training, library=_library(current)),
    )
    current.console.print(f"beside: {name}", highlight=False, soft_wrap=True)
    with timed(current.folder, f"{name} beside"):
        make(replace(current, config=config, folder=folder, callbacks=()))


def _library(current: Run) -> str:
    """Where trainings are shared: the user's library, else one in the run folder."""
    return current.config.training.library or str(current.folder.trained_beside)


def _share_own_training(current: Run, examples: Examples) -> None:
    """Puts the run's own training where others find it, if they have the same."""
    train, config = PROTECTIONS[current.config.protection.name].train, current.config
    if train is None or not (current.folder.training / EXTRACTOR).is_file():
        return
    plan = train(plan_of(config, current.device), protection_settings(config), current.tasks)
    kept = Path(_library(current)) / training_key(current, plan, examples)
    if not (kept / EXTRACTOR).is_file():
        keep(current.folder.training, kept, training_configuration(current, plan, examples))


def certificates_beside(
    current: Run, beside: Mapping[str, Trained], stored: FeatureStore
) -> Iterator[CertificateResult]:
    """Certificates of the protections beside, over people among those whose examples the probes read.

    How many people are drawn until ``evaluation.max_examples`` are reached depends on them, so a certificate is of
    the first so many that are always among them.

    Args:
        current: the run.
        beside: what their devices would run, by name.
        stored: what the contributors have sent.
    """
    coded = {name: other for name, other in beside.items() if other.extractor.architecture.bits}
    if not coded:
        return
    settings, people = current.config.evaluation, np.unique(stored.keys.column("contributor").to_numpy())
    for name, other in coded.items():
        per = other.extractor.architecture.per
        most, each = settings.max_examples, 1 if per == "person" else settings.max_per_person
        certain = drawing_order(current, people)[: None if most is None else most // each]
        drawn = renumber(draw(current, people, most, inputs=False, per=per))
        sample = select(drawn, np.isin(drawn.people, certain))
        codes = open_store(current.folder.beside(name).features)
        yield from certificates(current, other, codes, name, sample)
