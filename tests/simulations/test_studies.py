"""The studies: sweeps that resume and share runs, tables, pictures, and the paper's figures beside ours."""

import csv
import importlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import simulations
from simulations import studies
from simulations.__main__ import show
from simulations.codecs import Sample, cost, jpeg_bytes, sample_of
from simulations.common import paper
from simulations.common.arguments import Options, preset_values
from simulations.common.command import help_of, main
from simulations.common.datasets import modality_of, with_proxies
from simulations.common.figures import (
    UNDEFINED,
    Column,
    Span,
    best,
    combine,
    flat,
    flat_names,
    mean_span,
    over_seeds,
)
from simulations.common.files import SIZE
from simulations.common.pictures import DPI, spread
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.strategies import level, seconds_to_goal
from simulations.studies import STUDIES
from simulations.tradeoff import pareto
from simulations.transfer import write_folder
from tests.report.report_example import example
from tiprdc_fl.attacks.suite import DEFAULT_ATTACKS
from tiprdc_fl.config.keys import Config
from tiprdc_fl.data import proxies as known_proxies
from tiprdc_fl.data.faces.copula import ATTRIBUTES
from tiprdc_fl.data.split import split_people
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import to_bytes
from tiprdc_fl.report.schema import SCHEMA_VERSION, Group, Report
from tiprdc_fl.seeding import seed_torch
from tiprdc_fl.stages.current import code_digest
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.codec import CODECS

NAMES = tuple(STUDIES)
PLAIN = tuple(name for name in CODECS if "+" not in name)
# 30 images of 4 channels of 64 values, two thirds of them 0.
SAMPLE = Sample(
    torch.from_numpy(np.random.default_rng(0).normal(-0.4, 1, (120, 64)).astype(np.float32)).relu(),
    counts=np.full(30, 4),
    raw_bytes=3072.0,
    jpeg_bytes=1000.0,
)
QUALITY = {"random": 0.85, "raw": 0.95, "encoder": 0.9, "hybrid": 0.6, "noisy": 0.8, "dp": 0.55}


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.03, "high": value + 0.02}


def leakage(config: Config) -> float:
    """The fake's leakage: more at a lower budget, and a little more with every seed."""
    base = QUALITY.get(config.protection.name, 0.6 + 0.3 * (1 - config.training.budget))
    return base + 0.01 * config.seed


SOURCES = {"contributors": 0.02, "collector": 0.05, "both": 0.0}  # what the fake's adversaries miss
FLOOR = 0.51
NAMES_OF_FIGURES = ("balanced_accuracy", "accuracy", "roc_auc", "usable_bits", "per_person")
RARE = dict.fromkeys(("tpr_at_1_fpr", "tpr_at_01_fpr"), dict.fromkeys(("value", "low", "high")))


def rows_of(config: Config) -> list[dict[str, Any]]:
    """The same probes and sources for private attributes and tasks; sets and a floor of private ones alone."""
    rows = []
    roles = [("private", n) for n in config.data.private or []] + [
        ("task", n) for n in config.data.tasks or []
    ]
    modality = modality_of(config.data.name, config.data.root)
    for role, attribute in roles:
        labels = {"role": role, "attribute": attribute, "representation": "features"}
        for probe in config.evaluation.attacks or DEFAULT_ATTACKS[modality]:
            for source, missed in SOURCES.items():
                top = leakage(config) - (0.1 if probe == "linear" else missed)
                figure = interval(top if role == "private" else 0.95 - (0.9 - top) / 3)
                rows.append(row_of(config, labels, probe, source, figure))
        if role == "private":
            floor = labels | {"representation": "metadata"}
            rows.append(row_of(config, floor, "trees", "both", interval(FLOOR)))
            rows.append(set_row_of(config, labels, leakage(config)))
    return rows


def row_of(
    config: Config, labels: dict[str, str], probe: str, source: str, figure: dict[str, float]
) -> dict[str, Any]:
    """What the fake's validation people say is what its holdout people say."""
    counts = {"learned_people": config.clients, "learned_examples": 20 * config.clients}
    counts |= {"measured_people": 100, "measured_examples": 1900}
    course = {"steps": 400, "last_doubling": 0.02, "converged": probe != "linear"}
    validated = dict.fromkeys(("validation", "validation_per_person"), figure["value"])
    named = labels | {"probe": probe, "learned_from": source, "metrics": {}}
    return named | dict.fromkeys(NAMES_OF_FIGURES, figure) | RARE | validated | course | counts


def set_row_of(config: Config, labels: dict[str, str], value: float) -> dict[str, Any]:
    """An adversary that learned from all of a person's examples at once has no figure of an example."""
    row = row_of(config, labels, "set-lda", "both", interval(value))
    nothing = dict.fromkeys(("value", "low", "high"))
    return row | dict.fromkeys(set(NAMES_OF_FIGURES) - {"per_person"}, nothing) | {"validation": None}


def partition_of(config: Config) -> dict[str, Any]:
    """The fake's contributors are as unlike as alpha is small."""
    names = [*(config.data.private or []), *(config.data.tasks or [])]
    spread = {"p10": 0.0, "p50": 0.1, "mean": 1 / (1 + config.partition.alpha), "p90": 0.4, "max": 1.0}
    sizes = {"min": 1, "p10": 2.0, "p50": 12.0, "mean": 20.0, "p90": 30.0, "max": 35}
    return {
        "examples_per_contributor": sizes,
        "empty": 3,
        "label_skew": dict.fromkeys(names, spread),
        "label_skew_expected": dict.fromkeys(names, 0.125),
        "private_share": {},
    }


def course_of(config: Config) -> dict[str, Any]:
    """Fast devices answer, and hold more of the value 1; one of 100 contributors an hour, with 20 examples each."""
    counts = {"asked": 90, "answered": 60, "requests": 120, "lost": 20, "late": 7, "duplicates": 3}
    sizes = {"downlink_bytes": 4_000_000, "uplink_bytes": 6_000_000, "wasted_bytes": 1_500_000}
    devices = [
        {"group": group, "contributors": contributors, "answered": answered, "asked": 0, "examples": 0}
        for group, contributors, answered in (("Slow phone", 40, 10), ("Fast phone", 60, 50))
    ]
    values = {
        name: [
            {"group": f"{name}=0", "examples": 1200, "answered": 600},
            {"group": f"{name}=1", "examples": 800, "answered": 600},
        ]
        for name in [*(config.data.private or []), *(config.data.tasks or [])]
    }
    return {
        "outcome": counts,
        "modelled": {"seconds": 7200.0, **sizes},
        "timeline": [{"seconds": 1800.0 * n, "answered": 15 * n, "examples": 300 * n} for n in (1, 2, 3, 4)],
        "participation": {"device": devices, "attribute": values},
    }


