"""Stage 3: what can be inferred from the stored features, and from the controls beside them."""

import json
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.attacks.reidentification import OwnedRows, reidentify
from tiprdc_fl.disk import reading, write_json
from tiprdc_fl.evaluation.groups import DeviceOf, by_group, groupings
from tiprdc_fl.evaluation.intervals import people_of
from tiprdc_fl.evaluation.matching import same_person
from tiprdc_fl.evaluation.paired import RowPredictions, paired_difference, save_predictions
from tiprdc_fl.evaluation.results import SET, Probed, Result, majority
from tiprdc_fl.evaluation.worst_off import worst_off
from tiprdc_fl.report.queries import beside_floor, pooled_row, strongest
from tiprdc_fl.report.schema import (
    Figure,
    Figures,
    FloorResult,
    GroupResult,
    ProbeResult,
    ReidentificationResult,
    WorstOffResult,
)
from tiprdc_fl.stages.beside import certificates_beside, train_beside
from tiprdc_fl.stages.certificate import certificates
from tiprdc_fl.stages.collect import CollectionResult
from tiprdc_fl.stages.current import code_digest
from tiprdc_fl.stages.probing import fit_of, learning_curve, probe_all
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.rebuild import reconstruction
from tiprdc_fl.stages.representations import Representation, Views, open_views
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.stages.train import Trained
from tiprdc_fl.store.withdrawal import nobody_withdraws, while_nobody_withdraws


def measure(
    current: Run, trained: Trained, collected: CollectionResult, device_of: DeviceOf | None = None
) -> Figures:
    """Stage 3: fresh probes on features and controls, measured on holdout people.

    Args:
        current: the run.
        trained: what made the features.
        collected: the features.
        device_of: people -> device classes; None where no devices are modelled.

    Returns:
        The figures: an earlier session's where the code that decides them is the same, and every metric that the
        caller asks for is in them.

    Raises:
        InputError: ``results.json`` is damaged, or a contributor has withdrawn since the features were read.
    """
    path, code = current.folder.results, code_digest("results")
    if path.exists():
        with reading(path):
            stored = json.loads(path.read_bytes())
            if stored.pop("code", None) == code:
                figures = Figures.model_validate(stored)
                if current.metrics.keys() <= figures.results[0].metrics.keys():
                    return figures
    with nobody_withdraws(current.folder.path, collected.withdrawn):
        figures = _measured(current, trained, collected, device_of)
    with while_nobody_withdraws(current.folder.path, collected.withdrawn):
        write_json(path, {"code": code, **figures.model_dump(mode="json")})
    return figures


def _measured(
    current: Run, trained: Trained, collected: CollectionResult, device_of: DeviceOf | None
) -> Figures:
    settings = current.config.evaluation
    beside = train_beside(current, trained.extractor.architecture.per)
    with timed(current.folder, "controls"):
        views = open_views(current, trained, collected.store, beside)
    fit, features = fit_of(current), views.shown["features"]
    probed = probe_all(current, views, fit, device_of)
    blind = majority(features.learned, features.measured, current.metrics, views.contributors)
    rows = result_rows([*(judged.result for judged in probed), *blind], current.private)
    best = _strongest(current, rows, probed)
    groups, worst = disparities(best, features.measured, current.config.seed, device_of)
    save_predictions(current.folder.predictions, _predictions(rows, probed, features.measured))
    return Figures(
        results=rows,
        beyond_floor=beyond_floor(rows, probed, features.measured, current.private),
        certificates=(
            *certificates(current, trained, collected.store),
            *certificates_beside(current, beside, collected.store),
        ),
        groups=groups,
        worst_off=worst,
        curve=learning_curve(current, views, fit),
        reconstruction=reconstruction(current, views, trained.extractor, fit)
        if settings.reconstruction
        else None,
        reidentification=reidentification(current, views) if _recognisable(current) else (),
    )


def result_rows(results: Sequence[Result], private: Sequence[str]) -> tuple[ProbeResult, ...]:
    """Results as the report has them, with the attribute's role."""
    rows = []
    for result in results:
        values = {**vars(result), **vars(result.scores)}
        del values["scores"]
        rows.append(ProbeResult(role="private" if result.attribute in private else "task", **values))
    return tuple(rows)


def _strongest(
    current: Run, rows: Sequence[ProbeResult], probed: Sequence[Probed]
) -> list[tuple[ProbeResult, Prediction]]:
    """The row of the strongest probe on the features and its predictions, for each attribute that has one."""
    best = [strongest(rows, name, "features") for name in (*current.private, *current.tasks)]
    places = [rows.index(row) for row in best if row is not None]
    return [(rows[place], probed[place].prediction) for place in places]


