"""A whole report of made-up figures, with every optional part: what the page has to draw."""

import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tiprdc_fl.config.keys import Config
from tiprdc_fl.data.proxies import FACES, without_chosen
from tiprdc_fl.report.schema import CAVEAT, SCHEMA_VERSION

CLASSES = {
    "Fast phone": (0.25, 1.6),
    "Usual phone": (0.45, 3.4),
    "Slow phone": (0.25, 8.5),
    "Tablet": (0.05, 2.6),
}
PARTS = {"fixed": 0.001, "per_example": 0.0005, "per_raw_byte": 0.0}
PROBES = {"table1": 0.0, "linear": -0.015, "mlp": -0.004, "trees": -0.07}
SETS = {"set-linear": -0.005, "set-lda": -0.03}
SOURCES = {"contributors": -0.005, "collector": -0.01, "both": 0.0}
FLOOR = 0.58  # of what travels with the features
BASES = {  # features, untrained, raw
    "Male": (0.88, 0.93, 0.94),
    "Smiling": (0.72, 0.83, 0.86),
    "Eyeglasses": (0.78, 0.87, 0.93),
}


def bound() -> dict[str, Any]:
    """Of a protection that bounds reconstructions; errors in grey levels."""
    return {
        **{"examples": 64, "values": 3072, "information": 2e-5},
        **{"unbiased": 51_000.04, "informed": 49.99, "mean_image": 52.31},
    }


def example(private: str = "Male", tasks: tuple[str, str] = ("Smiling", "Eyeglasses")) -> dict[str, Any]:
    """A report as JSON gives it, with the attributes' names as given."""
    names = dict(zip(BASES, (private, *tasks), strict=True))
    report = {
        "schema_version": SCHEMA_VERSION,
        "name": "a made-up run",
        "run_dir": "runs/made-up",
        "configuration": configuration(private, tasks),
        "protection": "tiprdc, budget 0.9",
        "public": "preprocessing and weights",
        "reconstruction_bound": bound(),
        "names": {
            "data.name": {"faces": "generated faces"},
            "probe": {"table1": "convolutions", "linear": "logistic regression"},
        },
        "environment": {
            **{"python": "3.11.7", "platform": "Linux", "cpus": 2, "torch_threads": 2, "cuda": None},
            **{"command": ["simulate.py", "clients=1000"], "code": "ab" * 32, "packages": {"torch": "2.13"}},
        },
        "people": {
            "collector": {"people": 400, "examples": 8000},
            "contributors": {"people": 1000, "examples": 19800},
            "holdout": {"people": 200, "examples": 4010},
        },
        "results": results(names),
        "curve": curve(private),
        "reconstruction": reconstruction(),
        "reidentification": same_person(),
        "co_trained_adversary": {private: 0.73},
        "training_from": None,
        "training": epochs(private),
        "federation": federation(),
        "partition": partition(names),
        "devices": devices(),
        "strategy": strategy(names),
        "latency": latency(),
        "beyond_floor": [],
        "certificates": [],
        "groups": groups(names),
        "worst_off": worst_off(names),
        "seconds": {
            **{"collector examples": 2.1, "training": 61.5, "extractor": 0.02, "collection": 19.4},
            **{
                "controls": 8.8,
                "probes": 148.0,
                "curve": 52.0,
                "reconstruction": 14.0,
                "re-identification": 3.1,
            },
        },
        "memory": {"collector_peak_bytes": 1_767_120_896, "worker_peak_bytes": 817_459_200},
        "caveat": CAVEAT,
    }
    return json.loads(json.dumps(report, allow_nan=False))


def reconstruction() -> dict[str, Any]:
    """A decoder that has converged, an inversion that has not, and faces that are recognised."""
    course = {"steps": 2048, "last_doubling": 0.014, "converged": True}
    inversion = likeness(0.48, 16.2) | {"steps": 4000, "last_doubling": 0.071, "converged": False}
    verification = {"rebuilt": interval(0.78), "raw": interval(0.9), "blind": interval(0.5)}
    return {
        **likeness(0.62, 19.4),
        **course,
        "blind": likeness(0.24, 12.1),
        "ms_ssim_scales": 2,
        "inversion": inversion | {"decoder": likeness(0.61, 19.2), "examples": 64, "strength": 1.0},
        "verification": verification | {"people": 180, "pairs": 9180},
    }


def configuration(private: str, tasks: tuple[str, str]) -> dict[str, Any]:
    default = Config()
    data = replace(
        default.data,
        private=[private],
        tasks=list(tasks),
        proxies=without_chosen(FACES)({"data.private": [private], "data.tasks": tasks}),
        collector_people=400,
        holdout_people=200,
    )
    evaluation = replace(default.evaluation, curve=[10, 30, 100, 300], reconstruction=True)
    strategy = replace(default.strategy, name="over_select", target=700)
    return asdict(
        replace(default, data=data, evaluation=evaluation, strategy=strategy, run_dir="runs/made-up")
    )


