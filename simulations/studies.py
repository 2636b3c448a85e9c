"""STUDIES: every study by its name. A new one is a file with its record, and a line here."""

from simulations import (
    ablation,
    adversaries,
    budget,
    codecs,
    front,
    heterogeneity,
    leakage_curve,
    multi_attribute,
    per_person,
    reconstruction,
    strategies,
    text,
    tradeoff,
    transfer,
)
from simulations.common.study import Study

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        tradeoff,
        front,
        per_person,
        ablation,
        budget,
        multi_attribute,
        reconstruction,
        adversaries,
        transfer,
        text,
        leakage_curve,
        codecs,
        heterogeneity,
        strategies,
    )
}