def groups_of(config: Config) -> list[dict[str, Any]]:
    """Value 1 of every attribute is inferred less well than value 0, and an attribute's own values are recalls."""
    named = [(name, "private") for name in config.data.private or []]
    named += [(name, "task") for name in config.data.tasks or []]
    labels = {"probe": "linear", "learned_from": "contributors", "people": 50, "examples": 950}
    return [
        {"attribute": name, "role": role, "group_by": by, "group": f"{by}={value}", **labels, **NO_CHANCE}
        | dict.fromkeys(
            ("accuracy", "balanced_accuracy"),
            interval(0.1 + 0.1 * value if by == name else 0.8 - 0.1 * value),
        )
        for name, role in named
        for by, _ in named
        for value in (0, 1)
    ]


NO_CHANCE = {"chance_low": None, "chance_high": None, "beyond_chance": None}


def worst_off_of(config: Config) -> list[dict[str, Any]]:
    roles = dict.fromkeys(config.data.private or [], "private") | dict.fromkeys(
        config.data.tasks or [], "task"
    )
    labels = {"probe": "linear", "learned_from": "contributors", "people": 50, "examples": 950, "chance": 0.5}
    same = dict.fromkeys(("p50", "worst_quarter", "share_past_chance"), interval(0.6))
    figures = {"mean": interval(0.7), "worst_tenth": interval(0.55), "expected_worst_tenth": 0.6, **same}
    figures |= {"chance_low": 0.5, "chance_high": 0.7, "beyond_chance": False}
    return [{"attribute": name, "role": role, **labels, **figures} for name, role in roles.items()]


def report_of(config: Config) -> Report:
    """The example of a report with the figures that studies read put in place of its own."""
    base = example()
    curve = [
        {
            **{"attribute": name, "people": people, "learned_examples": 20 * people, "probe": "linear"},
            **dict.fromkeys(("balanced_accuracy", "per_person"), interval(leakage(config) - 1 / people)),
            **dict.fromkeys(("validation", "validation_per_person"), leakage(config) - 1 / people),
        }
        for name in config.data.private or []
        for people in config.evaluation.curve
    ]
    classes = [kind for kind in base["devices"]["classes"] if kind["title"] in ("Fast phone", "Slow phone")]
    sizes = {"sent_bytes_per_example": 2048.0, "sent_to_raw_ratio": 0.7, "sent_bytes": 2_500_000}
    course, strategy = course_of(config), base["strategy"]
    again = {"representation": "features", "unit": "contribution", "roc_auc": interval(0.8)}
    report = base | {
        "run_dir": str(config.run_dir),
        "environment": base["environment"] | {"code": code_digest("results")},
        "results": rows_of(config),
        "co_trained_adversary": dict.fromkeys(config.data.private or [], 0.55),
        "curve": curve,
        "reconstruction": reconstruction_of(base) if config.evaluation.reconstruction else None,
        "reidentification": [again | {"people": 100, "pairs": 10}]
        if config.evaluation.reidentification
        else [],
        "groups": groups_of(config),
        "worst_off": worst_off_of(config),
        "partition": base["partition"] | partition_of(config),
        "people": base["people"] | {"contributors": {"people": 100, "examples": 2000}},
        "strategy": strategy
        | course
        | {name: strategy[name] | course[name] for name in ("outcome", "modelled")},
        "devices": base["devices"] | {"classes": classes},
        "federation": base["federation"] | sizes | {"examples": 1200},
        "configuration": config,
    }
    return Report.model_validate(report)


def reconstruction_of(base: dict[str, Any]) -> dict[str, Any]:
    """Without a multi-scale figure, as of small images."""
    none = dict.fromkeys(("value", "low", "high"))
    figures = {"ssim": interval(0.6), "ms_ssim": none, "psnr": dict.fromkeys(none, 18.0)}
    blind = {"ssim": interval(0.3), "ms_ssim": none, "psnr": dict.fromkeys(none, 12.0)}
    return base["reconstruction"] | figures | {"blind": blind}  # its inversion and verification as they are


