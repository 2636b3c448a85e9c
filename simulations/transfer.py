"""An extractor of one dataset used on another (Table 5): ``python -m simulations.transfer [key=value ...]``.

``data.*`` is the first dataset, ``other.*`` the second. Without ``other.name`` the second is a folder of JPEG
images that the study draws once, of people that the first does not have and at another size.
"""

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import BY_DATASET, modality_of
from simulations.common.figures import Column, Report, Row, best, floor, private_of, tasks_of
from simulations.common.output import Outcome
from simulations.common.paper import TABLE_5, published, same_name
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import attributes_of, draw_attributes, figure_key, floor_column
from tiprdc_fl.config.keys import Config, keys, show
from tiprdc_fl.errors import InputError

FOLDER_PEOPLE = 300
FOLDER_SIZE = (80, 64)
_PAPER_NAMES = {"celeba": "CelebA", "lfw": "LFW"}  # of Table 5, by data.name
_TASKS = {
    "faces": "data.tasks=[Black_Hair]",
    "celeba": "data.tasks=[Black_Hair]",
    "lfw": "data.tasks=[Black Hair]",
}


def _cases(config: Config, options: Options) -> list[Case]:
    """Four cells; an extractor trained on one dataset is the other one's too."""
    keys_of = {"first": (), "second": second_dataset(config, options)}
    _check_pairs(config, options, keys_of["second"])
    pairs = (("first", "first"), ("second", "second"), ("first", "second"), ("second", "first"))
    second = dict(pair.split("=", 1) for pair in keys_of["second"])["data.name"]
    names = {"first": config.data.name, "second": second}
    return [_cell(a, b, keys_of[b], config, names) for a, b in pairs]


def _cell(
    trained: str, tested: str, overrides: tuple[str, ...], config: Config, names: dict[str, str]
) -> Case:
    facts = {"train": trained, "test": tested, "attributes": attributes_of(config)}
    facts["paper"] = {
        "detail": _PAPER_NAMES.get(names[trained]),
        "dataset": _PAPER_NAMES.get(names[tested]),
        "budget": config.training.budget,
    }
    source = "" if trained == tested else _label(trained, trained)
    return Case(_label(trained, tested), ("protection.name=tiprdc", *overrides), facts, source)


def _label(trained: str, tested: str) -> str:
    return f"trained on the {trained}, tested on the {tested} dataset"


def second_dataset(config: Config, options: Options) -> tuple[str, ...]:
    """The keys that put the second dataset in the place of the first.

    Args:
        config: of the first; image size is its.
        options: ``other``, what the user said of the second.
    """
    given = dict(pair.split("=", 1) for pair in options.other)
    if "data.name" not in given:
        folder = write_folder(options.out / "other_faces", given.get("data.root"))
        given = {"data.name": "folder", "data.root": str(folder)} | given
    fresh = {key: show(declared.default) for key, declared in keys().items() if key.startswith("data.")}
    fresh |= {"data.image_size": show(list(config.data.image_size))}
    fresh |= {"data.private": show(config.data.private), "data.tasks": show(config.data.tasks)}
    own = (*BY_DATASET.get(given["data.name"], ()), _TASKS.get(given["data.name"], ""))
    fresh |= dict(pair.split("=", 1) for pair in own if pair.startswith("data."))
    return tuple(f"{key}={value}" for key, value in (fresh | given).items())


def _check_pairs(config: Config, options: Options, overrides: tuple[str, ...]) -> None:
    """Attributes are paired by position, so there must be as many."""
    from tiprdc_fl.stages.registries import load_config  # late: it imports torch, which --help needs not

    other = load_config(options.preset, [*options.overrides, *overrides])
    if modality_of(other.data.name, other.data.root) != "image":
        raise InputError(f"other.name={other.data.name}: simulations.transfer needs images in both datasets")
    for key in ("private", "tasks"):
        first, second = getattr(config.data, key) or [], getattr(other.data, key) or []
        if len(first) != len(second):
            raise InputError(
                f"data.{key}={show(first)} and other.{key}={show(second)} are paired by position: name as many"
            )


