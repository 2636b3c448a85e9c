"""What a decoder sees in the features (Figure 5): ``python -m simulations.reconstruction [key=value ...]``."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.figures import Column, Report, Row, best, private_of, span
from simulations.common.output import Outcome
from simulations.common.pictures import TEXT
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import budget_cases
from tiprdc_fl.config.keys import Config
from tiprdc_fl.errors import InputError
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
        *(Column(f"leakage_{name}", f"leakage\n{name}") for name in config.data.private or []),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    """How like the originals the reconstructions are; blind: what a decoder gets without the features."""
    rebuilt = report.reconstruction
    if rebuilt is None:
        raise InputError(f"{case.label}: its run has no reconstruction; images only, see data.name")
    row: Row = {"budget": case.facts["setting"]}
    for name in FIGURES:
        row[name] = span(getattr(rebuilt, name))
        row[f"blind_{name}"] = span(getattr(rebuilt.blind, name))
    return [row | {f"leakage_{name}": best(report, name) for name in private_of(report)}]


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
    question="What does a decoder reconstruct from the features?",
    figure="Figure 5",
    about=(
        "Figure 5 (CelebA, hiding gender): raw image and reconstructions at four budgets, better to see the lower "
        "the budget; the paper has no figures for it. Blind is what a decoder reaches without looking at the "
        "features: only what exceeds it comes from them. Pictures are of the first seed."
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
