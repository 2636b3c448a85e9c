"""Images rebuilt from the features (Figure 5): ``python -m simulations.reconstruction [key=value ...]``."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.figures import Column, Report, Row, best, floor, private_of, span
from simulations.common.output import Outcome
from simulations.common.pictures import TEXT
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import budget_cases, figure_key, floor_column
from tiprdc_fl.config.keys import Config
from tiprdc_fl.errors import InputError
from tiprdc_fl.report.schema import Converging, InversionResult, VerificationResult
from tiprdc_fl.store.paths import RunFolder

FIGURES = ("ssim", "ms_ssim", "psnr")
_TITLES = {"ssim": "SSIM", "ms_ssim": "MS-SSIM", "psnr": "PSNR\nin dB"}
PICTURES = 6  # people in the picture


def _cases(config: Config, options: Options) -> list[Case]:
    return budget_cases()


def _columns(config: Config) -> list[Column]:
    return [
        Column("budget", "budget", "label"),
        *(Column(name, _TITLES[name], "number") for name in FIGURES),
        *(Column(f"blind_{name}", f"blind\n{_TITLES[name]}", "number") for name in FIGURES),
        Column("steps", "steps", "count", terminal=False),
        Column("converged", "con-\nverged", "note"),
        Column("inversion_ssim", "inversion\nSSIM", "number"),
        Column("inversion_decoder_ssim", "decoder\nthere", "number", terminal=False),
        Column("inversion_converged", "inversion\nconverged", "note", terminal=False),
        Column("verification", "rebuilt\nface"),
        Column("verification_raw", "raw\nface"),
        *(column for name in config.data.private or [] for column in _leakage_columns(name)),
    ]


def _leakage_columns(name: str) -> tuple[Column, Column]:
    return Column(figure_key("private", name), f"leakage\n{name}"), floor_column(name)


def _measure(case: Case, report: Report) -> list[Row]:
    """How like the originals the reconstructions are, and whether a rebuilt face shows who it is.

    Blind is what a decoder gets without the features.
    """
    rebuilt = report.reconstruction
    if rebuilt is None:
        raise InputError(f"{case.label}: its run has no reconstruction; images only, see data.name")
    row: Row = {"budget": case.facts["setting"]}
    for name in FIGURES:
        row[name] = span(getattr(rebuilt, name))
        row[f"blind_{name}"] = span(getattr(rebuilt.blind, name))
    row |= {"steps": rebuilt.steps, "converged": _converged(rebuilt)}
    row |= _inverted(rebuilt.inversion) | _verified(rebuilt.verification)
    for name in private_of(report):
        row |= {figure_key("private", name): best(report, name), f"floor_{name}": floor(report, name)}
    return [row]


def _inverted(inversion: InversionResult | None) -> Row:
    """The inversion's SSIM and the decoder's on the same images; nothing where there is nothing to invert."""
    if inversion is None:
        return dict.fromkeys(("inversion_ssim", "inversion_decoder_ssim", "inversion_converged"))
    return {
        "inversion_ssim": span(inversion.ssim),
        "inversion_decoder_ssim": span(inversion.decoder.ssim),
        "inversion_converged": _converged(inversion),
    }


def _verified(verification: VerificationResult | None) -> Row:
    """ROC-AUC of telling people apart by rebuilt faces and by photographs; nothing where people are not known."""
    if verification is None:
        return dict.fromkeys(("verification", "verification_raw"))
    return {"verification": span(verification.rebuilt), "verification_raw": span(verification.raw)}


def _converged(course: Converging) -> str:
    return "yes" if course.converged else "no"


def _draw(figure: Figure, outcome: Outcome) -> None:
    """The paper's Figure 5: rows of people, columns raw and each budget."""
    pictures = [_pictures(Path(folder)) for label, seed, folder in outcome.runs if seed == outcome.seeds[0]]
    columns = [("raw image", pictures[0][0])]
    columns += [(_title(row), made) for row, (_, made) in zip(outcome.rows, pictures, strict=True)]
    count = min(PICTURES, *(len(images) for _, images in columns))
    grid = figure.subplots(count, len(columns), squeeze=False)
    for column, (title, images) in enumerate(columns):
        grid[0][column].set_title(title, fontsize=TEXT)
        for row in range(count):
            _show(grid[row][column], images[row])


def _title(row: Row) -> str:
    return f"budget {row['budget']}"


def _show(axes: Axes, image: np.ndarray) -> None:
    """An image, uint8 [3, height, width]."""
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    axes.set_axis_off()


def _pictures(folder: Path) -> Sequence[np.ndarray]:
    """Originals and reconstructions of a run, each uint8 [k, 3, height, width]."""
    path = RunFolder(folder).reconstruction
    try:
        with np.load(path, allow_pickle=False) as held:
            return held["original"], held["reconstructed"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read: remove its folder and repeat the command") from error


STUDY = Study(
    name="reconstruction",
    question="What does an adversary reconstruct from the features?",
    figure="Figure 5",
    about=(
        "Figure 5 (CelebA, hiding gender): raw image and reconstructions at four budgets, better to see the lower "
        "the budget; the paper has no figures for it. Blind is what a decoder reaches without looking at the "
        "features: only what exceeds it comes from them. Converged: whether more steps would bring the decoder "
        "no nearer. Inversion looks through the frozen extractor instead of learning. Rebuilt face and raw face: "
        "ROC-AUC in % of telling a person from others by another photograph, 50 is chance. Pictures are of the "
        "first seed."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    modalities=("image",),
    defaults=("evaluation.reconstruction=true",),
)


if __name__ == "__main__":
    start(STUDY)