def interval(value: float | None, half: float = 0.02) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {
        "value": round(value, 4),
        "low": round(max(0, value - half), 4),
        "high": round(min(1, value + half), 4),
    }


def results(names: dict[str, str]) -> list[dict[str, Any]]:
    """Every probe of features by every source, of sets, of metadata, of both together, and of the controls."""
    rows = []
    for known, attribute in names.items():
        for position, kind in enumerate(("features", "random", "raw")):
            sources = SOURCES if kind == "features" else {"both": 0.0}
            for probe, below in PROBES.items():
                for source, less in sources.items():
                    value = BASES[known][position] + below + less
                    rows.append(result(known, attribute, kind, probe, source, value))
        if known == "Male":
            rows += of_sets(attribute) + of_metadata(attribute)
    return rows + [
        result(known, name, "majority", "constant", "contributors", 0.5) for known, name in names.items()
    ]


def of_sets(attribute: str) -> list[dict[str, Any]]:
    """Adversaries that learn from all of a person's features: figures per person alone."""
    rows = []
    for probe, below in SETS.items():
        for source, less in SOURCES.items():
            row = result("Male", attribute, "features", probe, source, BASES["Male"][0] + below + less)
            nothing = (
                "accuracy",
                "balanced_accuracy",
                "roc_auc",
                "usable_bits",
                "tpr_at_1_fpr",
                "tpr_at_01_fpr",
            )
            rows.append(row | dict.fromkeys(nothing, interval(None)) | {"validation": None})
    return rows


def of_metadata(attribute: str) -> list[dict[str, Any]]:
    """The label floor, and the features together with it."""
    rows = []
    for source, less in SOURCES.items():
        together = BASES["Male"][0] + 0.02 + less
        rows.append(result("Male", attribute, "metadata", "trees", source, FLOOR + less))
        rows.append(result("Male", attribute, "metadata", "lda", source, FLOOR + less - 0.02))
        rows.append(result("Male", attribute, "features+metadata", "table1+trees", source, together))
    return rows


def result(known: str, attribute: str, kind: str, probe: str, source: str, value: float) -> dict[str, Any]:
    pooled, blind = known == "Male" and kind != "majority", kind == "majority"
    half = 0.0 if blind else 0.025
    return {
        **{"role": "private" if known == "Male" else "task", "attribute": attribute},
        **{"representation": kind, "probe": probe, "learned_from": source},
        "accuracy": interval(min(1, value + 0.03)),
        "balanced_accuracy": interval(value, half),
        "roc_auc": interval(min(1, value + 0.05)),
        "usable_bits": {
            "value": max(0, 1.4 * (value - 0.5)),
            "low": 0.0,
            "high": max(0, 1.6 * (value - 0.5)),
        },
        "tpr_at_1_fpr": interval(None if blind else value - 0.4),
        "tpr_at_01_fpr": interval(None),
        "per_person": interval(min(1, value + 0.08) if pooled else None),
        "validation": None if blind else round(value + 0.01, 4),
        "validation_per_person": round(min(1, value + 0.07), 4) if pooled else None,
        **ended(probe),
        **{
            "learned_people": 1000,
            "learned_examples": 19800,
            "measured_people": 200,
            "measured_examples": 3950,
            "metrics": {},
        },
    }


def ended(probe: str) -> dict[str, Any]:
    """How a probe's training ended: networks and trees by their last doubling, the others in closed form."""
    if probe in ("table1", "mlp", "trees"):
        return {"steps": 2048, "last_doubling": 0.003, "converged": True}
    return {"steps": None, "last_doubling": None, "converged": True}


def curve(private: str) -> list[dict[str, Any]]:
    return [
        {
            **{"people": people, "attribute": private, "probe": probe, "learned_examples": 20 * people},
            "balanced_accuracy": interval(0.6 + 0.1 * math.log10(people / 10) + below, 0.04),
            "per_person": interval(0.68 + 0.1 * math.log10(people / 10) + below, 0.05),
            "validation": round(0.61 + 0.1 * math.log10(people / 10) + below, 4),
            "validation_per_person": round(0.69 + 0.1 * math.log10(people / 10) + below, 4),
        }
        for people in (10, 30, 100, 300, 1000)
        for probe, below in (("table1", 0.0), ("linear", -0.02))
    ]


def likeness(ssim: float, psnr: float) -> dict[str, Any]:
    return {
        "ssim": interval(ssim),
        "ms_ssim": interval(ssim + 0.12),
        "psnr": {"value": psnr, "low": psnr - 0.4, "high": psnr + 0.4},
    }


