"""Certificates: what no adversary can exceed, where what is sent is one of few codes."""

from collections.abc import Iterator

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Examples, labels_of, rows_at
from tiprdc_fl.evaluation.certificate import certify, count_bucket, joint
from tiprdc_fl.models.fair_tree import code_numbers
from tiprdc_fl.report.schema import CertificateResult
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.stored import items
from tiprdc_fl.stages.train import Trained
from tiprdc_fl.store.feature_store import FeatureStore

DELTA = 0.05  # chance that a certificate fails


def certificates(
    current: Run,
    trained: Trained,
    stored: FeatureStore,
    representation: str = "features",
    sample: Examples | None = None,
) -> tuple[CertificateResult, ...]:
    """Certificates of each private attribute, over one item of each contributor, drawn at random.

    Contributors are people on whom nothing was fitted. There are none where what is sent is no code, or where
    contributors are not persons.

    Args:
        current: the run.
        trained: what made the codes.
        stored: the contributors' codes.
        representation: how the results are labelled.
        sample: the examples whose codes these are, drawn at random of each of the people certified, with the row
            numbers of the store; None: all of the dataset's.
    """
    architecture = trained.extractor.architecture
    if not architecture.bits or current.source.partition is not None:
        return ()
    keys = stored.keys
    if sample is not None:
        keys = keys.filter(np.isin(keys.column("contributor").to_numpy(), sample.people))
    if not len(keys):
        return ()
    contributors = keys.column("contributor").to_numpy()
    people, first, items_of = np.unique(contributors, return_index=True, return_counts=True)
    drawn = seeding.generator(current.config.seed, "certificate").random(len(people))
    keys = keys.take(first + (drawn * items_of).astype(np.int64))
    codes = code_numbers(stored.features(keys.column("position").to_numpy())).reshape(-1)
    everything = current.dataset.labels(people)
    counts = np.unique(everything.people, return_counts=True)[1]
    labels = [keys.column(f"task_{task}").to_numpy() for task in current.tasks]
    seen = np.stack([count_bucket(counts), *labels], axis=1)
    beside = np.unique(seen, axis=0, return_inverse=True)[1].ravel()
    shown = {
        "code": ([codes], [2**architecture.bits]),
        "code+labels": ([codes, beside], [2**architecture.bits, int(beside.max()) + 1]),
    }
    examples = items(everything if sample is None else sample, architecture.per)
    rows = rows_at(people, keys.column("row").to_numpy(), examples.people, examples.rows)
    private = labels_of(examples, current.private)[rows]
    return tuple(
        result
        for name, classes in zip(current.private, private.T, strict=True)
        for covers, (columns, sizes) in shown.items()
        for result in _certified(representation, name, covers, classes, *joint(columns, sizes))
    )


def _certified(
    representation: str, attribute: str, covers: str, classes: np.ndarray, joined: np.ndarray, values: int
) -> Iterator[CertificateResult]:
    """One certificate; none where a class has too few people."""
    found = certify(joined, classes, values, DELTA)
    if found is not None:
        yield CertificateResult.model_validate(
            {"representation": representation, "attribute": attribute, "covers": covers, **vars(found)}
        )
