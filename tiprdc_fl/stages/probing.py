"""The probes of stage 3: tasks and private attributes alike, by everybody whose labels an adversary may have."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, product

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.attacks.fitting import FEWEST_ROWS, Fit
from tiprdc_fl.attacks.probe import READ_BATCH, Candidate, Rows, Source, Trial
from tiprdc_fl.attacks.reduced import Reduce
from tiprdc_fl.attacks.reduction import as_it_is
from tiprdc_fl.attacks.suite import DEFAULT_ATTACKS, check_attacks, row_candidates, row_reduction
from tiprdc_fl.config.keys import Config
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.combined import combine
from tiprdc_fl.evaluation.groups import DeviceOf
from tiprdc_fl.evaluation.intervals import UNDEFINED, people_of
from tiprdc_fl.evaluation.metadata import metadata_rows
from tiprdc_fl.evaluation.results import (
    Metric,
    Probed,
    Result,
    as_person,
    candidates_of,
    evaluate,
    judge,
)
from tiprdc_fl.evaluation.sets import person_rows
from tiprdc_fl.evaluation.traits import is_trait
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.report.schema import CurvePoint
from tiprdc_fl.report.schema.values import ShareFigure
from tiprdc_fl.stages.beside import names_beside
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.representations import Representation, Views
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.stages.stored import joined

SOURCES = {
    "insider": "contributors",
    "auxiliary": "collector",
    "both": "both",
    "informed": "both",  # and it has a source of its own, see ``_informed``
}  # adversary -> whose labels it has
WIDEST = "both"  # the source that controls learn from, where there is one
FEWEST_PERSONS = 20  # to learn from sets
METADATA_PROBES = ("lda", "linear", "products", "trees")
SET_PROBES = ("lda", "linear", "products")
INFORMED = "informed"  # the source of who has everybody's labels and uses the protection
INFORMED_PROBES = ("lda", "linear", "kernel", "trees", "density")
AUGMENTED, MADE = (
    "augmented ",
    "made ",
)  # before a representation's name: what an informed adversary reads of it


def fit_of(current: Run) -> Fit:
    """How the configuration asks for probes to be trained."""
    settings = current.config.evaluation
    return Fit(
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=current.config.seed,
        device=current.device,
        precision=current.precision,
        restarts=settings.restarts,
    )


def chosen_attacks(config: Config, modality: str) -> tuple[str, ...]:
    """Names of the probes that a configuration asks for, the same for tasks and private attributes.

    Raises:
        InputError: one of them is not for the modality, or nobody has labels.
    """
    settings = config.evaluation
    if settings.reconstruction and modality != "image":
        raise InputError(
            "evaluation.reconstruction=true rebuilds images and the dataset holds text; leave it out"
        )
    if not any(adversary in SOURCES for adversary in settings.adversaries):
        raise InputError(
            f"evaluation.adversaries=[{','.join(settings.adversaries)}]: nobody among them has labels to learn "
            f"from; add one of {', '.join(SOURCES)}"
        )
    attacks = tuple(settings.attacks or DEFAULT_ATTACKS[modality])
    check_attacks("evaluation.attacks", attacks, modality)
    return attacks


def probe_all(current: Run, views: Views, fit: Fit, device_of: DeviceOf | None) -> list[Probed]:
    """Every probe of the features, of what travels with them, of both together, of sets, and of the controls."""
    adversaries, sources = current.config.evaluation.adversaries, sources_of(current, views)
    trials = _trials(current, views, sources)
    total = sum(len(trial.candidates) * len(trial.sources) for trial in trials.values())
    with timed(current.folder, "probes"), stage(current.console, "probes", total, "probes") as advance:
        by_trial = evaluate(trials, fit, lambda: advance(1), current.metrics)
        by_view = {name: _labelled(by_trial, name) for name in views.shown}
        if "set" in adversaries:
            for name in ("features", *names_beside(current.config)):
                by_view[name] += _sets(current, name, views.shown[name], _known(sources, name), fit)
        probed = by_view.pop("features")
        if "metadata" in adversaries:
            alone = _metadata(current, views, sources, fit, device_of)
            probed += [*alone, *_together(current, probed, alone, views.shown["features"], sources)]
    return [*probed, *chain.from_iterable(by_view.values())]


def _trials(current: Run, views: Views, sources: Mapping[str, Source]) -> dict[str, Trial]:
    """What is probed: each representation, and apart from it what an informed adversary reads of it.

    Apart, because rows are standardised together, and nobody else has those that are augmented.
    """
    names = chosen_attacks(current.config, current.dataset.modality)
    trials = {}
    for name, view in views.shown.items():
        known, candidates = _known(sources, name), candidates_of(view.architecture, names)
        trials[name] = Trial(candidates, view.learned, view.measured, known)
        informed = view.informed
        if informed is not None and informed.augmented is not None:
            rows = view.learned, informed.augmented, view.measured
            trials[AUGMENTED + name] = _informed(current, candidates, *rows, known)
        if informed is not None and informed.made is not None:
            made = informed.made
            candidates = row_candidates(INFORMED_PROBES, made.name)
            rows = made.learned, made.augmented, made.measured
            trials[MADE + name] = _informed(current, candidates, *rows, known)
    return trials


def _informed(
    current: Run,
    candidates: Mapping[str, Candidate],
    learned: Rows,
    augmented: Rows | None,
    measured: Rows,
    sources: Mapping[str, Source],
) -> Trial:
    """An informed adversary's probes, which learn from everybody's rows and beside them from those augmented."""
    everybody, further = np.arange(len(learned.people)), np.arange(0)
    if augmented is not None:
        learned, further = joined(learned, augmented), len(everybody) + np.arange(len(augmented.people))
    own = Source(everybody, (*current.tasks, *current.private), further)
    return Trial(candidates, learned, measured, {**_silent(sources), INFORMED: own})


def _known(sources: Mapping[str, Source], name: str) -> Mapping[str, Source]:
    """The sources that the probes of a representation have: those of controls have the widest alone."""
    return {WIDEST: sources[WIDEST]} if name != "features" and WIDEST in sources else sources


def _silent(sources: Mapping[str, Source]) -> dict[str, Source]:
    """The same sources, which ask nothing: they decide who validates, so that scores compare."""
    return {name: Source(source.rows, ()) for name, source in sources.items()}


def _labelled(by_trial: Mapping[str, list[Probed]], name: str) -> list[Probed]:
    """All results of a representation: everybody's, and those of who is informed."""
    informed = (by_trial.get(kind + name, []) for kind in (AUGMENTED, MADE))
    results = [replace(one, result=replace(one.result, representation=name)) for one in chain(*informed)]
    return by_trial[name] + results