class FakeRun:
    """What run(config) leaves behind, without training; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Config] = []
        self.stop_at: int | None = None

    def __call__(self, config: Config, console: Console, quiet: bool) -> Report:
        assert quiet
        if self.stop_at == len(self.asked):
            raise KeyboardInterrupt
        self.asked.append(config)
        folder = Path(str(config.run_dir))
        folder.mkdir(parents=True)
        if config.evaluation.reconstruction:
            ramp = np.arange(8 * 3 * 32 * 32, dtype=np.uint8).reshape(8, 3, 32, 32)
            np.savez(folder / "reconstruction.npz", original=ramp, reconstructed=255 - ramp)
        report = report_of(config)
        (folder / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
        return report


@pytest.fixture
def run() -> FakeRun:
    return FakeRun()


@pytest.fixture
def study(
    tmp_path: Path, run: FakeRun, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[..., tuple[int, str]]:
    """Calls a study by name; gives its status and what it printed."""
    monkeypatch.setattr(write_folder, "__defaults__", (None, 2))
    monkeypatch.setattr("simulations.codecs.sample_of", lambda run: SAMPLE)
    monkeypatch.setattr("simulations.codecs.TURNS", 1)
    monkeypatch.setattr("simulations.strategies.shares_of", lambda config: np.array([0.6, 0.4]))
    if "picture" not in request.node.name:  # drawing takes longer than all the rest
        monkeypatch.setattr("simulations.common.files._write_picture", lambda *_: None)

    def call(name: str, *arguments: str) -> tuple[int, str]:
        console = Console(width=150, file=io.StringIO())
        given = [f"out={tmp_path}/out", *arguments]
        status = main(STUDIES[name], given, run, console)
        assert isinstance(console.file, io.StringIO)
        return status, console.file.getvalue()

    return call


def results(tmp_path: Path, name: str) -> tuple[list[dict[str, str]], dict[str, Any], Path]:
    """CSV's rows, JSON and the picture's path of the one finished study of this name."""
    [table] = (tmp_path / "out").glob(f"{name}-*.csv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads(table.with_suffix(".json").read_text("utf-8")), table.with_suffix(".png")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_study_writes_table_picture_and_json_that_agree(name, study, run, tmp_path):
    status, text = study(name)
    assert status == 0
    cases = len(run.asked)
    assert f"case {cases} of {cases}: " in text
    table, written, picture = results(tmp_path, name)
    assert table == [{key: "" if v is None else str(v) for key, v in row.items()} for row in written["rows"]]
    assert list(table[0]) == flat_names([Column(**one) for one in written["columns"]])
    assert STUDIES[name].question in text
    assert str(picture) in text.replace("\n", "")
    with Image.open(picture) as image:
        assert image.size == tuple(round(side * DPI) for side in SIZE)
        assert np.asarray(image.convert("L")).std() > 5
    assert not list((tmp_path / "out").glob("*.partial"))
    assert "one seed: the variance of training is not in them" in written["caption"]


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("tradeoff", 16),
        ("front", 31),
        ("budget", 4),
        ("multi_attribute", 12),
        ("transfer", 4),
        ("text", 7),
        ("codecs", 5),
        ("heterogeneity", 18),
        ("strategies", 8),
    ],
)
def test_numbers_of_cases(name, cases, study, run):
    assert study(name)[0] == 0
    assert len(run.asked) == cases


@pytest.mark.parametrize("name", [path.stem for path in Path(simulations.__file__).parent.glob("[a-z]*.py")])
def test_every_file_is_a_study_that_the_list_has(name):
    module = importlib.import_module(f"simulations.{name}")
    assert module is studies or STUDIES[name] is module.STUDY


def toy() -> Study:
    """A study of one case and one figure."""
    return Study(
        name="toy",
        question="Does a new study need no other place?",
        about="No.",
        paper=(),
        cases=lambda config, options: [Case("the only one", ("protection.name=tiprdc",), {})],
        columns=lambda config: [Column("case", "case", "label"), Column("leakage", "leakage")],
        measure=lambda case, report: [{"case": case.label, "leakage": best(report, "Male")}],
        draw=lambda figure, outcome: None,
    )


def test_a_new_study_is_a_record(study, monkeypatch, tmp_path):
    monkeypatch.setitem(STUDIES, "toy", toy())
    console = Console(width=150, file=io.StringIO())
    show(console)
    assert "Does a new study need no other place?" in console.file.getvalue()
    assert study("toy")[0] == 0
    assert [row["case"] for row in results(tmp_path, "toy")[0]] == ["the only one"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_paper_stands_beside_ours(name, study, tmp_path):
    _, text = study(name)
    figures = STUDIES[name].paper
    assert len(results(tmp_path, name)[1]["paper"]) == len(figures)
    for one in figures:
        assert one.sentence in " ".join(text.split())


def test_the_papers_figures_are_in_the_rows_they_belong_to(study, tmp_path):
    study("budget", "data.private=[Young]")
    rows, _, _ = results(tmp_path, "budget")
    assert [row["paper_Gray_Hair"] for row in rows] == ["0.8436", "", "", "0.9152"]
    assert [row["paper_Young"] for row in rows] == ["0.6563", "", "", "0.8185"]
    study("adversaries")
    rows, _, _ = results(tmp_path, "adversaries")
    found = {row["adversary"]: row["paper"] for row in rows if row["learned_from"] == "contributors"}
    assert [found[a] for a in ("table1", "vcl16", "vcl19", "rescl")] == [
        "0.5902",
        "0.5983",
        "0.6077",
        "0.6105",
    ]


CELEBA = ("data.name=celeba", "data.root=celeba", "data.tasks=[Black_Hair]")
LFW = ("other.name=lfw", "other.root=lfw")


def transferred(rows: list[dict[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
    """The paper's cells by the datasets' positions."""
    return {(row["train"], row["test"]): (row["paper_Male"], row["paper_Black_Hair"]) for row in rows}


def test_table_5_stands_beside_its_datasets_whichever_comes_first(study, tmp_path):
    study("transfer", *CELEBA, *LFW)
    found = transferred(results(tmp_path, "transfer")[0])
    assert found[("second", "first")] == ("0.5973", "0.8715")  # LFW -> CelebA
    assert found[("first", "second")] == ("0.5687", "0.8927")  # CelebA -> LFW
    study("transfer", "data.name=lfw", "data.root=lfw", "other.name=celeba", "other.root=celeba")
    with (tmp_path / "out/transfer-lfw.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key.replace(" ", "_"): cell for key, cell in row.items()} for row in csv.DictReader(file)]
    found = transferred(rows)
    assert found[("second", "first")] == ("0.5687", "0.8927")
    assert found[("first", "first")] == ("0.5731", "0.8812")


@pytest.mark.parametrize(
    "arguments",
    [
        (),  # neither dataset is the paper's
        (*CELEBA, "other.name=folder", "other.root={tmp_path}/images"),
        (*CELEBA, *LFW, "training.budget=0.5"),
        (*CELEBA, *LFW, "other.private=[Asian]", "other.tasks=[Black Hair]", "data.private=[Young]"),
    ],
)
def test_table_5_stands_nowhere_else(arguments, study, tmp_path):
    write_folder(tmp_path / "images", people=1)
    assert study("transfer", *(one.format(tmp_path=tmp_path) for one in arguments))[0] == 0
    rows, written, _ = results(tmp_path, "transfer")
    shown = {cell for row in rows for key, cell in row.items() if key.startswith("paper_") and cell}
    own = {"0.5882", "0.8898"} if "other.name=folder" in arguments else set()  # CelebA -> CelebA
    assert shown == own
    assert len(written["paper"]) == 8  # all of them stand under the table


def test_the_papers_cells_need_its_attributes(study, tmp_path):
    study("adversaries", "data.private=[Young]")
    assert {row["paper"] for row in results(tmp_path, "adversaries")[0]} == {""}
    study("text")
    assert not [key for key in results(tmp_path, "text")[0][0] if key.startswith("paper_")]
    status, text = study("text", "data.name=dial", "data.root=dial")
    assert status == 0
    with (tmp_path / "out/text-dial.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["paper_Mentioned"] for row in rows] == ["0.6771", "", "", "0.7687", "", "", ""]
    assert [row["method"] for row in rows[4:]] == ["encoder", "hybrid", "random"]
    assert "the paper's figures: plain accuracy on its own data" in " ".join(text.split())


def test_every_published_share_is_a_share():
    tables = (
        paper.FIGURE_4,
        paper.FIGURE_6,
        paper.FIGURE_6_MULTI,
        paper.FIGURE_7,
        paper.TABLE_4,
        paper.TABLE_5,
    )
    assert all(0.5 < one.share < 1 for table in tables for one in table)
    assert paper.published(paper.TABLE_5, "Black Hair", dataset="LFW", detail="LFW") == 0.8812
    assert paper.published(paper.TABLE_5, "Smiling") is None


def test_an_interrupted_study_goes_on_where_it_stopped(study, run, capsys):
    run.stop_at = 3
    assert study("budget")[0] == 130
    assert capsys.readouterr().err == "interrupted; the same command resumes\n"
    run.stop_at = None
    status, text = study("budget")
    assert status == 0
    assert len(run.asked) == 4
    assert len({config.run_dir for config in run.asked}) == 4
    assert text.count("found in") == 3


def test_studies_share_finished_runs(study, run):
    study("tradeoff")
    asked = len(run.asked)
    study("budget", "data.private=[Male]")
    assert len(run.asked) == asked
    study("multi_attribute")  # its four runs that hide Male alone are there
    assert len(run.asked) == asked + 8
    study("budget")  # and here those that hide Young
    assert len(run.asked) == asked + 8


def test_another_configuration_is_another_run(study, run):
    study("budget")
    study("budget", "evaluation.steps=151")
    assert len(run.asked) == 8
    study("budget", "federation.workers=1", "training.library=elsewhere")  # changes no figure
    assert len(run.asked) == 8


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("configuration", "seed", 9),
        ("environment", "code", "of another version"),
        (None, "schema_version", SCHEMA_VERSION - 1),
        (None, "environment", None),
    ],
)
def test_a_report_of_something_else_is_not_taken(section, key, value, study, run):
    study("budget")
    path = Path(str(run.asked[0].run_dir)) / "report.json"
    report = json.loads(path.read_text("utf-8"))
    (report[section] if section else report)[key] = value
    path.write_text(json.dumps(report), encoding="utf-8")
    assert study("budget")[0] == 0
    assert [config.run_dir for config in run.asked[4:]] == [f"{path.parent}-2"]  # and not where it lies
    study("budget")
    assert len(run.asked) == 5


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_report_is_not_taken(text, study, run):
    study("budget")
    (Path(str(run.asked[0].run_dir)) / "report.json").write_text(text, encoding="utf-8")
    assert study("budget")[0] == 0
    assert len(run.asked) == 5


def test_other_code_makes_other_runs(study, run, monkeypatch):
    study("budget")
    monkeypatch.setattr("tiprdc_fl.stages.current.code_digest", lambda stage: "f" * 64)
    study("budget")
    assert len({config.run_dir for config in run.asked}) == 8


def messages(folder: Path) -> Path:
    """A user's own folder of messages."""
    folder.mkdir(parents=True)
    table = "contributor,text,Kind,Polite\n" + "".join(f"p{i},hello,{i % 2},{i % 3}\n" for i in range(9))
    (folder / "metadata.csv").write_text(table, encoding="utf-8")
    return folder