def same_person() -> list[dict[str, Any]]:
    areas = {"features": (0.97, 0.78), "random": (0.985, 0.83), "raw": (0.98, 0.8)}
    return [
        {"representation": kind, "unit": unit, "roc_auc": interval(area), "people": 198, "pairs": 39204}
        for kind, pair in areas.items()
        for unit, area in zip(("contribution", "example"), pair, strict=True)
    ]


def epochs(private: str) -> list[dict[str, Any]]:
    return [
        {
            **{"epoch": number, "phase": "pretrain" if number == 1 else "hybrid"},
            "adversary_loss": 0.42 + 0.04 * number,
            "mutual_information_bound": None if number == 1 else -1.3 + 0.08 * number,
            "extractor_loss": None if number == 1 else -0.25 - 0.03 * number,
            "examples_per_second": 3000.0 + 10 * number,
            "adversary_balanced_accuracy": {private: 0.84 - 0.022 * number},
        }
        for number in range(1, 6)
    ]


def federation() -> dict[str, Any]:
    stages = ("load", "prepare", "forward", "encode", "extraction")
    return {
        **{"engine": "flower", "mode": "throughput", "asked": 910, "answered": 702, "failed": 4},
        **{"withdrawn": 0, "unanswered": 204},
        "failures": [{"contributor": 17, "stage": "load", "reason": "its image is broken"}],
        **{"examples": 19700, "sent_bytes": 81_700_000, "sent_bytes_per_example": 4147.2, "asked_again": 1},
        **{"raw_bytes_per_example": 3072.0, "sent_to_raw_ratio": 1.35, "examples_per_second": 2900.0},
        "seconds_per_contributor": {
            name: {"p50": 0.002 * k, "p95": 0.004 * k, "p99": 0.006 * k, "max": 0.02 * k}
            for k, name in enumerate(stages, 1)
        },
    }


def partition(names: dict[str, str]) -> dict[str, Any]:
    edges = [1, 3, 6, 11, 16, 21, 26, 31, 36]
    spread = {"p10": 0.04, "p50": 0.11, "mean": 0.14, "p90": 0.29, "max": 0.52}
    return {
        **{"label": "a contributor is a person", "persons": True},
        **{"name": "natural", "settings": {}, "contributors": 996, "examples": 19800, "empty": 4},
        "topped_up": 0,
        "examples_per_contributor": {"min": 1, "p10": 6, "p50": 21, "mean": 19.9, "p90": 30, "max": 35},
        "histogram": {"edges": edges, "counts": [31, 62, 96, 120, 148, 210, 290, 39]},
        "label_skew": {
            name: {key: value * (1 + k / 3) for key, value in spread.items()}
            for k, name in enumerate(names.values())
        },
        "label_skew_expected": dict.fromkeys(names.values(), 0.1),
        "private_share": {names["Male"]: {"values": [0.0] * 6 + [0.02] + [1.0] * 4, "whole": 0.42}},
    }


def devices() -> dict[str, Any]:
    return {
        **{"set": "phones", "title": "phones and tablets", "start_hour": 12.0, "seconds_per_example": 0.0021},
        "reference": "a made-up host",
        "calibration": {
            "seconds_per_example": {"load": 0.001, "prepare": 0.0004, "forward": 0.0014, "encode": 0.0003},
            **{
                "seconds": dict.fromkeys(("load", "prepare", "forward", "encode"), PARTS),
                "sent_bytes": PARTS,
                "memory_bytes": 4_100_000,
                "contributors": 24,
                "examples": 480,
                "repeated": 3,
            },
            "threads": 1,
            "rows": 24,
        },
        "correlated": None,
        "classes": [
            {
                **{
                    "name": name.lower().replace(" ", "_"),
                    "title": name,
                    "share": share,
                    "slowdown": slowdown,
                },
                **{
                    "downlink_mbps": 60 / slowdown,
                    "uplink_mbps": 14 / slowdown,
                    "failure_rate": 0.01 * slowdown,
                },
                **{"people": int(1000 * share), "latency_ms": 30.0, "memory_mb": 2000.0},
                **{"availability": [0.4] * 24, "availability_between": 0.5, "slowdown_sigma": 0.2},
                **{
                    "network_sigma": 0.6,
                    "latency_sigma": 0.4,
                    "sources": {"slowdown": f"a made-up source for {name}"},
                },
            }
            for name, (share, slowdown) in CLASSES.items()
        ],
    }