def sources_of(current: Run, views: Views) -> dict[str, Source]:
    """Whose labels probes learn from: tasks and private attributes alike.

    Contributors send their task labels. Their private labels are known to an insider.
    """
    everybody = np.arange(len(views.shown["features"].learned.people))
    rows = {
        "contributors": everybody[: views.contributors],
        "collector": everybody[views.contributors :],
        "both": everybody,
    }
    asked = {SOURCES[name] for name in current.config.evaluation.adversaries if name in SOURCES}
    every = (*current.tasks, *current.private)
    sources = {name: Source(rows[name], every) for name in rows if name in asked}
    return {"contributors": Source(rows["contributors"], current.tasks), **sources}


def _private(sources: Mapping[str, Source], private: Sequence[str]) -> dict[str, Source]:
    """The same sources without the attributes that are not private.

    A source that then has none still decides who validates: predictions of features and of metadata are combined.
    """
    known = {name: [one for one in source.attributes if one in private] for name, source in sources.items()}
    return {name: Source(sources[name].rows, names) for name, names in known.items()}


def _metadata(
    current: Run, views: Views, sources: Mapping[str, Source], fit: Fit, device_of: DeviceOf | None
) -> list[Probed]:
    """Adversaries that see nothing of the features: the label floor, of examples and of people."""
    features, known = views.shown["features"], _private(sources, current.private)
    learned, measured = (
        metadata_rows(
            rows,
            current.tasks,
            _sizes(rows, known_sizes, current.dataset.modality),
            device_of,
            like=features.learned,
        )
        for rows, known_sizes in zip((features.learned, features.measured), views.sizes, strict=True)
    )
    metrics, trial = current.metrics, Trial(row_candidates(METADATA_PROBES), learned, measured, known)
    probed = evaluate({"metadata": trial}, fit, metrics=metrics)["metadata"]
    return probed + _of_people("metadata", learned, measured, as_it_is, known, fit, metrics)