def test_changed_data_makes_other_runs(study, run, tmp_path, monkeypatch):
    texts = messages(tmp_path / "here/texts")
    labels = ("data.name=folder", "data.private=[Kind]", "data.tasks=[Polite]")
    study("budget", *labels, f"data.root={texts}")
    monkeypatch.chdir(tmp_path / "here")
    study("budget", *labels, "data.root=texts")  # the same folder
    (texts / "picture.jpg").write_bytes(b"")
    (texts / ".hidden").write_bytes(b"")
    study("budget", *labels, "data.root=texts")  # nothing that metadata says
    assert len(run.asked) == 4
    messages(tmp_path / "there/texts")
    monkeypatch.chdir(tmp_path / "there")
    study("budget", *labels, "data.root=texts")  # called the same, elsewhere
    assert len(run.asked) == 8
    with (tmp_path / "there/texts/metadata.csv").open("a", encoding="utf-8") as file:
        file.write("p9,bye,1,1\n")
    study("budget", *labels, "data.root=texts")
    assert len(run.asked) == 12
    assert {config.data.root for config in run.asked[4:]} == {str(tmp_path / "there/texts")}


def test_a_folder_is_what_its_metadata_says(study, run, tmp_path):
    texts = messages(tmp_path / "texts")
    own = ("data.name=folder", f"data.root={texts}", "data.private=[Kind]", "data.tasks=[Polite]")
    for name in ("budget", "text", "adversaries", "leakage_curve"):
        assert study(name, *own)[0] == 0
        probes = set(run.asked[-1].evaluation.attacks or DEFAULT_ATTACKS["text"])
        assert not {"table1", "vcl16", "knn"} & probes
        assert {"table2", "linear"} <= probes
    images = write_folder(tmp_path / "images", people=1)
    assert (
        study("budget", *own[:1], f"data.root={images}", "data.private=[Male]", "data.tasks=[Smiling]")[0]
        == 0
    )
    assert run.asked[-1].data.image_size is not None
    assert run.asked[-1].evaluation.attacks is None  # the default suite of its modality


def test_results_of_another_configuration_are_kept(study, tmp_path):
    def names() -> list[str]:
        return sorted(path.name for path in (tmp_path / "out").glob("budget-faces*.json"))

    study("budget")
    before = (tmp_path / "out/budget-faces.json").read_text("utf-8")
    _, text = study("budget", "evaluation.steps=151")
    assert (tmp_path / "out/budget-faces.json").read_text("utf-8") == before
    other = next(name for name in names() if name != "budget-faces.json")
    assert len(other) == len("budget-faces-123456.json")
    assert other in text
    study("budget", "evaluation.steps=151", "federation.workers=1")
    study("budget", "seeds=2")  # more of the first
    assert names() == [other, "budget-faces.json"]
    assert json.loads((tmp_path / "out/budget-faces.json").read_text("utf-8"))["seeds"] == [0, 1]


def test_two_second_datasets_are_two_results(study, tmp_path):
    study("transfer", *CELEBA, *LFW)
    study("transfer", *CELEBA, *LFW, "other.clients=7")
    assert len(list((tmp_path / "out").glob("transfer-celeba*.csv"))) == 2


