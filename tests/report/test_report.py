"""report.json against its schema, and what the terminal, the progress and TensorBoard show."""

import copy
import io
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from pydantic import ValidationError
from rich.console import Console

from tests.report.course_example import sections
from tests.report.report_example import example
from tiprdc_fl import seeding
from tiprdc_fl.config.keys import Config
from tiprdc_fl.evaluation.intervals import Interval
from tiprdc_fl.evaluation.results import Result
from tiprdc_fl.evaluation.scores import Scores
from tiprdc_fl.federation.collector import Collected
from tiprdc_fl.federation.contributor import Failure
from tiprdc_fl.report.figures.federation import federation_figures, per_contributor
from tiprdc_fl.report.figures.partition import describe
from tiprdc_fl.report.queries import headline, pooled_row, ranked, strongest
from tiprdc_fl.report.schema import CAVEAT, SCHEMA_VERSION, Report, json_schema
from tiprdc_fl.report.tensorboard import epoch_writer, write_report
from tiprdc_fl.report.terminal import show
from tiprdc_fl.report.words import SOURCES, TITLES
from tiprdc_fl.stages import progress
from tiprdc_fl.stages.evaluate import result_rows
from tiprdc_fl.stages.run_folder import environment
from tiprdc_fl.store.layout import STAGES

SCHEMA = json_schema()
SECTIONS = {type(part).__name__ for part in (Config(), *vars(Config()).values())}  # of the configuration
PRIVATE, TASK = "Ends_With_Punctuation", "A_Task_Whose_Name_Is_Long"
UNDEFINED = Interval(None, None, None)
FIGURE = {"value": 0.75, "low": 0.7, "high": 0.8}
LIKENESS = {"ssim": FIGURE, "ms_ssim": FIGURE, "psnr": {"value": 17.5, "low": 17.0, "high": 18.0}}
SMALL = dict.fromkeys(("value", "low", "high"))
FAILURE = {"contributor": 7, "stage": "load", "reason": "its image is broken"}


def result(attribute: str, representation: str, probe: str, value: float | None, **changes: Any) -> Result:
    """A probe's result; its validation is a point above what it is measured at."""
    blind = representation == "majority"
    if value is None:
        figure = area = UNDEFINED
    else:
        half = 0.0 if blind else 0.02
        figure, area = Interval(value, value - half, value + half), Interval(value, value, value)
    bits = UNDEFINED if value is None else Interval(abs(value - 0.5), 0.0, 0.5)
    wide = Interval(0.9, 0.85, 0.95)
    validated = None if value is None or blind else round(value + 0.01, 4)
    whole = Result(
        attribute=attribute,
        representation=representation,
        probe=probe,
        learned_from="contributors",
        scores=Scores(wide, figure, area, bits, UNDEFINED, UNDEFINED),
        per_person=UNDEFINED if blind else figure,
        validation=validated,
        validation_per_person=validated,
        steps=None,
        last_doubling=None,
        converged=True,
        learned_people=1000,
        learned_examples=19330,
        measured_people=40,
        measured_examples=700,
    )
    return replace(whole, **changes)


def results(features: float | None = 0.6, floor: float | None = 0.55) -> list[Result]:
    """Two probes of each attribute and representation, linear stronger; of the private one a floor, too."""
    rows = [
        result(attribute, representation, probe, value)
        for representation, base in (("features", features), ("random", 0.7), ("raw", 0.8))
        for attribute in (TASK, PRIVATE)
        for probe, value in (("table1", base), ("linear", None if base is None else base + 0.05))
    ]
    rows.append(result(PRIVATE, "metadata", "trees", floor, learned_from="both"))
    together = None if features is None else features + 0.1
    rows.append(result(PRIVATE, "features+metadata", "linear+trees", together))
    return rows + [result(name, "majority", "constant", 0.5) for name in (TASK, PRIVATE)]


