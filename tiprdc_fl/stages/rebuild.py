"""Images rebuilt from the stored features, by a decoder and by inversion, and whether they show who it is."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.inversion import TRIAL_STEPS, Encode, Inversion, invert_rows
from tiprdc_fl.attacks.reconstruction import Images, Reconstructions, reconstruct
from tiprdc_fl.attacks.reidentification import OwnedRows
from tiprdc_fl.attacks.similarity import Similarity
from tiprdc_fl.attacks.verification import verify
from tiprdc_fl.evaluation.faces_grid import grid
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE, People, mean, people_of
from tiprdc_fl.evaluation.matching import same_person
from tiprdc_fl.models.architecture import RESTORED, extracting
from tiprdc_fl.models.extractor import Extractor, batch_reader
from tiprdc_fl.report.schema import (
    Figure,
    InversionResult,
    LikenessResult,
    ReconstructionResult,
    ShareFigure,
    VerificationResult,
)
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.representations import Views
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.store.paths import RunFolder

SHOWN = 8  # faces in the picture of reconstructions, of as many people


def reconstruction(current: Run, views: Views, extractor: Extractor, fit: Fit) -> ReconstructionResult:
    """Images of holdout people, rebuilt with what the collector learns from its own people.

    Args:
        current: the run.
        views: what stage 3 reads, with the collector's features.
        extractor: that made the features.
        fit: settings of a probe's training; the bound of the steps is ``evaluation.reconstruction_steps``.
    """
    own, measured = _images(views)
    fit = replace(fit, steps=current.config.evaluation.reconstruction_steps)
    shown = np.unique(measured.people, return_index=True)[1][:SHOWN]
    with (
        timed(current.folder, "reconstruction"),
        stage(current.console, "decoder", fit.steps, "batches") as advance,
    ):
        rebuilt = reconstruct(
            rows=own,
            measured=measured,
            architecture=views.shown["features"].architecture,
            fit=fit,
            on_batch=lambda: advance(1),
            shown=shown,
        )
    inversion = _inversion(current, extractor, own, measured, rebuilt, fit)
    _save_pictures(current.folder, rebuilt, inversion)
    people = people_of(measured.people)
    return ReconstructionResult(
        **_likeness(rebuilt.decoder, people),
        **vars(rebuilt.course.outcome),
        blind=LikenessResult(**_likeness(rebuilt.blind, people)),
        ms_ssim_scales=rebuilt.scales,
        inversion=None if inversion is None else _inverted(current, inversion, measured),
        verification=_verification(current, own, measured, rebuilt),
    )


def _images(views: Views) -> tuple[Images, Images]:
    """Features and images of the collector's people and of the holdout people."""
    features, own, holdout = views.shown["features"], views.collector, views.holdout
    if views.auxiliary is None or own is None:
        raise TypeError("views opened without the collector's features")
    plain = extracting(features.architecture)
    return (
        Images(views.auxiliary.read, batch_reader(plain, own.loaded), own.people),
        Images(features.measured.read, batch_reader(plain, holdout.loaded), holdout.people),
    )


def encoding(extractor: Extractor) -> Encode | None:
    """What maps images to features as the adversary sees them, with gradients; noise is not part of it.

    Components are restored to features. None where the device sends the image itself, raw or noisy: there is
    nothing to invert. None, too, where what is sent depends on the private class that the device states: an
    adversary would invert the map of each class in turn, which is not tried.
    """
    transform, network = extractor.architecture.transform, extractor.network
    if transform == "pass" or extractor.architecture.stated:
        return None
    if transform in RESTORED:
        return lambda x: network.restore(network(x))  # pyright: ignore[reportCallIssue]
    return network


def _inversion(
    current: Run, extractor: Extractor, own: Images, measured: Images, rebuilt: Reconstructions, fit: Fit
) -> Inversion | None:
    """Inverts the features of some holdout examples; None where there is nothing to invert."""
    encode = encoding(replace(extractor, network=copy.deepcopy(extractor.network).to(fit.device)))
    if encode is None:
        return None
    with (
        timed(current.folder, "inversion"),
        stage(current.console, "inversion", fit.steps + TRIAL_STEPS, "steps") as advance,
    ):
        return invert_rows(
            encode=encode,
            own=own,
            measured=measured,
            rebuild=rebuilt.rebuild,
            start=rebuilt.mean_image,
            fit=fit,
            on_step=lambda: advance(1),
        )


def _inverted(current: Run, inversion: Inversion, measured: Images) -> InversionResult:
    """The inversion's figures, over the people whose examples were inverted."""
    people = people_of(measured.people[inversion.rows])
    return InversionResult(
        **_likeness(inversion.inverted, people),
        **vars(inversion.course.outcome),
        decoder=LikenessResult(**_likeness(inversion.decoder, people)),
        examples=len(inversion.rows),
        strength=inversion.strength,
    )


def _verification(
    current: Run, own: Images, measured: Images, rebuilt: Reconstructions
) -> VerificationResult | None:
    """Whether rebuilt faces show who they are.

    None where contributors are not persons, or fewer than FEWEST_PEOPLE people have two examples.
    """
    if current.source.partition is not None:
        return None
    sides: dict[str, Callable[[np.ndarray], Tensor]] = {
        "rebuilt": rebuilt.rebuild,
        "raw": measured.target,
        "blind": lambda chosen: rebuilt.mean_image.expand(len(chosen), -1, -1, -1),
    }
    with timed(current.folder, "verification"):
        verified = verify(
            own=OwnedRows(own.target, own.people),
            measured=OwnedRows(measured.target, measured.people),
            sides=sides,
            seed=current.config.seed,
        )
    if verified is None or verified.usable < FEWEST_PEOPLE:
        return None
    areas = {
        name: ShareFigure.model_validate(same_person(pairs, len(np.unique(measured.people))))
        for name, pairs in verified.compared.items()
    }
    pairs = len(verified.compared["rebuilt"].scores)
    return VerificationResult(**areas, people=verified.usable, pairs=pairs)


def _likeness(similarity: Similarity, people: People) -> dict[str, Figure]:
    """Mean similarity over examples with its interval, by the figure's name."""
    return {name: Figure.model_validate(mean(values, people)) for name, values in vars(similarity).items()}


def _save_pictures(folder: RunFolder, rebuilt: Reconstructions, inversion: Inversion | None) -> None:
    """``reconstruction.npz`` (uint8 [k, 3, h, w] each) and the same side by side in ``reconstruction.png``."""
    columns = {"reconstructed": rebuilt.pictures}
    if inversion is not None:  # of the first example of each person, as those shown are
        columns["inverted"] = inversion.pictures[: len(rebuilt.pictures)]
    arrays: dict[str, Any] = {name: images.numpy() for name, images in columns.items()}
    np.savez_compressed(folder.reconstruction, original=rebuilt.originals.numpy(), **arrays)
    grid(rebuilt.originals, columns, folder.reconstruction_picture)