def test_a_home_folder_is_found(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("simulations.common.files._write_picture", lambda *_: None)
    given = [*CELEBA, "other.name=lfw", "other.root=~/lfw", "out=~/results"]
    assert main(STUDIES["transfer"], given, run, Console(file=io.StringIO())) == 0
    assert run.asked[1].data.root == str(tmp_path / "lfw")
    assert (tmp_path / "results/transfer-celeba.csv").is_file()


def test_extractors_are_kept_in_one_library(study, run, tmp_path):
    study("tradeoff")
    assert {config.training.library for config in run.asked} == {str(tmp_path / "out/extractors")}


def test_over_seeds_is_students_interval():
    # Mean 0.7, standard deviation 0.1, n = 3: 0.7 +- 4.302653 * 0.1 / sqrt(3).
    found = over_seeds([0.6, 0.7, 0.8])
    assert found == pytest.approx((0.7, 0.7 - 0.248414, 0.7 + 0.248414), abs=1e-6)
    assert over_seeds([0.6, None]) == (None, None, None)  # no mean of two seeds
    assert over_seeds([None]) == (None, None, None)


def test_the_mean_of_figures_is_of_those_that_are_defined():
    one, other = Span(0.6, 0.5, 0.7), Span(0.8, 0.6, 0.9)
    mean = mean_span([one, other])
    assert [round(part or 0, 3) for part in mean] == [0.7, 0.55, 0.8]
    assert mean_span([one, UNDEFINED]) == one
    assert mean_span([UNDEFINED, UNDEFINED]) == mean_span([]) == UNDEFINED
    assert mean_span([one, Span(0.8)]).low is None


def test_intervals_over_seeds_stay_within_0_and_1():
    columns = [Column("x", "x"), Column("bits", "bits", "number")]
    for pair, end, key in (((1.0, 0.9), 1.0, "high"), ((0.0, 0.1), 0.0, "low")):
        [row] = combine(columns, [[{"x": Span(value), "bits": Span(value)}] for value in pair])
        cells = flat(columns, row)
        assert cells[f"x_{key}"] == end
        assert cells[f"bits_{key}"] == pytest.approx(
            0.95 + 12.7062 * 0.05 if end else 0.05 - 12.7062 * 0.05, abs=1e-4
        )


def test_seeds_repeat_a_study_and_report_the_mean(study, run, tmp_path):
    status, text = study("budget", "seeds=3", "seed=5", "data.private=[Male]")
    assert status == 0
    assert [config.seed for config in run.asked] == [5] * 4 + [6] * 4 + [7] * 4
    assert "case 12 of 12: tiprdc, budget 0, seed 7" in text
    rows, written, _ = results(tmp_path, "budget")
    assert written["seeds"] == [5, 6, 7]
    assert (
        written["intervals"] == "mean of 3 seeds, 95 % t-intervals over the seeds: people and training vary"
    )
    assert written["intervals"] in " ".join(text.split())
    assert len(rows) == 4
    # The fake leaks 0.65, 0.66 and 0.67 at budget 1: 4.302653 * 0.01 / sqrt(3) either way.
    assert float(rows[0]["leakage_Male"]) == pytest.approx(0.66)
    assert float(rows[0]["leakage_Male_high"]) == pytest.approx(0.66 + 0.0248414, abs=1e-6)


def test_more_seeds_later_reuse_the_first(study, run):
    study("budget")
    study("budget", "seeds=2")
    assert len(run.asked) == 8


def test_rows_of_seeds_are_matched_by_their_labels():
    columns = [
        Column("a", "a", "label"),
        Column("note", "n", "note"),
        Column("x", "x"),
        Column("n", "n", "count"),
    ]
    first = [
        {"a": "p", "note": "u", "x": Span(0.5), "n": 1.0},
        {"a": "q", "note": "u", "x": Span(0.1), "n": 1.0},
    ]
    second = [
        {"a": "q", "note": "v", "x": Span(0.3), "n": 3.0},
        {"a": "p", "note": "u", "x": Span(None), "n": 3.0},
    ]
    p, q = combine(columns, [first, second])
    assert (p["x"], p["note"], p["n"]) == (Span(None), "u", 2.0)
    assert (flat(columns, q)["x"], q["note"]) == (pytest.approx(0.2), "u / v")
    assert (flat(columns, q)["x_low"], flat(columns, q)["x_high"]) == (0, 1)  # 0.2 -+ 12.7 * 0.1


def test_the_front_is_what_nobody_beats():
    points = [(0.9, 0.9), (0.6, 0.8), (0.6, 0.7), (0.5, 0.5), (0.7, 0.8), (None, 0.9), (0.5, 0.5)]
    assert pareto(points) == [True, True, False, True, False, False, True]
    assert pareto([]) == []


@pytest.mark.parametrize("dataset", ["faces", "celeba"])
def test_proxies_are_attributes_of_the_dataset_and_neither_tasks_nor_private(dataset):
    root = ["data.root=nowhere"] if dataset == "celeba" else []
    config = load_config(None, [f"data.name={dataset}", "data.tasks=[Wearing_Hat,Smiling]", *root])
    proxies, encoder = with_proxies(config.data)
    names = set(proxies.removeprefix("data.proxies=[").removesuffix("]").split(","))
    assert encoder == "protection.encoder=proxies"
    assert names == set(getattr(known_proxies, dataset.upper())) - {"Wearing_Hat"}
    assert not {"Male", "Smiling"} & names
    assert set(known_proxies.FACES) <= set(ATTRIBUTES)


def test_where_no_proxies_are_known_components_are_principal_ones():
    assert with_proxies(load_config(None, ["data.name=chitchat"]).data) == ()


def test_the_front_of_messages_has_what_protects_them():
    options = Options(Path(), seeds=1, preset=None, overrides=())
    cases = STUDIES["front"].cases(load_config(None, ["data.name=chitchat"]), options)
    labels = {case.label for case in cases}
    assert {"gaussian 0.1", "gaussian 0.3", "gaussian 1", "hybrid 9", "random"} <= labels
    assert not {case.facts["method"] for case in cases} & {"dp", "noisy", "raw"}


def test_controls_do_not_compete(study, tmp_path):
    study("tradeoff")
    rows, _, _ = results(tmp_path, "tradeoff")
    assert "Pareto front: by point estimates" in results(tmp_path, "tradeoff")[1]["caption"]
    front = {row["method"] for row in rows if row["front"] == "yes"}
    assert "dp" in front  # leaks least
    assert not front & {"random", "raw"}


def test_leakage_is_the_strongest_adversary_of_any_source(study, tmp_path):
    study("adversaries", "training.budget=1")
    rows, written, _ = results(tmp_path, "adversaries")
    assert {row["learned_from"] for row in rows} == {"contributors", "collector", "both"}
    assert {row["adversary"] for row in rows} >= {"knn", "mlp", "trained with the extractor"}
    study("budget", "data.private=[Male]")
    budget, _, _ = results(tmp_path, "budget")
    assert float(budget[0]["leakage_Male"]) == max(float(row["leakage"] or 0) for row in rows)
    assert written["runs"][0]["case"] == "every adversary, budget 1"


def test_an_adversary_has_its_floor_and_what_validation_people_say(study, tmp_path):
    study("adversaries", "training.budget=1")
    rows, _, _ = results(tmp_path, "adversaries")
    assert {row["floor"] for row in rows} == {str(FLOOR)}
    of_sets = [row for row in rows if row["adversary"].startswith("set-")]
    assert [(row["leakage"], row["pooled"], row["validation"]) for row in of_sets] == [("", "0.6", "0.6")]
    co_trained = [row for row in rows if row["adversary"] == "trained with the extractor"]
    assert [(row["validation"], row["converged"]) for row in co_trained] == [("", "")]
    for row in rows:
        if row not in of_sets and row not in co_trained:
            assert row["validation"] == row["leakage"]  # the fake's
            assert (row["converged"] == "no") == (row["adversary"] == "linear")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("adversaries", "leakage_curve")])
def test_the_label_floor_stands_beside_leakage(name, study, tmp_path):
    assert study(name)[0] == 0
    rows, written, _ = results(tmp_path, name)
    order = [column["key"] for column in written["columns"] if not column["key"].startswith("change_l")]
    leaks = [key for key in order if key.startswith("leakage_")]
    assert leaks
    for key in leaks:
        floor = key.replace("leakage_", "floor_")
        assert order[order.index(key) + 1] == floor
        assert {row[floor] for row in rows if row[key]} == {str(FLOOR)}
        assert f"change_{floor}" not in order  # no codec changes it
    assert not [key for key in order if key.startswith("floor_") and key[6:] not in {k[8:] for k in leaks}]


def test_without_metadata_there_is_no_floor(study, tmp_path, monkeypatch):
    whole = rows_of
    monkeypatch.setitem(
        globals(), "rows_of", lambda c: [r for r in whole(c) if r["representation"] != "metadata"]
    )
    study("budget", "evaluation.adversaries=[insider]")
    assert {row["floor_Young"] for row in results(tmp_path, "budget")[0]} == {""}


def test_multi_attribute_leaves_empty_what_a_run_does_not_hide(study, tmp_path):
    study("multi_attribute")
    rows, _, _ = results(tmp_path, "multi_attribute")
    assert {row["hidden"] for row in rows} == {"Male", "Young", "Male and Young"}
    assert all((row["leakage_Young"] == "") == (row["hidden"] == "Male") for row in rows)
    both = next(row for row in rows if (row["hidden"], row["budget"]) == ("Male and Young", "0.9"))
    assert (both["paper_Young"], both["paper_Smiling"]) == ("0.6485", "0.8816")