def keys() -> pa.Table:
    """Rows of a store: contributor 3 sent two examples in 500 bytes, contributor 1 sent one in 300."""
    columns: dict[str, list] = {
        "contributor": [3, 1, 3],
        "row": [0, 0, 1],
        "raw_bytes": [100, 120, 100],
        "sent_bytes": [500, 300, 500],
    }
    for number, stage in enumerate(STAGES):
        columns[f"{stage}_seconds"] = [0.3 + number, 0.1 + number, 0.3 + number]
    return pa.table(columns)


def collected(failures) -> Collected:
    failed = tuple(Failure(**failure) for failure in failures)
    return Collected(4, 2, failed, examples=3, seconds=0.3, asked_again=2)


def chance_of(value: float | None) -> dict[str, Any]:
    """Random groups have 62 to 68 %."""
    low, high = (None, None) if value is None else (0.62, 0.68)
    beyond = None if value is None else not 0.62 <= value <= 0.68
    return {"chance_low": low, "chance_high": high, "beyond_chance": beyond}


def group(attribute: str, group_by: str, name: str, value: float | None) -> dict[str, Any]:
    figure = SMALL if value is None else {"value": value, "low": value - 0.02, "high": value + 0.03}
    return {
        **{"attribute": attribute, "role": "private" if attribute == PRIVATE else "task", "probe": "linear"},
        **{
            "learned_from": "contributors",
            "group_by": group_by,
            "group": name,
            "people": 20,
            "examples": 350,
        },
        **{"accuracy": FIGURE, "balanced_accuracy": figure},
        **chance_of(None if group_by == attribute else value),
    }


def groups() -> list[dict[str, Any]]:
    """By device class, the two attributes, and classes of too few people."""
    values = {"new phone": 0.7, "old phone": 0.6, "watch": None}
    return [
        group(attribute, by, name, value)
        for attribute, other in ((PRIVATE, TASK), (TASK, PRIVATE))
        for by, found in (
            ("device", values),
            (other, {f"{other}=0": 0.66, f"{other}=1": 0.625}),
            (attribute, {f"{attribute}=0": 0.1, f"{attribute}=1": 0.9}),  # recalls
        )
        for name, value in found.items()
    ]


def worst_off() -> list[dict[str, Any]]:
    tenth = {"value": 0.95, "low": 0.9, "high": 1.0}
    names = ("mean", "p50", "worst_quarter", "share_past_chance")
    return [
        {
            **{"attribute": attribute, "role": role, "probe": "linear", "learned_from": "contributors"},
            **{"people": 38, "examples": 690, "chance": 0.5, "expected_worst_tenth": 0.85},
            **{"worst_tenth": tenth, **dict.fromkeys(names, FIGURE)},
            **{"chance_low": 0.8, "chance_high": 0.9, "beyond_chance": True},
        }
        for attribute, role in ((PRIVATE, "private"), (TASK, "task"))
    ]