def _sizes(rows: Rows, known: Mapping[str, np.ndarray], modality: str) -> dict[str, np.ndarray]:
    """What is known of each example's size, and of a message its length."""
    sizes = dict(known)
    if modality == "text":
        batches = np.array_split(np.arange(len(rows.people)), max(1, len(rows.people) // READ_BATCH))
        sizes["steps"] = np.concatenate(
            [valid_steps(rows.read(batch)).sum(dim=1).numpy() for batch in batches]
        )
    return sizes


def _sets(
    current: Run, name: str, view: Representation, sources: Mapping[str, Source], fit: Fit
) -> list[Probed]:
    """Adversaries that learn from all of a person's features at once, and from what informed ones make of these.

    Args:
        current: the run.
        name: of the representation.
        view: the representation.
        sources: whose labels there are.
        fit: settings of the training.
    """
    known, reduce = _private(sources, current.private), row_reduction(view.architecture)
    probed = _of_people(name, view.learned, view.measured, reduce, known, fit, current.metrics)
    made = view.informed and view.informed.made
    if made is None:
        return probed
    known = {**_silent(known), INFORMED: Source(np.arange(len(made.learned.people)), current.private)}
    rows = made.learned, made.measured
    return probed + _of_people(name, *rows, as_it_is, known, fit, current.metrics, made.name)


def _of_people(
    representation: str,
    learned: Rows,
    measured: Rows,
    reduce: Reduce,
    sources: Mapping[str, Source],
    fit: Fit,
    metrics: Mapping[str, Metric],
    prefix: str = "",
) -> list[Probed]:
    """Probes of one row a person, for the traits of people among the attributes."""
    traits = [name for name in learned.labels if is_trait(learned.labels[name], people_of(learned.people))]
    people = {name: np.unique(learned.people[source.rows]) for name, source in sources.items()}
    some, others = person_rows(learned, reduce), person_rows(measured, reduce)
    known = {
        name: Source(np.flatnonzero(np.isin(some.people, people[name])), attributes)
        for name, source in sources.items()
        if len(people[name]) >= FEWEST_PERSONS
        for attributes in [[attribute for attribute in source.attributes if attribute in traits]]
        if attributes or not source.attributes
    }
    if not any(source.attributes for source in known.values()):
        return []
    trial = Trial(row_candidates(SET_PROBES, prefix), some, others, known)
    return [as_person(one, metrics) for one in evaluate({representation: trial}, fit)[representation]]


def _together(
    current: Run,
    probed: Sequence[Probed],
    alone: Sequence[Probed],
    features: Representation,
    sources: Mapping[str, Source],
) -> list[Probed]:
    """For each source the strongest probe of the features together with the strongest of what travels with them.

    What travels along is public anyway: who is informed reads it as everybody's labels allow.
    """
    results, learned, measured = [], features.learned, features.measured
    beside = {**{name: name for name in sources}, INFORMED: WIDEST}
    for source, attribute in product(beside, current.private):
        pair = [_best(probed, attribute, source), _best(alone, attribute, beside[source])]
        if None in pair:
            continue
        first, second = (one for one in pair if one is not None)
        labels = learned.labels[attribute][first.prediction.validation_rows]
        rows = sources[beside[source]].rows
        known = learned.labels[attribute][rows]
        shares = np.bincount(known, minlength=first.prediction.balanced.shape[1]) + 1.0
        both = combine(first.prediction, second.prediction, labels, shares / shares.sum())
        key = (f"{first.result.probe}+{second.result.probe}", attribute, source)
        judged = judge("features+metadata", key, both, learned, measured, rows, current.metrics)
        # The weights are those of one example: pooled, what a person sends once would count with every example.
        of_examples = replace(judged.result, per_person=UNDEFINED, validation_per_person=None)
        results.append(replace(judged, result=of_examples))
    return results


def _best(probed: Sequence[Probed], attribute: str, source: str) -> Probed | None:
    """The probe of examples that does best on the validation people."""
    some = [
        one
        for one in probed
        if (one.result.attribute, one.result.learned_from) == (attribute, source)
        and one.result.validation is not None
    ]
    return max(some, key=lambda one: one.result.validation or 0.0, default=None)


def learning_curve(current: Run, views: Views, fit: Fit) -> tuple[CurvePoint, ...]:
    """Leakage against the number of people whose labels an insider has; the fewer are among the more."""
    settings, features = current.config.evaluation, views.shown["features"]
    if not settings.curve:
        return ()
    people = features.learned.people[: views.contributors]
    order = seeding.generator(current.config.seed, "curve").permutation(np.unique(people))
    sources = {}
    for size in (*(size for size in settings.curve if size < len(order)), len(order)):
        rows = np.flatnonzero(np.isin(people, order[:size]))
        if len(rows) >= FEWEST_ROWS:
            sources[str(size)] = Source(rows, current.private)
    names = chosen_attacks(current.config, current.dataset.modality)
    total = len(names) * len(sources)
    with timed(current.folder, "curve"), stage(current.console, "curve", total, "probes") as advance:
        candidates = candidates_of(features.architecture, names)
        trial = Trial(candidates, features.learned, features.measured, sources)
        probed = evaluate({"features": trial}, fit, lambda: advance(1))["features"]
    return tuple(_curve_point(probe.result) for probe in probed)


def _curve_point(result: Result) -> CurvePoint:
    return CurvePoint(
        people=int(result.learned_from),
        attribute=result.attribute,
        probe=result.probe,
        learned_examples=result.learned_examples,
        balanced_accuracy=ShareFigure.model_validate(result.scores.balanced_accuracy),
        per_person=ShareFigure.model_validate(result.per_person),
        validation=result.validation,
        validation_per_person=result.validation_per_person,
    )