def test_reconstruction_tells_of_both_adversaries_and_of_what_a_face_shows(study, tmp_path):
    study("reconstruction")
    rows, _, _ = results(tmp_path, "reconstruction")
    assert {(row["steps"], row["converged"], row["inversion_converged"]) for row in rows} == {
        ("2048", "yes", "no")
    }
    assert {(row["inversion_ssim"], row["inversion_decoder_ssim"]) for row in rows} == {("0.48", "0.61")}
    assert {(row["verification"], row["verification_raw"]) for row in rows} == {("0.78", "0.9")}


def test_the_curve_ends_with_everybody(study, tmp_path):
    study("leakage_curve")
    rows, _, _ = results(tmp_path, "leakage_curve")
    assert {row["floor"] for row in rows} == {str(FLOOR)}
    assert all(row["validation"] == row["leakage"] for row in rows)  # the fake's
    mine = [row for row in rows if row["method"] == "tiprdc"]
    assert [(row["people"], row["learned_people"]) for row in mine] == [
        *(("10", "10.0"), ("30", "30.0"), ("100", "100.0"), ("all", "200.0"))
    ]


def test_transfer_uses_one_datasets_extractor_on_the_other(study, run, tmp_path):
    assert study("transfer")[0] == 0
    first, second, there, back = run.asked
    assert (first.training.extractor, second.training.extractor) == (None, None)
    assert there.training.extractor == f"{first.run_dir}/extractor.safetensors"
    assert back.training.extractor == f"{second.run_dir}/extractor.safetensors"
    assert there.data == second.data
    assert back.data == first.data
    assert (second.data.name, second.data.collector_people) == ("folder", None)
    metadata = (tmp_path / "out/other_faces/metadata.csv").read_text("utf-8").splitlines()
    assert metadata[0].startswith("file_name,contributor,")
    with Image.open(tmp_path / "out/other_faces" / metadata[1].split(",")[0]) as image:
        assert image.size == (64, 80)


def test_transfer_takes_a_second_dataset(study, run):
    status, _ = study(
        "transfer", "other.name=lfw", "other.root=lfw", "other.private=[Asian]", "other.clients=7"
    )
    assert status == 0
    assert run.asked[1].data.root == str(Path("lfw").resolve())
    assert (run.asked[1].data.private, run.asked[1].data.tasks) == (["Asian"], ["Black Hair"])
    assert [config.clients for config in run.asked] == [100, 7, 7, 100]


def test_the_folder_of_a_transfer_is_drawn_once(tmp_path):
    folder = write_folder(tmp_path / "other", people=1)
    (folder / "metadata.csv").write_text("kept", encoding="utf-8")
    assert write_folder(folder, people=1) == folder
    assert (folder / "metadata.csv").read_text("utf-8") == "kept"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "budget",
            ["training.budget=0.5"],
            "training.budget=0.5: the study itself sweeps training.budget (1, 0.9, 0.5, 0)",
        ),
        ("strategies", ["devices.name=null"], "devices.name=null: simulations.strategies compares times"),
        ("strategies", ["strategy.window=3"], "strategy.window=3: the study itself sweeps"),
        ("heterogeneity", ["partition.alpha=3"], "partition.alpha=3: the study itself sweeps"),
        ("tradeoff", ["protection.name=dp"], "protection.name=dp: the study itself sweeps"),
        ("budget", ["seeds=0"], "seeds=0: expected how often"),
        ("budget", ["seeds=many"], "seeds=many: expected how often"),
        ("budget", ["out="], "out=: a folder is expected"),
        ("budget", ["run_dir=here"], "run_dir=here: a study names its run folders itself"),
        ("budget", ["training.extractor=e"], "training.extractor=e: a study trains its extractors"),
        ("budget", ["clients=-1"], "clients=-1: expected an integer, at least 1"),
        ("budget", ["client=5"], "unknown key 'client'; did you mean 'clients'?"),
        ("budget", ["other.name=lfw"], "unknown key 'other.name'"),
        ("budget", ["quick"], "quick: key=value is expected"),
        ("budget", ["--preset", "x"], "unknown option --preset; keys are given as key=value"),
        ("budget", ["--config", "nowhere"], "--config nowhere: no such file; presets: "),
        ("budget", ["--config"], "argument --config: expected one argument"),
        ("text", ["data.name=faces"], "data.name=faces: simulations.text needs text"),
        ("tradeoff", ["data.name=chitchat"], "data.name=chitchat: simulations.tradeoff needs images"),
        ("multi_attribute", ["data.private=[Male]"], "data.private=[Male]: two attributes or more"),
        (
            "transfer",
            ["other.nam=lfw"],
            "other.nam=lfw: the second dataset's keys are other.clients, other.name",
        ),
        ("transfer", ["other.image_size=64"], "other.image_size=64: the second dataset's keys are"),
        ("transfer", ["other.name=lfw"], "data.name=lfw needs data.root=PATH"),
        ("budget", ["data.name=folder"], "data.name=folder needs data.root=PATH"),
        ("text", ["data.name=folder", "data.root=nowhere"], "nowhere is not a folder"),
        ("budget", ["out=/dev/null/x"], "out=/dev/null/x cannot be written: Not a directory; name another"),
        ("transfer", ["other.name=chitchat"], "other.name=chitchat: simulations.transfer needs images"),
        ("transfer", ["other.tasks=[Smiling,Young]"], "are paired by position: name as many"),
    ],
)
def test_a_mistake_gives_one_line_and_runs_nothing(name, arguments, expected, study, run, capsys):
    assert study(name, *arguments)[0] == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert expected in error
    assert error.count("\n") == 1
    assert run.asked == []


def test_a_run_that_cannot_be_done_names_its_case(study, capsys, monkeypatch):
    def refuse(self: FakeRun, config: Config, console: Console, quiet: bool) -> None:
        raise InputError("too few people")

    monkeypatch.setattr(FakeRun, "__call__", refuse)
    assert study("budget")[0] == 2
    assert capsys.readouterr().err == "error: tiprdc, budget 1: too few people\n"