def report_of(found: list[Result], failures: tuple[dict, ...] = (FAILURE,)) -> dict[str, Any]:
    epoch = {
        "epoch": 1,
        "phase": "pretrain",
        "adversary_loss": 0.7,
        "mutual_information_bound": -1.2,
        "extractor_loss": 0.1,
        "examples_per_second": 1000.0,
        "adversary_balanced_accuracy": {PRIVATE: 0.625},
    }
    report = {
        "schema_version": SCHEMA_VERSION,
        "name": "hand-made",
        "run_dir": "runs/hand-made",
        "configuration": asdict(Config()),
        "protection": "tiprdc, budget 0.9",
        "public": "preprocessing and weights",
        "reconstruction_bound": None,
        "names": {"probe": {"linear": "logistic regression"}},
        "environment": environment(),
        "people": {
            "collector": {"people": 4, "examples": 8},
            "contributors": {"people": 3, "examples": 3},
            "holdout": {"people": 1234, "examples": 56789},
        },
        "partition": describe(
            name="dirichlet",
            label="by Dirichlet shares",
            persons=False,
            settings={"alpha": 0.5},
            contributors=4,
            topped_up=1,
            owner=np.array([3, 1, 3]),
            labels={PRIVATE: np.array([1, 0, 1])},
            private=(PRIVATE,),
            rng=seeding.generator(0, "test"),
        ),
        "results": result_rows(found, (PRIVATE,)),
        "groups": groups(),
        "beyond_floor": [],
        "certificates": [],
        "worst_off": worst_off(),
        "curve": [
            {"people": people, "attribute": PRIVATE, "probe": "linear", "learned_examples": 10 * people}
            | {"balanced_accuracy": FIGURE, "per_person": FIGURE}
            | {"validation": 0.76, "validation_per_person": 0.77}
            for people in (10, 300)
        ],
        "reconstruction": {
            **LIKENESS,
            **{"steps": 350, "last_doubling": 0.051, "converged": False},
            **{"blind": LIKENESS, "ms_ssim_scales": 3, "inversion": None, "verification": None},
        },
        "reidentification": [
            {"representation": "features", "unit": unit, "roc_auc": FIGURE, "people": 9, "pairs": 81}
            for unit in ("contribution", "example")
        ],
        "co_trained_adversary": epoch["adversary_balanced_accuracy"],
        "training_from": {"path": "somewhere", "digest": "ab"},
        "training": [epoch, epoch | {"epoch": 2, "phase": "hybrid"}],
        "federation": federation_figures(
            per_contributor(keys()), (1, 3, 7), (1, 3), collected(failures), (), "inline", "latency"
        ),
        **sections(per_contributor(keys()), PRIVATE),
        "seconds": {"collector examples": 1.25, "training": 1234.5},
        "memory": {"collector_peak_bytes": 3 * 2**20, "worker_peak_bytes": 2**20},
        "caveat": CAVEAT,
    }
    return Report.model_validate(report).model_dump(mode="json")


def shown(report: dict[str, Any], width: int = 80, full: bool = True) -> str:
    console = Console(width=width, file=io.StringIO())
    show(Report.model_validate(report), console, full)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_headline_is_short_and_has_what_counts():
    report = report_of(results())
    text = shown(report, full=False)
    assert len(text.splitlines()) - 2 * text.count("warning: ") <= 28
    for part in (
        "tiprdc, budget 0.9",
        "measured on 40 others",
        f"{PRIVATE} 65.0 (63-67) 55.0 (53-57) 75.0 (73-77) 85.0 (83-87)",
        f"{TASK} 65.0 (63-67) 75.0 (73-77) 85.0 (83-87) 50.0",
        f"{PRIVATE}: 65.0 from features; 55.0 from what travels with them; 70.0 from both together: "
        "the features add 15.0 points (±2.8).",
        "3 asked, 2 answered, 1 failed",
        "800 bytes: 3 examples of 267 bytes (2.50 times the raw data)",
        "18.0 s, modelled for",
        "20 min 36 s for all stages, measured",
        "warning: 1 contributors failed; the first, contributor 7, at load: its image is broken",
        "warning: the strategy missed its goal",
        CAVEAT,
        "runs/hand-made/report.html",
        "--full",
    ):
        assert part in words(text)
    assert "Every probe" not in text and "Partition" not in text


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_schema_describes_every_field_and_closes_what_is_fixed():
    Draft202012Validator.check_schema(SCHEMA)
    models = {name: model for name, model in SCHEMA["$defs"].items() if name not in SECTIONS}
    for model in (SCHEMA, *models.values()):
        assert model["description"]
        assert all("description" in field or "$ref" in field for field in model["properties"].values())
        assert model["additionalProperties"] is False
        assert set(model["required"]) == set(model["properties"])
    fields = SCHEMA["$defs"]["ProbeResult"]["properties"]
    assert fields["representation"]["type"] == "string"  # a protection's name is one
    assert all(f"{name}:" in fields["representation"]["description"].replace("\n", " ") for name in TITLES)
    assert set(fields["learned_from"]["enum"]) == set(SOURCES)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("features", [0.6, None])
