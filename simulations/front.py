"""Every protection at its settings: ``python -m simulations.front [key=value ...]``."""

from collections.abc import Sequence

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of, with_proxies
from simulations.common.figures import (
    UNDEFINED,
    Column,
    Report,
    Row,
    Span,
    best,
    floor,
    highest,
    mean_span,
    pooled,
    private_of,
    tasks_of,
)
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import attribute_cells, attribute_columns, budget_cases
from simulations.tradeoff import draw_front, mark_front
from tiprdc_fl.config.keys import Config
from tiprdc_fl.protections import PROTECTIONS

BUDGETS = ("0.9", "0.5")
NOISE_MULTIPLIERS = ("0.1", "0.3", "1")
ROUNDS = ("5", "15")  # of obliviator
NOISE = ("0.25", "0.5", "1")  # of aligned
BITS = ("4", "8")  # of codes
EPSILONS = ("0.9", "9")  # the paper's largest, and one that leaves something to learn


def _cases(config: Config, options: Options) -> list[Case]:
    modality = modality_of(config.data.name, config.data.root)
    known = with_proxies(config.data)
    cases = [
        *budget_cases(),
        *(
            _case(name, "training.budget", value)
            for name in ("ensemble", "maxent", "mmd")
            for value in BUDGETS
        ),
        _case("leace"),
        _case("leace", "protection.kernel", "rbf"),
        *(_case("obliviator", "protection.rounds", value) for value in ROUNDS),
        *(_case("gaussian", "protection.noise_multiplier", value) for value in NOISE_MULTIPLIERS),
        *(_case("aligned", "protection.noise", value, known) for value in NOISE),
        *(_case("codes", "protection.bits", value, known) for value in BITS),
        _case("encoder"),
        *([_case("encoder", "protection.encoder", "proxies", known[:1])] if known else ()),
        *(_case("hybrid", "protection.epsilon", value) for value in EPSILONS),
        *(_case("dp", "protection.epsilon", value) for value in EPSILONS),
        _case("noisy"),
        _case("random"),
        _case("raw"),
    ]
    return [case for case in cases if modality in PROTECTIONS[case.facts["method"]].modalities]


def _case(method: str, key: str = "", value: str = "", further: Sequence[str] = ()) -> Case:
    overrides = (f"protection.name={method}", *([f"{key}={value}"] if key else []), *further)
    return Case(f"{method} {value}".strip(), overrides, {"method": method, "setting": value})


def _columns(config: Config) -> list[Column]:
    private = config.data.private or []
    return [
        Column("method", "method", "label"),
        Column("setting", "setting", "label"),
        Column("front", "Pareto\nfront", "note"),
        *attribute_columns(config, plain=False),
        *(Column(f"pooled_{name}", f"per person\n{name}") for name in private),
        Column("over_floor", "leakage\nover floor", "number"),
        Column("leakage", "highest\nleakage", brief=True, terminal=len(private) > 1),
        Column("utility", "mean\nutility"),
        Column("bytes", "bytes an\nexample", "count"),
        Column("milliseconds", "ms an\nexample", "number"),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    leaks = {name: best(report, name) for name in private_of(report)}
    row: Row = {**case.facts, "front": "", **attribute_cells(report)}
    row |= {f"pooled_{name}": pooled(report, name) for name in leaks}
    row |= {
        "over_floor": highest([_difference(leak, floor(report, name)) for name, leak in leaks.items()]),
        "leakage": highest(list(leaks.values())),
        "utility": mean_span([best(report, name) for name in tasks_of(report)]),
        "bytes": report.federation.sent_bytes_per_example,
        "milliseconds": _milliseconds(report),
    }
    return [row]


def _difference(leak: Span, least: Span) -> Span:
    """What the features add to the label floor."""
    if leak.value is None or least.value is None:
        return UNDEFINED
    return Span(leak.value - least.value)


def _milliseconds(report: Report) -> Span:
    """Time of an example on one core of this host, without reading it; not defined where no device is modelled."""
    if report.devices is None:
        return UNDEFINED
    seconds = report.devices.calibration.seconds_per_example
    return Span(1000 * (seconds.prepare + seconds.forward + seconds.encode))


STUDY = Study(
    name="front",
    question="Which protections leave most utility for the leakage that they allow?",
    about=(
        "Every protection at several settings, under adversaries who know it. A protection is on the "
        "front when no other leaks less and is at least as useful; random and raw protect nothing and do not "
        "compete."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=draw_front,
    finish=mark_front,
    defaults=(
        "evaluation.adversaries=[informed,metadata]",
        "evaluation.augmentations=1",
        "evaluation.reidentification=false",
    ),
    attributes=dict.fromkeys(("faces", "celeba"), ("data.tasks=[Smiling,Eyeglasses]",)),
    note="Pareto front: by point estimates, without regard to intervals, leakage over floor as a share",
)


if __name__ == "__main__":
    start(STUDY)