def test_out_must_be_a_folder(run, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(STUDIES["budget"], [f"out={tmp_path}/file"], run, Console(file=io.StringIO())) == 2
    assert "file cannot be written: Not a directory; name another folder" in capsys.readouterr().err
    assert run.asked == []
    (tmp_path / "free").mkdir()
    (tmp_path / "free/budget-faces.partial").mkdir()  # where the first file is begun
    assert main(STUDIES["budget"], [f"out={tmp_path}/free"], run, Console(file=io.StringIO())) == 2
    assert "free/budget-faces.csv: cannot be written" in capsys.readouterr().err


def test_a_missing_picture_is_a_mistake_with_a_remedy(study, run, capsys):
    study("reconstruction")
    (Path(str(run.asked[1].run_dir)) / "reconstruction.npz").unlink()
    assert study("reconstruction")[0] == 2
    assert "reconstruction.npz cannot be read: remove its folder and repeat" in capsys.readouterr().err


def test_a_preset_beats_the_studys_defaults_and_the_user_beats_both(study, run, tmp_path):
    preset = tmp_path / "small.yaml"
    preset.write_text("clients: 7\ntraining: {epochs: 4}\ndata.tasks: [Smiling]\n", encoding="utf-8")
    study("budget", "--config", str(preset), "clients=9")
    config = run.asked[0]
    assert (config.clients, config.training.epochs, config.data.tasks) == (9, 4, ["Smiling"])
    assert config.evaluation.max_examples == 4000  # the study's
    assert preset_values(str(preset)) == {"clients": 7, "training.epochs": 4, "data.tasks": ["Smiling"]}


@pytest.mark.parametrize(
    ("preset", "dataset", "tasks"),
    [
        ("paper_celeba", "celeba", ["Gray_Hair", "Smiling"]),
        ("paper_lfw", "lfw", ["Black Hair", "Eyeglasses"]),
        ("paper_dial", "dial", ["Mentioned"]),
    ],
)
def test_presets_have_the_papers_settings(preset, dataset, tasks):
    config = load_config(preset, ["data.root=somewhere"])
    assert (config.data.name, config.data.tasks, config.model.width) == (dataset, tasks, 64)
    assert (config.training.batch_size, config.training.learning_rate) == (64, 1e-4)
    assert config.data.image_size == (218, 178) or dataset == "dial"


@pytest.mark.parametrize(
    ("preset", "modality", "network"),
    [
        ("paper_celeba", "image", "table1"),
        ("paper_lfw", "image", "table1"),
        ("paper_dial", "text", "table2"),
    ],
)
def test_presets_measure_with_the_default_suite_and_the_papers_network(preset, modality, network):
    attacks = load_config(preset, ["data.root=somewhere"]).evaluation.attacks
    assert {*(attacks or DEFAULT_ATTACKS[modality])} == {*DEFAULT_ATTACKS[modality], network}


def test_dials_preset_fits_either_form():
    config = load_config("paper_dial", ["data.root=somewhere"])
    people = 176_000 // 20  # of the four cells
    found = split_people(
        range(people), config.clients, config.data.collector_people, config.data.holdout_people, 0
    )
    assert min(len(found.collector), len(found.holdout)) > 2000


def test_a_preset_names_the_dataset(study, run):
    assert study("budget", "--config", "paper_lfw", "data.root=lfw")[0] == 0
    assert run.asked[0].data.name == "lfw"
    assert run.asked[0].model.width == 64


@pytest.mark.parametrize("name", NAMES)
def test_help_is_one_screen(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(STUDIES[name], ["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(
        part in text
        for part in ("out=DIR", "seeds=K", "evaluation.max_examples=4000", STUDIES[name].question)
    )
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 100
    assert ("other.KEY" in help_of(STUDIES[name])) == (name == "transfer")


def test_codecs_are_compared_with_float32_of_their_seed(study, run, tmp_path):
    assert study("codecs", "seeds=2", "data.private=[Male]", "data.tasks=[Smiling]")[0] == 0
    rows = {row["codec"]: row for row in results(tmp_path, "codecs")[0]}
    assert list(rows) == [name for codec in PLAIN for name in (codec, f"{codec}+zstd")]
    assert {config.federation.codec for config in run.asked} == set(PLAIN)
    assert [float(rows[codec]["bytes"]) for codec in PLAIN] == [1024, 512, 272, 144, 80]
    assert [round(float(rows[codec]["times"]), 2) for codec in PLAIN] == [1, 2, 3.76, 7.11, 12.8]
    assert float(rows["uint8"]["to_raw"]) == pytest.approx(272 / 3072)
    assert float(rows["uint8"]["to_jpeg"]) == pytest.approx(0.272)
    for row in rows.values():  # the fake's accuracies rise with the seed, alike for every codec
        assert float(row["change_leakage_Male"]) == float(row["change_leakage_Male_high"]) == 0
        assert float(row["leakage_Male_high"]) > float(row["leakage_Male"])
        assert float(row["encode_us"]) > 0 and float(row["decode_us"]) > 0
    for codec in PLAIN:
        assert rows[codec]["utility_Smiling"] == rows[f"{codec}+zstd"]["utility_Smiling"]
    assert float(rows["float32+zstd"]["bytes"]) < 1024


def test_codecs_say_points_lost(study, monkeypatch, tmp_path):
    lost = {"float32": 0.0, "uint4": 0.02}
    monkeypatch.setitem(globals(), "leakage", lambda c: 0.9 - lost.get(c.federation.codec, 0.0))
    assert study("codecs", "data.private=[Male]", "data.tasks=[Smiling]")[0] == 0
    rows = {row["codec"]: row for row in results(tmp_path, "codecs")[0]}
    assert float(rows["uint4"]["change_leakage_Male"]) == pytest.approx(-2)
    assert float(rows["uint4+zstd"]["change_utility_Smiling"]) == pytest.approx(-2 / 3)
    assert float(rows["uint8"]["change_leakage_Male"]) == 0


def test_codecs_of_messages_have_no_jpeg(study, monkeypatch, tmp_path):
    monkeypatch.setattr("simulations.codecs.sample_of", lambda run: SAMPLE._replace(jpeg_bytes=None))
    status, text = study("codecs", "data.name=chitchat")
    assert status == 0
    assert "x UTF-8" in text and "JPEG" not in text
    with (tmp_path / "out/codecs-chitchat.csv").open(encoding="utf-8", newline="") as file:
        assert "to_jpeg" not in next(csv.reader(file))


def test_heterogeneity_uses_one_extractor_for_every_partition(study, run, tmp_path):
    assert study("heterogeneity", "data.private=[Male]", "data.tasks=[Smiling]")[0] == 0
    first, *others = run.asked
    assert first.partition.name == "natural" and first.training.extractor is None
    assert {one.training.extractor for one in others} == {f"{first.run_dir}/extractor.safetensors"}
    by = [
        (one.partition.partition_by, one.partition.alpha)
        for one in others
        if one.partition.name == "dirichlet"
    ]
    assert by == [([name], alpha) for name in ("Smiling", "Male") for alpha in (0.05, 0.1, 0.5, 1, 10)]
    rows, _, _ = results(tmp_path, "heterogeneity")
    found = {(row["partition"], row["setting"], row["by"]): row for row in rows}
    assert len(found) == len(rows) == 18
    row = found[("dirichlet", "0.05", "Male")]
    assert float(row["skew_Smiling"]) == pytest.approx(1 / 1.05)
    assert (row["chance_skew_Male"], row["p50"], row["empty"]) == ("0.125", "12.0", "3.0")
    assert (row["people_Smiling"], row["tenth_Male"], row["megabytes"]) == ("0.7", "0.55", "2.5")


def test_heterogeneity_lets_nobody_model_devices_by_mistake(study, run):
    study("heterogeneity")
    assert {config.devices.name for config in run.asked} == {None}


def test_strategies_by_hand(study, run, tmp_path):
    assert study("strategies", "data.private=[Male]", "data.tasks=[Smiling]", "clients=100")[0] == 0
    rows = {(row["strategy"], row["setting"]): row for row in results(tmp_path, "strategies")[0]}
    assert len(rows) == 8
    for row in rows.values():
        assert (row["hours_to_goal"], row["hours"]) == (
            "2.0",
            "2.0",
        )  # of 2,000 examples 1,200 after 4 half hours
        assert [float(row[f"{name}_mb"]) for name in ("down", "up", "wasted")] == [4, 6, 1.5]
        assert [row[name] for name in ("requests", "lost", "late", "duplicates")] == [
            "120.0",
            "20.0",
            "7.0",
            "3.0",
        ]
        assert (row["slowest"], float(row["slowest_share"])) == ("Slow phone", 0.4)
        assert float(row["slowest_answered"]) == pytest.approx(1 / 6)
        assert (float(row["share_Male"]), float(row["collected_Male"])) == (0.4, 0.5)
        assert (row["group_name_Smiling"], float(row["group_Smiling"])) == ("Male=1", pytest.approx(0.7))
        assert (row["group_name_Male"], float(row["group_Male"])) == ("Smiling=0", 0.8)  # the most exposed


def test_strategies_are_after_the_same_and_devices_go_with_an_attribute(study, run):
    assert study("strategies", "clients=100", "data.private=[Male,Young]")[0] == 0
    by_name = {(one.strategy.name, one.strategy.per): one for one in run.asked}
    assert {one.devices.correlated_with for one in run.asked} == {"Male"}
    assert {by_name[(name, "label")].strategy.target for name in ("over_select", "fair", "async_window")} == {
        55
    }
    assert by_name[("uniform", "label")].strategy.fraction == pytest.approx(0.66)
    assert by_name[("async_window", "label")].strategy.window == 25
    study("strategies", "clients=100", "devices.correlated_with=Smiling", "strategy.deadline=60")
    assert {one.devices.correlated_with for one in run.asked[8:]} == {"Smiling"}
    assert {one.strategy.deadline for one in run.asked[8:]} == {60}


def test_quotas_are_a_part_of_what_there_is(study, run, monkeypatch):
    labels = {"Smiling": np.repeat([0, 1], [300, 700]), "Gray_Hair": np.repeat([0, 1], [960, 40])}
    monkeypatch.setattr("simulations.strategies.examples_of", lambda config: labels)
    assert study("strategies")[0] == 0
    quotas = {one.strategy.per: one.strategy.quota for one in run.asked if one.strategy.name == "quota"}
    assert quotas == {
        "label": 22,
        "device": 275,
    }  # 55 % of the 40 with gray hair; 550 from classes of 600 and 400


@pytest.mark.parametrize(
    ("amounts", "total", "expected"), [([600, 400], 550, 275), ([900, 100], 550, 450), ([5, 1, 3], 9, 5)]
)
def test_a_level_takes_the_total_from_all_amounts(amounts, total, expected):
    found = level(np.array(amounts), total)
    assert found == expected
    assert np.minimum(amounts, found).sum() == total


def test_a_goal_that_is_never_reached_is_not_defined():
    asked = ["data.private=[Male]", "data.tasks=[Smiling]", "evaluation.attacks=[linear]"]
    report = report_of(load_config(None, asked))
    assert seconds_to_goal(report) == 7200
    people = report.people.model_copy(update={"contributors": Group(people=100, examples=5000)})
    assert seconds_to_goal(report.model_copy(update={"people": people})) is None


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_sample_is_the_features_of_holdout_people(modality, tmp_path):
    words = ["hello", "good", "day", "to", "you"]
    if modality == "image":
        data = "{name: faces, collector_people: 2, holdout_people: 2}"
        architecture = Architecture("image", 4, image_size=(32, 32))
    else:
        table = "contributor,text,Kind,Polite\n" + "".join(
            f"p{i},{' '.join(words[: 1 + i % 5])},{i % 2},{i % 3}\n" for i in range(30)
        )
        (tmp_path / "texts").mkdir()
        (tmp_path / "texts/metadata.csv").write_text(table, encoding="utf-8")
        data = f"{{name: folder, root: {tmp_path}/texts, private: [Kind], tasks: [Polite]}}"
        architecture = Architecture("text", 4, vocabulary=("", "?", *words), max_tokens=4)
    config = f"clients: 2\ndata: {data}\n"
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    seed_torch(0)
    network = build_extractor(architecture)
    (tmp_path / "extractor.safetensors").write_bytes(to_bytes(network, architecture))
    sample = sample_of(tmp_path)
    assert sample.counts.sum() == len(sample.rows)
    if modality == "image":
        assert set(sample.counts) == {8} and sample.rows.shape[1] == 64
        assert sample.raw_bytes == 3072 and 300 < (sample.jpeg_bytes or 0) < 3072
    else:
        assert {1, 4} < {*sample.counts} <= {1, 2, 3, 4} and sample.rows.shape[1] == 19
        assert sample.jpeg_bytes is None
    assert cost(sample, "float32")[0] == 4 * sample.rows.numel() / len(sample.counts)


def test_a_jpeg_of_one_colour_is_small():
    flat_image, noise = (
        np.zeros((64, 64, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (64, 64, 3)),
    )
    assert jpeg_bytes(flat_image) < 1000 < jpeg_bytes(noise.astype(np.uint8))


def test_labels_of_points_avoid_one_another():
    places = [(100.0, 100.0), (104.0, 101.0), (300.0, 50.0)]
    sizes = [(30.0, 14.0)] * 3
    corners = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(places, spread(places, sizes), strict=True)]
    for i, (x, y) in enumerate(corners):
        for other_x, other_y in corners[:i]:
            assert abs(x - other_x) >= 30 or abs(y - other_y) >= 14


def test_table_5_runs_as_its_preset_says(study, run):
    first = ("--config", "paper_celeba", "data.root=celeba", "data.tasks=[Black_Hair]")
    assert study("transfer", *first, "other.name=lfw", "other.root=lfw")[0] == 0
    celeba, lfw = run.asked[0].data, run.asked[1].data
    assert (celeba.name, celeba.collector_people, lfw.name, lfw.collector_people) == (
        "celeba",
        7500,
        "lfw",
        None,
    )
    assert celeba.image_size == lfw.image_size == (218, 178)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_narrow_place_cuts_no_figure(study, run, tmp_path, terminal):
    console = Console(width=80, file=io.StringIO(), force_terminal=terminal)
    assert main(STUDIES["tradeoff"], [f"out={tmp_path}/out"], run, console) == 0
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    rows = [line for line in text.splitlines() if line.startswith("noisy")]
    assert len(rows) == 1 and rows[0].split()[1] == "40"
    assert (re.search(r"\d\.\d \(\d+-\d+\)", rows[0]) is None) == terminal
    assert ("Intervals: in the CSV" in text) == terminal