def test_a_report_is_as_its_schema_says(features):
    Draft202012Validator(SCHEMA).validate(report_of(results(features)))
    Draft202012Validator(SCHEMA).validate(report_of(results(features), failures=()))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("surplus",), 1, "Extra inputs are not permitted"),
        (("federation", "surplus"), 1, "Extra inputs are not permitted"),
        (("results", 0, "surplus"), 1, "Extra inputs are not permitted"),
        (("caveat",), None, "Field required"),
        (("results", 0, "accuracy", "low"), None, "Field required"),
        (("results", 0, "accuracy", "low"), "half", "should be a valid number"),
        (("results", 0, "accuracy", "value"), 1.5, "should be less than or equal to 1"),
        (("results", 0, "usable_bits", "value"), -0.1, "should be greater than or equal to 0"),
        (("results", 0, "representation"), "", "at least 1 character"),
        (("federation", "seconds_per_contributor", "load", "p99"), None, "Field required"),
        (("training", 0, "phase"), "warm up", "should be 'pretrain' or 'hybrid'"),
        (("schema_version",), 1, f"should be {SCHEMA_VERSION}"),
    ],
)
def test_a_report_that_is_not_so_is_refused(path, value, message):
    report = report_of(results())
    *parents, name = path
    place: Any = report
    for part in parents:
        place = place[part]
    if value is None:
        del place[name]
    else:
        place[name] = value
    assert not Draft202012Validator(SCHEMA).is_valid(report)
    with pytest.raises(ValidationError, match=message):
        Report.model_validate(report)


def test_an_interval_is_whole_or_not_there():
    report = report_of(results())
    report["results"][0]["roc_auc"] = {"value": None, "low": 0.1, "high": 0.2}
    with pytest.raises(ValidationError, match="all numbers or all null"):
        Report.model_validate(report)


def test_figures_of_a_federation_by_hand():
    contributions = per_contributor(keys()).sort_by("contributor").to_pydict()
    assert contributions["contributor"] == [1, 3]
    assert contributions["examples"] == [1, 2]
    assert contributions["raw_bytes"] == [120, 200]
    assert contributions["sent_bytes"] == [300, 500]
    assert contributions["load_seconds"] == [0.1, 0.3]
    found = federation_figures(
        per_contributor(keys()), (1, 3, 7, 9), (1, 3), collected([FAILURE]), (), "inline", "latency"
    )
    assert (found.asked, found.answered, found.failed, found.examples) == (4, 2, 1, 3)
    assert found.unanswered == 1
    assert found.sent_bytes == 800
    assert found.sent_bytes_per_example == pytest.approx(800 / 3)
    assert found.raw_bytes_per_example == pytest.approx(320 / 3)
    assert found.sent_to_raw_ratio == 2.5
    assert found.examples_per_second == pytest.approx(10)
    assert (found.asked_again, found.mode) == (2, "latency")
    # of 0.1 and 0.3 s, a percentile lies between them in proportion; extraction leaves loading out
    seconds = found.seconds_per_contributor
    assert dict(seconds.load) == pytest.approx({"p50": 0.2, "p95": 0.29, "p99": 0.298, "max": 0.3})
    assert dict(seconds.extraction) == pytest.approx({"p50": 6.6, "p95": 6.87, "p99": 6.894, "max": 6.9})