def strategy(names: dict[str, str]) -> dict[str, Any]:
    times = [60 * k**1.35 for k in range(1, 121)]
    people = [
        {
            **{
                "group": name,
                "contributors": int(1000 * share),
                "asked": int(910 * share),
                "examples": int(13900 * share),
            },
            "answered": int(910 * share * (0.95 - 0.05 * slowdown)),
        }
        for name, (share, slowdown) in CLASSES.items()
    ]
    values = {
        attribute: [
            {"group": f"{attribute}={value}", "examples": 9900, "answered": int(9900 * (0.72 - 0.09 * value))}
            for value in (0, 1)
        ]
        for attribute in names.values()
    }
    return {
        **{"name": "over_select", "settings": {"target": 700, "factor": 1.3}, "enough": True},
        "outcome": {
            **{
                "contributors": 1000,
                "asked": 910,
                "answered": 702,
                "given_up": 81,
                "never_came": 4,
                "not_asked": 90,
                "late": 14,
            },
            **{"duplicates": 7, "lost": 96, "requests": 1104, "cut": 3},
        },
        "modelled": {
            **{"seconds": times[-1], "downlink_bytes": 71_000_000, "uplink_bytes": 58_000_000},
            **{"wasted_bytes": 6_100_000, "device_seconds": 3120.0},
            "seconds_to_share": {"p50": times[60], "p90": times[108], "p95": times[114], "p99": times[-2]},
        },
        "timeline": [
            {
                "seconds": seconds,
                "answered": int(702 * (k / 120) ** 0.7),
                "examples": int(13900 * (k / 120) ** 0.7),
            }
            for k, seconds in enumerate(times, 1)
        ],
        "participation": {"device": people, "attribute": values},
    }


def latency() -> dict[str, Any]:
    stages = {"download": 0.4, "compute": 0.05, "upload": 2.2, "total": 2.7}
    spread = {"p50": 1.0, "p90": 2.4, "p95": 3.1, "p99": 5.6, "max": 11.0}
    quantiles = np.linspace(-2.3, 2.3, 101)
    return {
        "measured": {
            name: {key: 0.002 * k * factor for key, factor in spread.items()}
            for k, name in enumerate(("load", "prepare", "forward", "encode"), 1)
        },
        "measured_note": "One thread a worker, the other workers running; contributors shared batches.",
        "modelled": {
            title: {
                stage: {key: seconds * slowdown * factor for key, factor in spread.items()}
                for stage, seconds in stages.items()
            }
            for title, (_, slowdown) in CLASSES.items()
        },
        "cdf": {
            title: [round(2.7 * slowdown * math.exp(0.7 * z), 4) for z in quantiles]
            for title, (_, slowdown) in CLASSES.items()
        },
    }


def by_chance(value: float | None, middle: float, half: float) -> dict[str, Any]:
    """The range of a figure by chance, and whether the figure is outside."""
    low, high = (None, None) if value is None else (max(0, middle - half), min(1, middle + half))
    beyond = None if value is None else not max(0, middle - half) <= value <= min(1, middle + half)
    return {"chance_low": low, "chance_high": high, "beyond_chance": beyond}


def groups(names: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for known, attribute in names.items():
        value = BASES[known][0]
        divided = [("device", title, 0.02 - 0.006 * slow) for title, (_, slow) in CLASSES.items()]
        divided += [(other, f"{other}={k}", 0.015 - 0.03 * k) for other in names.values() for k in (0, 1)]
        for by, group, shift in divided:
            balanced = None if group == "Tablet" else value + shift  # of too few people
            found.append(
                {
                    **{"attribute": attribute, "role": "private" if known == "Male" else "task"},
                    **{"probe": "table1", "learned_from": "contributors", "group_by": by, "group": group},
                    **{"people": 88, "examples": 1900},
                    "accuracy": interval(value + shift + 0.02, 0.05),
                    "balanced_accuracy": interval(balanced, 0.05),
                    **by_chance(None if by == attribute else balanced, value, 0.03),
                }
            )
    return found


def worst_off(names: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for known, attribute in names.items():
        value, sign = BASES[known][0], 1 if known == "Male" else -1
        found.append(
            {
                **{
                    "attribute": attribute,
                    "role": "private" if known == "Male" else "task",
                    "probe": "table1",
                },
                **{"learned_from": "contributors", "people": 190, "examples": 3900, "chance": 0.5},
                **{
                    "mean": interval(value),
                    "p50": interval(value + 0.02),
                    "expected_worst_tenth": value + sign * 0.1,
                },
                "worst_quarter": interval(min(1, value + sign * 0.09), 0.03),
                "worst_tenth": interval(min(1, value + sign * 0.19), 0.04),
                "share_past_chance": interval(0.96 if known == "Male" else 0.06),
                **by_chance(min(1, value + sign * 0.19), value + sign * 0.1, 0.04),
            }
        )
    return found