def write_folder(folder: Path, root: str | None = None, people: int = FOLDER_PEOPLE) -> Path:
    """Draws faces into a folder with metadata.csv, once; whole or not at all.

    Args:
        folder: where, unless it is there.
        root: a folder of the user's, used instead.
        people: how many.

    Raises:
        InputError: the folder cannot be written.
    """
    if root is not None:
        return Path(root)
    if (folder / "metadata.csv").is_file():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "images").mkdir(parents=True)
        _draw_people(partial, people)
        partial.rename(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror}; name another folder, out=DIR"
        ) from error
    return folder


def _draw_people(folder: Path, people: int) -> None:
    from tiprdc_fl import seeding  # late: these import torch, which --help needs not
    from tiprdc_fl.data.faces.dataset import faces

    dataset = faces(None, FOLDER_SIZE, seeding.derive(0, "simulations", "transfer"))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file_name", "contributor", *dataset.attributes])
    for person in range(people):
        examples = dataset.load([person])
        for row, image in enumerate(np.asarray(examples.loaded)):
            name = f"images/{person:04d}_{row:02d}.jpg"
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / name, quality=90)
            labels = [int(examples.attributes[attribute][row]) for attribute in dataset.attributes]
            writer.writerow([name, f"person_{person:04d}", *labels])
    (folder / "metadata.csv").write_text(text.getvalue(), encoding="utf-8")


def _columns(config: Config) -> list[Column]:
    labels = [Column("train", "extractor\ntrained on", "label"), Column("test", "tested\non", "label")]
    columns = [Column("dataset", "tested\ndataset", "label")]
    for role, name in attributes_of(config):
        columns.append(Column(figure_key(role, name), figure_key(role, name).replace("_", "\n", 1)))
        if role == "private":
            columns.append(floor_column(name))
        columns.append(Column(f"accuracy_{name}", "plain\nacc.", brief=True))
        columns.append(Column(f"paper_{name}", f"paper\n{name}", "paper"))
    return [*labels, *columns]


def _measure(case: Case, report: Report) -> list[Row]:
    """A cell of Table 5; the second dataset's attributes take the names of the first one's."""
    facts = case.facts
    row: Row = {"train": facts["train"], "test": facts["test"]}
    row["dataset"] = report.configuration.data.name
    names = [*private_of(report), *tasks_of(report)]
    for (role, first), tested in zip(facts["attributes"], names, strict=True):
        row[figure_key(role, first)] = best(report, tested)
        row[f"accuracy_{first}"] = best(report, tested, "accuracy")
        if role == "private":
            row[f"floor_{first}"] = floor(report, tested)
        row[f"paper_{first}"] = _paper_share(facts, report, first) if same_name(first, tested) else None
    return [row]


def _paper_share(facts: dict[str, Any], report: Report, attribute: str) -> float | None:
    """The paper's figure, where both datasets, the budget and what both extractors hide are the paper's."""
    ours = sorted(name for role, name in facts["attributes"] if role == "private")
    hidden = tuple(ours) if ours == sorted(private_of(report)) else ()
    return published(TABLE_5, attribute, private=hidden, **facts["paper"])


def _draw(figure: Figure, outcome: Outcome) -> None:
    draw_attributes(
        figure,
        outcome.config,
        outcome.rows,
        lambda row: f"{row['train']} -> {row['test']}",
        "extractor trained on -> tested on (first: data.*, second: other.*)",
        connect=False,
    )


STUDY = Study(
    name="transfer",
    question="Does an extractor protect people of another dataset?",
    figure="Table 5",
    about=(
        "Table 5 (budget 0.9): gender and black hair, extractor of CelebA or LFW, tested on either; gender stays "
        "at 57 to 60 %. Here data.* is the first dataset and other.* the second, attributes paired by position; "
        f"without other.name it is a folder of {FOLDER_PEOPLE} people that the study draws into out. The paper's "
        "columns are filled where the datasets are celeba and lfw, and attributes and budget the paper's."
    ),
    paper=TABLE_5,
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    modalities=("image",),
    defaults=("clients=100",),
    attributes={name: (tasks,) for name, tasks in _TASKS.items()},
    reads=frozenset({"clients", *(name for name in keys() if name.startswith("data."))}),
    takes_other=True,
)


if __name__ == "__main__":
    start(STUDY)