def _predictions(
    rows: Sequence[ProbeResult], probed: Sequence[Probed], measured: Rows
) -> dict[str, RowPredictions]:
    """What the strongest probes on the features infer of each holdout row, by attribute."""
    of_all = {name: _predicted(rows, probed, measured, name, "features") for name in measured.labels}
    return {name: predictions for name, predictions in of_all.items() if predictions is not None}


def _predicted(
    rows: Sequence[ProbeResult], probed: Sequence[Probed], measured: Rows, attribute: str, kind: str
) -> RowPredictions | None:
    """What the strongest probes on the representation ``kind`` infer of each holdout row; None without a figure."""
    single, pooled = strongest(rows, attribute, kind), pooled_row(rows, attribute, kind)
    if single is None:
        return None
    together = None
    if pooled is not None:
        logits = probed[rows.index(pooled)].prediction.balanced
        person = np.unique(measured.people, return_inverse=True)[1]
        together = logits[person] if pooled.probe.startswith(SET) else logits
    return RowPredictions(
        people=measured.people,
        labels=measured.labels[attribute],
        single=probed[rows.index(single)].prediction.balanced,
        pooled=together,
    )


def beyond_floor(
    rows: Sequence[ProbeResult], probed: Sequence[Probed], measured: Rows, private: Sequence[str]
) -> tuple[FloorResult, ...]:
    """What the features add to the label floor, of one example and per person, over the same people.

    Args:
        rows: of the report's results.
        probed: the probes behind the first of them, in their order.
        measured: of the holdout people.
        private: names of the private attributes.
    """
    found = []
    for attribute, per_person in product(private, (False, True)):
        kind = beside_floor(rows, attribute, per_person)
        pair = [_predicted(rows, probed, measured, attribute, one) for one in (kind, "metadata")]
        if pair[0] is None or pair[1] is None:
            continue
        added = paired_difference(pair[0], pair[1], pooled=per_person)
        if added is not None:
            found.append(
                FloorResult(
                    attribute=attribute,
                    per_person=per_person,
                    representation=kind,
                    added=Figure.model_validate(added),
                )
            )
    return tuple(found)


def _recognisable(current: Run) -> bool:
    """Whether re-identification can be asked for and is: where examples were dealt out an id is not a person's."""
    return current.config.evaluation.reidentification and current.source.partition is None


def disparities(
    best: Sequence[tuple[ProbeResult, Prediction]],
    measured: Rows,
    seed: int,
    device_of: DeviceOf | None,
) -> tuple[tuple[GroupResult, ...], tuple[WorstOffResult, ...]]:
    """Figures by group, and of the people worst off.

    Args:
        best: for each attribute a row of the report's results, and its probe's predictions of ``measured``.
        measured: of the holdout people.
        seed: of the resamples, the same as of those behind the results.
        device_of: people -> device classes; None where no devices are modelled.
    """
    people, divisions = people_of(measured.people), groupings(measured, device_of)
    groups, worst = [], []
    for row, prediction in best:
        named = {name: getattr(row, name) for name in ("attribute", "role", "probe", "learned_from")}
        labels = measured.labels[row.attribute]
        for division in divisions:
            own = division.group_by == row.attribute
            figures = by_group(prediction, labels, people, division, own, seed)
            groups += [GroupResult(**named, **vars(group)) for group in figures]
        tail = worst_off(prediction, labels, people, row.role == "private", seed)
        worst.append(WorstOffResult(**named, **vars(tail)))
    return tuple(groups), tuple(worst)


def reidentification(current: Run, views: Views) -> tuple[ReidentificationResult, ...]:
    """Whether an adversary who saw the contributors' ids tells that two contributions are one person's."""
    rows = []
    with (
        timed(current.folder, "re-identification"),
        stage(current.console, "same person?", len(views.shown), "views") as advance,
    ):
        for name, view in views.shown.items():
            if name != "raw" or current.dataset.modality != "text":  # words are no numbers to compare
                rows += _reidentified(current, name, view)
            advance(1)
    return tuple(rows)


def _reidentified(current: Run, name: str, view: Representation) -> Iterator[ReidentificationResult]:
    """Re-identification from one representation; nothing where nobody has two examples."""
    seed = current.config.seed
    matched = reidentify(
        OwnedRows(view.learned.read, view.learned.people),
        OwnedRows(view.measured.read, view.measured.people),
        seed,
    )
    if matched is None:
        return
    for unit in ("contribution", "example"):
        pairs = getattr(matched, unit)
        yield ReidentificationResult.model_validate(
            {
                "representation": name,
                "unit": unit,
                "roc_auc": same_person(pairs, len(matched.people)),
                "people": matched.usable,
                "pairs": len(pairs.scores),
            }
        )
