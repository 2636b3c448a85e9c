"""Stage 3: what can be inferred from the stored features, and from the controls beside them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import FEWEST_ROWS, Fit, Prediction, Rows
from tiprdc_fl.attacks.reidentification import Owned, auc, reidentify
from tiprdc_fl.attacks.suite import check_attacks
from tiprdc_fl.config.keys import Config
from tiprdc_fl.disk import write_json
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.bootstrap import interval, mean, resample
from tiprdc_fl.evaluation.faces_grid import grid
from tiprdc_fl.evaluation.groups import DeviceOf, by_group, groupings
from tiprdc_fl.evaluation.results import Probed, Result, evaluate, majority
from tiprdc_fl.evaluation.worst_off import worst_off
from tiprdc_fl.models.architecture import extracting
from tiprdc_fl.models.extractor import batch_reader
from tiprdc_fl.report.queries import result_rows, strongest
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.representations import Representation, Views, open_views
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.store.withdrawal import nobody_withdraws

DEFAULT_ATTACKS = {
    "image": ("table1", "linear", "mlp", "trees"),
    "text": ("table2", "linear", "mlp", "trees"),
}
FIGURES = ("results", "groups", "worst_off", "curve", "reconstruction", "reidentification")
SHOWN = 8  # faces in the picture of reconstructions, of as many people
DEFAULT_PROBES = {"image": ("table1", "linear"), "text": ("table2", "linear")}


def measure(current: Run, device_of: DeviceOf | None = None) -> dict[str, Any]:
    """Stage 3: fresh probes on features and controls, measured on holdout people.

    Args:
        current: the run.
        device_of: people -> device classes; None where no devices are modelled.

    Returns:
        FIGURES by name, see report.schema.json. Those of an earlier session, unless it was an earlier version's
        and lacks some: then everything is measured again, because nobody has kept what the probes said.
    """
    path = current.folder / "results.json"
    figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if all(name in figures for name in FIGURES):
        return figures
    with nobody_withdraws(current.folder):
        figures = _measured(current, device_of)
    write_json(path, figures)
    return figures


def _measured(current: Run, device_of: DeviceOf | None) -> dict[str, Any]:
    settings = current.config.evaluation
    with timed(current.folder, "controls"):
        views = open_views(current)
    fit, features = fit_of(current), views.shown["features"]
    found = _probed(current, views, fit)
    blind = majority(features.insider, features.measured, settings.bootstrap, current.config.seed)
    best = _strongest(current, found)
    return {
        "results": result_rows([*(one.result for one in found), *blind], current.private),
        **disparities(best, features.measured, settings.bootstrap, current.config.seed, device_of),
        "curve": learning_curve(current, features, fit),
        "reconstruction": reconstruction(current, views, fit) if settings.reconstruction else None,
        "reidentification": reidentification(current, views) if _recognisable(current) else [],
    }


def _strongest(current: Run, found: Sequence[Probed]) -> list[tuple[dict[str, Any], Prediction]]:
    """The row of the strongest probe on the features and what it predicts, for each attribute that has one."""
    rows = result_rows([one.result for one in found], current.private)
    best = [strongest(rows, name, "features") for name in (*current.private, *current.tasks)]
    places = [rows.index(row) for row in best if row is not None]
    return [(rows[place], found[place].prediction) for place in places]


def _recognisable(current: Run) -> bool:
    """Whether re-identification can be asked for and is: where examples were dealt out an id is not a person's."""
    return current.config.evaluation.reidentification and current.source.partition is None


def fit_of(current: Run) -> Fit:
    """How the configuration asks for probes to be trained."""
    settings = current.config.evaluation
    return Fit(
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        current.config.seed,
        current.device,
        current.precision,
    )


def attacks_of(current: Run) -> dict[str, tuple[str, ...]]:
    """Attribute -> probes: adversaries for private attributes, task models for tasks."""
    attacks, probes = chosen_attacks(current.config, current.dataset.modality)
    return dict.fromkeys(current.tasks, probes) | dict.fromkeys(current.private, attacks)


