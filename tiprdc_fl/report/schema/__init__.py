"""report.json as a typed value: ``Report.model_validate_json`` reads it, ``model_dump(mode="json")`` writes it.

The JSON schema is generated from these models: ``python -m tiprdc_fl.report --schema`` prints it.
"""

from tiprdc_fl.report.schema.devices import CalibrationFigures, Correlated, DeviceClassFigures, DeviceFigures
from tiprdc_fl.report.schema.federation import (
    Failure,
    FederationFigures,
    LatencyFigures,
    MeasuredLatency,
    ModelledLatency,
    Percentiles,
    SecondsPerContributor,
)
from tiprdc_fl.report.schema.partition import (
    ExamplesPerContributor,
    Histogram,
    LabelSkew,
    PartitionFigures,
    PrivateShare,
)
from tiprdc_fl.report.schema.report import CAVEAT, SCHEMA_VERSION, Report, json_schema
from tiprdc_fl.report.schema.results import (
    Converging,
    CurvePoint,
    Figures,
    GroupResult,
    InversionResult,
    LikenessResult,
    ProbeResult,
    ReconstructionResult,
    ReidentificationResult,
    StrongestProbe,
    VerificationResult,
    WorstOffResult,
)
from tiprdc_fl.report.schema.run import Environment, Epoch, Group, Memory, Origin, People, ReconstructionBound
from tiprdc_fl.report.schema.strategy import (
    DeviceParticipation,
    ModelledCost,
    Moment,
    Outcome,
    Participation,
    SecondsToShare,
    StrategyFigures,
    ValueParticipation,
)
from tiprdc_fl.report.schema.values import BitsFigure, Figure, Interval, Quantiles, ShareFigure

__all__ = [
    "CAVEAT",
    "SCHEMA_VERSION",
    "BitsFigure",
    "CalibrationFigures",
    "Converging",
    "Correlated",
    "CurvePoint",
    "DeviceClassFigures",
    "DeviceFigures",
    "DeviceParticipation",
    "Environment",
    "Epoch",
    "ExamplesPerContributor",
    "Failure",
    "FederationFigures",
    "Figure",
    "Figures",
    "Group",
    "GroupResult",
    "Histogram",
    "Interval",
    "InversionResult",
    "LabelSkew",
    "LatencyFigures",
    "LikenessResult",
    "MeasuredLatency",
    "Memory",
    "ModelledCost",
    "ModelledLatency",
    "Moment",
    "Origin",
    "Outcome",
    "Participation",
    "PartitionFigures",
    "People",
    "Percentiles",
    "PrivateShare",
    "ProbeResult",
    "Quantiles",
    "ReconstructionBound",
    "ReconstructionResult",
    "ReidentificationResult",
    "Report",
    "SecondsPerContributor",
    "SecondsToShare",
    "ShareFigure",
    "StrategyFigures",
    "StrongestProbe",
    "ValueParticipation",
    "VerificationResult",
    "WorstOffResult",
    "json_schema",
]