def test_percentiles_of_a_hundred_contributors():
    many = np.arange(101)
    columns = {"contributor": many, "row": many * 0, "raw_bytes": many, "sent_bytes": many}
    table = pa.table(columns | {f"{stage}_seconds": many / 100 for stage in STAGES})
    figures = federation_figures(per_contributor(table), many, many, collected([]), (), "flower", "latency")
    found = figures.seconds_per_contributor
    assert dict(found.forward) == pytest.approx({"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0})
    assert dict(found.extraction) == pytest.approx({"p50": 1.5, "p95": 2.85, "p99": 2.97, "max": 3.0})


def test_of_many_failures_a_hundred_are_kept_and_all_are_counted():
    failures = [FAILURE | {"contributor": number} for number in range(250)]
    found = federation_figures(
        per_contributor(keys()), range(300), range(250, 300), collected(failures), (), "inline", "latency"
    )
    assert (found.failed, found.answered, len(found.failures)) == (250, 50, 100)


def test_who_has_withdrawn_is_neither_answered_nor_failed():
    gone = {FAILURE["contributor"], 8}
    found = federation_figures(
        per_contributor(keys()), range(4, 9), range(4, 9), collected([FAILURE]), gone, "inline", "latency"
    )
    counted = [getattr(found, name) for name in ("asked", "answered", "failed", "withdrawn")]
    assert (counted, found.failures) == ([5, 3, 0, 2], ())


def test_a_share_of_batches_is_not_shown_as_a_latency():
    report = report_of(results())
    assert "ms a contributor (median), 95 %:" in words(shown(report))
    report["federation"]["mode"] = "throughput"
    assert "ms a contributor (median), its share of batches; on this host" in words(shown(report))


def test_messages_that_were_sent_again_are_told():
    report = report_of(results())
    assert "2 messages failed and were sent again" in words(shown(report))
    report["federation"]["asked_again"] = 0
    assert "sent again" not in words(shown(report))


def test_the_strongest_probe_makes_the_headline():
    report = Report.model_validate(report_of(results()))
    assert strongest(report.results, PRIVATE, "raw") == result_rows(results(), (PRIVATE,))[11]
    assert headline(report) == pytest.approx({f"leakage/{PRIVATE}": 0.65, f"utility/{TASK}": 0.65})
    undefined = Report.model_validate(report_of(results(None)))
    assert strongest(undefined.results, PRIVATE, "features") is None
    assert headline(undefined) == {}


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_cuts_neither_names_nor_figures(width):
    report = report_of(results())
    text = shown(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    lines = text.splitlines()
    assert {PRIVATE, TASK} <= {line.rstrip() for line in lines}
    # one example, per person, validation
    row = "table1, insider 60.0 (58-62) 60.0 (58-62) 61.0"
    places = [line for line in lines if words(line) == row]
    assert len(places) == 2 and places[0] == places[1]
    for part in (
        "40 unseen people",
        "700 examples",
        "19,330 examples of 1,000 people",
        "1,234.5",
        "2.50 times",
        "267 bytes",
        "3 asked",
    ):
        assert part in text


def test_the_terminal_says_what_the_figures_mean():
    text = words(shown(report_of(results())))
    for part in (
        CAVEAT,
        "PRIVATE (should be low)",
        "TASK (should be high)",
        "untrained extractor control: features of a random network",
        "raw data control: the same probes on raw inputs",
        "label floor what travels with features by itself",
        "blind guess control: always the most frequent class",
        "report.json has also ROC-AUC, true positives at few false ones, usable bits and accuracy",
        f"Leakage of {PRIVATE} in %: 65.0 (63-67) by the linear probe (insider) on the features, "
        "85.0 (83-87) on raw data; 0.15 of 0.35 usable bits.",
        f"infers {PRIVATE} at 62.5 %: for comparison with the paper, not a leakage figure.",
        "contributor 7 failed, load: its image is broken",
        "collector 3 MiB, over all stages; largest worker 1 MiB",
    ):
        assert part in text


def test_the_terminal_says_what_was_rebuilt_and_warns_where_more_steps_would_come_nearer():
    report = report_of(results())
    warning = (
        "the decoder of images had not converged after 350 steps: the last doubling lowered its error by 5.1 %; "
        "raise evaluation.reconstruction_steps"
    )
    assert f"warning: {warning}" in words(shown(report, full=False))
    assert "It had not converged after 350 steps." in words(shown(report))
    course = {"steps": 724, "last_doubling": 0.01, "converged": True}
    report["reconstruction"] |= course | {
        "inversion": LIKENESS | course | {"decoder": LIKENESS, "examples": 64, "strength": 0.1},
        "verification": {"rebuilt": FIGURE, "raw": FIGURE, "blind": FIGURE, "people": 9, "pairs": 81},
    }
    text = words(shown(report))
    assert warning not in text and text.count("converged after 724 steps.") == 2
    for part in (
        "by inversion of the extractor, 64 images: SSIM",
        "of a rebuilt face and a photograph, ROC-AUC",
    ):
        assert part in text


def test_the_terminal_names_groups_and_people_who_are_worst_off():
    text = words(shown(report_of(results())))
    for part in (
        f"Most exposed group: {TASK}=0 66.0 (64-69), no more than chance gives (62-68); "
        "device new phone 70.0 (68-73), more than chance gives (62-68).",
        f"Worst served group: {PRIVATE}=1 62.5 (60-66), no less than chance gives (62-68); "
        "device old phone 60.0 (58-63), less than chance gives (62-68).",
        "For the worst-off tenth of the people at least 95.0 (90-100) % of their examples are inferred correctly "
        "(mean over people: 75.0 (70-80) %); if people did not differ, at least 85.0 (80-90) %: they differ by "
        "more than few examples make them.",
        "For the worst-off tenth of the people at most 95.0 (90-100) % of their examples",
    ):
        assert part in text


def test_without_groups_or_enough_people_there_is_no_word_of_them():
    report = report_of(results())
    report["groups"] = [one for one in groups() if one["group_by"] != "device"][:1]
    for row in report["worst_off"]:
        row |= {"worst_tenth": SMALL, "expected_worst_tenth": None}
        row |= {"chance_low": None, "chance_high": None, "beyond_chance": None}
    text = words(shown(report))
    assert "group: " not in text and "tenth" not in text and "None" not in text


def test_private_attributes_stand_before_tasks():
    text = shown(report_of(results()))
    assert text.index("PRIVATE") < text.index(PRIVATE) < text.index("TASK (") < text.index(TASK)


def test_without_a_floor_there_is_no_word_of_it():
    kinds = ("metadata", "features+metadata")
    text = words(shown(report_of([row for row in results() if row.representation not in kinds])))
    assert "travels with them" not in text and f"{PRIVATE} 65.0 (63-67) 75.0 (73-77) 85.0 (83-87)" in text


def test_features_that_add_nothing_to_the_floor_are_said_to_add_nothing():
    text = words(shown(report_of(results(0.6, floor=0.72)), full=False))
    assert "72.0 from what travels with them; 70.0 from both together: the features add nothing." in text
    text = words(shown(report_of(results(0.6, floor=0.69)), full=False))
    assert "the features add 1.0 points (±2.8, within the intervals)." in text


def test_what_the_features_add_is_paired_where_the_report_has_it():
    report = report_of(results(0.6, floor=0.69))
    added = {"value": 0.01, "low": 0.004, "high": 0.016}
    row = {"attribute": PRIVATE, "per_person": False, "representation": "features+metadata", "added": added}
    text = words(shown(report | {"beyond_floor": [row | {"per_person": True}, row]}, full=False))
    assert "the features add 1.0 points (±0.6)." in text


def test_a_figure_below_chance_is_a_leak_of_the_other_sign():
    text = words(shown(report_of(results(0.35)), full=False))  # the strongest has 40 %
    assert (
        f"{PRIVATE}: 40.0 (38-42) from features is below chance: an adversary who knows the sign gets 60.0."
        in text
    )
    assert "below chance" not in words(
        shown(report_of(results(0.44)), full=False)
    )  # 49 %, its interval holds 50


def test_a_strongest_probe_that_had_not_converged_is_warned_of():
    late = {"steps": Config().evaluation.steps, "last_doubling": 0.016, "converged": False}
    report = report_of([*results(), result(PRIVATE, "features", "mlp", 0.7, learned_from="both", **late)])
    text = words(shown(report, full=False))
    assert (
        f"warning: {PRIVATE}, sent features: the mlp probe (both) had not converged after 3,000 steps: its last "
        "doubling brought 1.6 points; raise evaluation.steps" in text
    )
    weak = report_of([*results(), result(PRIVATE, "features", "mlp", 0.6, **late)])
    assert "mlp had not converged in 1 of 5 probes of the features, none of them the strongest" in words(
        shown(weak, full=False)
    )
    assert "probe" not in shown(report_of(results()), full=False).split("warning: ", 1)[1]


def test_validation_people_choose_the_strongest_and_others_measure_it():
    lucky = result(PRIVATE, "features", "lda", 0.9, validation=0.6, validation_per_person=0.6)
    of_sets = result(PRIVATE, "features", "set-linear", 0.8, scores=Scores(), validation=None)
    report = Report.model_validate(report_of([*results(), lucky, of_sets]))
    best, of_people = strongest(report.results, PRIVATE, "features"), pooled_row(report.results, PRIVATE)
    assert best is not None and best.probe == "linear" and headline(report)[f"leakage/{PRIVATE}"] == 0.65
    assert of_people is not None and of_people.probe == "set-linear"


def test_probes_are_ranked_by_validation_within_their_representation():
    of_sets = result(PRIVATE, "features", "set-linear", 0.9, scores=Scores(), validation=None)
    rows = Report.model_validate(report_of([of_sets, *results()])).results
    order = ranked(row for row in rows if row.attribute == PRIVATE)
    assert list(order) == list(TITLES)
    assert [row.probe for row in order["features"]] == ["linear", "table1", "set-linear"]


def test_figures_that_are_not_defined_are_shown_as_such():
    text = words(shown(report_of(results(None))))
    assert f"{PRIVATE} n/a 55.0 (53-57) 75.0 (73-77) 85.0 (83-87)" in text
    assert "table1, insider n/a" in text and "the features add" not in text
    assert (
        f"Leakage of {PRIVATE}: n/a, not defined where one of its values has fewer than 10 of the people measured."
        in text
    )
    assert f"warning: no figure of {TASK}, {PRIVATE}: one of its values has fewer than 10 of the" in text
    assert "warning: no figure" not in words(shown(report_of(results())))
    assert not re.search(r"\b(None|nan)\b", text)


def test_a_failure_is_printed_as_it_is():
    failures = tuple({**FAILURE, "reason": f"[/red] has no {number}"} for number in range(5))
    report = report_of(results())
    report["federation"] |= {"failures": failures, "failed": 5}
    text = words(shown(report))
    assert "[/red] has no 2" in text and "[/red] has no 3" not in text
    assert "more failures: report.json" in text


def test_progress_is_plain_lines_where_there_is_no_terminal(monkeypatch):
    clock = iter([0.0, 5.0, 20.0, 40.0])
    monkeypatch.setattr(progress, "perf_counter", lambda: next(clock))
    console = Console(width=40, file=io.StringIO())
    with progress.stage(console, "probes", 4000, "examples") as advance:
        advance(500)
        advance(1500)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "probes: 2,000/4,000 examples, 100/s, 20 s left",
        "probes: done, 2,000 examples in 40.0 s",
    ]


def test_progress_does_not_say_done_after_a_failure():
    console = Console(file=io.StringIO())
    with pytest.raises(ValueError, match="broken"), progress.stage(console, "probes", 10, "examples"):
        raise ValueError("broken")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_progress_is_a_bar_on_a_terminal_and_its_figures_are_whole():
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    with progress.stage(console, "collection", 1_000_000, "contributors") as advance:
        advance(400_000)
        advance(600_000)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "━" in text and "collection" in text and "…" not in text
    assert "1,000,000/1,000,000 contributors" in text


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags}


def test_tensorboard_reads_back_the_reports_figures(tmp_path):
    write_report(Report.model_validate(report_of(results())), tmp_path)
    found = scalars(tmp_path)
    assert found[f"headline/leakage/{PRIVATE}"] == [(0, pytest.approx(0.65))]


def events(folder: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_tensorboard_compares_runs_by_their_settings(tmp_path):
    """Every run is one of TensorBoard's, with its settings and the figures to sort by."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams import metadata

    for name, budget in (("a", 0.9), ("b", 0.5)):
        report = example()
        report["configuration"]["training"]["budget"] = budget
        write_report(Report.model_validate(report), tmp_path / name / "tensorboard")
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    runs.Reload()
    assert set(runs.Runs()) == {"a/tensorboard", "b/tensorboard"}  # no further run for the settings
    budgets = {}
    for run in runs.Runs():
        found = runs.SummaryMetadata(run, metadata.SESSION_START_INFO_TAG)
        start = metadata.parse_session_start_info_plugin_data(found.plugin_data.content)
        budgets[run] = start.hparams["training.budget"].number_value
        assert start.hparams["clients"].number_value == 1000
        assert start.hparams["data.private"].string_value == "[Male]"
        assert start.hparams["data.root"].string_value == "null"
        assert start.hparams["evaluation.reconstruction"].string_value == "true"
        assert "run_dir" not in start.hparams
        tag = metadata.EXPERIMENT_TAG
        asked = metadata.parse_experiment_plugin_data(runs.SummaryMetadata(run, tag).plugin_data.content)
        metrics = {info.name.tag for info in asked.metric_infos}
        assert metrics == {
            *(f"headline/{name}" for name in ("leakage/Male", "leakage_pooled/Male", "utility/Smiling")),
            *("headline/label_floor/Male", "headline/label_floor_pooled/Male"),
            *("headline/leakage_with_metadata/Male", "headline/unconverged_probes"),
            *("headline/utility/Eyeglasses", "headline/sent_bytes_per_example", "headline/modelled_seconds"),
        }
        assert metrics <= set(scalars(tmp_path / run))
    assert budgets == {"a/tensorboard": 0.9, "b/tensorboard": 0.5}


def test_tensorboard_has_the_picture(tmp_path):
    Image.new("RGB", (12, 8), "red").save(tmp_path / "grid.png")
    write_report(Report.model_validate(example()), tmp_path / "run", tmp_path / "grid.png")
    found = events(tmp_path / "run")
    (picture,) = found.Images("reconstruction")
    assert (picture.width, picture.height) == (12, 8)


def test_tensorboard_leaves_out_what_is_not_defined(tmp_path):
    write_report(Report.model_validate(report_of(results(None))), tmp_path)
    found = scalars(tmp_path)
    assert "headline/sent_bytes_per_example" in found
    assert not any(tag.startswith(("headline/leakage", "headline/utility")) for tag in found)


def test_tensorboard_reads_back_the_epochs(tmp_path):
    with epoch_writer(tmp_path) as write:
        for figures in report_of(results())["training"]:
            write(copy.deepcopy(figures))
    found = scalars(tmp_path)
    assert found["training/mutual_information_bound"] == [(1, pytest.approx(-1.2)), (2, pytest.approx(-1.2))]
    assert found[f"training/adversary_balanced_accuracy/{PRIVATE}"][1] == (2, 0.625)


def test_the_schema_documents_every_field():
    """Every property of an object is described, by itself or by what it refers to."""
    kinds = SCHEMA["$defs"]

    def described(field: dict) -> bool:
        named = kinds.get(field.get("$ref", "").rpartition("/")[2], {})
        return "description" in field or "description" in named

    bare = [
        f"{kind}.{name}"
        for kind, definition in {"Report": SCHEMA, **kinds}.items()
        for name, field in definition.get("properties", {}).items()
        if "description" not in field
        and "description" not in kinds.get(field.get("$ref", "").rpartition("/")[2], {})
    ]
    assert bare == []