def chosen_attacks(config: Config, modality: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the adversaries and of the task models that a configuration asks for.

    Raises:
        InputError: one of them is not for the modality.
    """
    settings = config.evaluation
    if settings.reconstruction and modality != "image":
        raise InputError(
            "evaluation.reconstruction=true rebuilds images and the dataset holds text; leave it out"
        )
    attacks = tuple(settings.attacks or DEFAULT_ATTACKS[modality])
    probes = tuple(settings.probes or DEFAULT_PROBES[modality])
    check_attacks("evaluation.attacks", attacks, modality)
    check_attacks("evaluation.probes", probes, modality)
    return attacks, probes


def disparities(
    best: Sequence[tuple[dict[str, Any], Prediction]],
    measured: Rows,
    resamples: int,
    seed: int,
    device_of: DeviceOf | None,
) -> dict[str, list[dict[str, Any]]]:
    """Figures by group and of the people worst off: "groups" and "worst_off" of report.json.

    Args:
        best: for each attribute a row of the report's results, and what its probe says of ``measured``.
        measured: of the holdout people.
        resamples: of people behind each interval.
        seed: of the resamples, the same as of those behind the results.
        device_of: people -> device classes; None where no devices are modelled.
    """
    people, divisions = resample(measured.people, resamples, seed), groupings(measured, device_of)
    groups, worst = [], []
    for row, prediction in best:
        named = {name: row[name] for name in ("attribute", "role", "probe", "learned_from")}
        labels = measured.labels[row["attribute"]]
        for one in divisions:
            figures = by_group(prediction, labels, people, one, own=one.group_by == row["attribute"])
            groups += [named | asdict(group) for group in figures]
        worst.append(named | asdict(worst_off(prediction, labels, people, row["role"] == "private")))
    return {"groups": groups, "worst_off": worst}


def _probed(current: Run, views: Views, fit: Fit) -> list[Probed]:
    """Every probe on every representation: insiders and task models, then auxiliary adversaries."""
    settings, attacks = current.config.evaluation, attacks_of(current)
    features, results = views.shown["features"], []
    jobs = [
        (name, one, _wanted(current, one.insider) if one is features else one.insider, "contributors")
        for name, one in views.shown.items()
    ]
    if views.auxiliary is not None and "auxiliary" in settings.adversaries:
        jobs.append(("features", features, views.auxiliary, "collector"))
    with (
        timed(current.folder, "probes"),
        stage(current.console, "probes", len(jobs) * fit.steps, "batches") as advance,
    ):
        for name, one, rows, source in jobs:
            results += evaluate(
                *(name, one.architecture, rows, one.measured, attacks, fit, settings.bootstrap),
                on_batch=lambda: advance(1),
                learned_from=source,
            )
    return results


def _wanted(current: Run, rows: Rows) -> Rows:
    """The rows with the labels that somebody has: an insider knows private ones, the collector tasks."""
    if "insider" in current.config.evaluation.adversaries:
        return rows
    return replace(rows, labels={name: rows.labels[name] for name in current.tasks})


def learning_curve(current: Run, features: Representation, fit: Fit) -> list[dict[str, Any]]:
    """Leakage against the number of people whose labels an insider has; the fewer are among the more."""
    settings, attacks, found = current.config.evaluation, attacks_of(current), []
    if not settings.curve:
        return []
    rows = features.insider
    order = seeding.generator(current.config.seed, "curve").permutation(np.unique(rows.people))
    counts = np.cumsum([np.count_nonzero(rows.people == person) for person in order])
    sizes = [size for size in settings.curve if size < len(order) and counts[size - 1] >= FEWEST_ROWS]
    sizes.append(len(order))
    with (
        timed(current.folder, "curve"),
        stage(current.console, "curve", len(sizes) * fit.steps, "batches") as advance,
    ):
        for size in sizes:
            some = _rows_at(rows, np.flatnonzero(np.isin(rows.people, order[:size])), current.private)
            probed = evaluate(
                *("features", features.architecture, some, features.measured, attacks, fit),
                resamples=settings.bootstrap,
                on_batch=lambda: advance(1),
            )
            found += [{"people": size, **_curve_point(one.result)} for one in probed]
    return found


def _curve_point(result: Result) -> dict[str, Any]:
    kept = ("attribute", "probe", "learned_examples", "balanced_accuracy", "per_person")
    fields = asdict(result)
    return {name: fields[name] for name in kept}


def _rows_at(rows: Rows, chosen: np.ndarray, names: Sequence[str]) -> Rows:
    """Some of the rows, with some of the labels."""
    labels = {name: rows.labels[name][chosen] for name in names}
    return Rows(lambda indices: rows.read(chosen[indices]), rows.people[chosen], labels)


def reconstruction(current: Run, views: Views, fit: Fit) -> dict[str, Any]:
    """A decoder that learned from the collector's people rebuilds the holdout people's images."""
    from tiprdc_fl.attacks.likeness import Likeness
    from tiprdc_fl.attacks.reconstruction import Images, reconstruct

    features, own, holdout = views.shown["features"], views.collector, views.holdout
    if views.auxiliary is None or own is None:
        raise TypeError("views opened without the collector's features")
    plain = extracting(features.architecture)
    targets = [batch_reader(plain, examples.loaded) for examples in (own, holdout)]
    people = resample(holdout.people, current.config.evaluation.bootstrap, fit.seed)
    first = np.unique(holdout.people, return_index=True)[1][:SHOWN]
    with (
        timed(current.folder, "reconstruction"),
        stage(current.console, "decoder", fit.steps, "batches") as advance,
    ):
        found = reconstruct(
            Images(views.auxiliary.read, targets[0], own.people),
            Images(features.measured.read, targets[1], holdout.people),
            features.architecture,
            fit,
            on_batch=lambda: advance(1),
            shown=first,
        )
    save_pictures(current.folder, found.originals, found.pictures)

    def figures(likeness: Likeness) -> dict[str, Any]:
        return {name: asdict(mean(values, people)) for name, values in vars(likeness).items()}

    return {**figures(found.decoder), "blind": figures(found.blind), "ms_ssim_scales": found.scales}


def save_pictures(folder: Path, originals: Tensor, pictures: Tensor) -> None:
    """``reconstruction.npz`` (uint8 [k, 3, h, w] each) and the same side by side in ``reconstruction.png``."""
    np.savez_compressed(
        folder / "reconstruction.npz", original=originals.numpy(), reconstructed=pictures.numpy()
    )
    grid(originals, {"reconstructed": pictures}, folder / "reconstruction.png")


def reidentification(current: Run, views: Views) -> list[dict[str, Any]]:
    """Whether an adversary who saw the contributors' ids tells that two contributions are one person's."""
    settings, seed, rows = current.config.evaluation, current.config.seed, []
    with (
        timed(current.folder, "re-identification"),
        stage(current.console, "same person?", len(views.shown), "views") as advance,
    ):
        for name, one in views.shown.items():
            if name == "raw" and current.dataset.modality == "text":
                continue  # words are no numbers to compare
            found = reidentify(
                Owned(one.insider.read, one.insider.people),
                Owned(one.measured.read, one.measured.people),
                seed,
            )
            people = resample(one.measured.people, settings.bootstrap, seed)
            for unit in ("contribution", "example"):
                if found is None:  # nobody has two examples
                    break
                pairs = getattr(found, unit)
                figure = asdict(interval(auc(pairs, people.counts)))
                size = {"people": found.usable, "pairs": len(pairs.scores)}
                rows.append({"representation": name, "unit": unit, "roc_auc": figure, **size})
            advance(1)
    return rows
