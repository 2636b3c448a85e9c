"""report.json: what it holds. ``report.schema.json`` beside this file documents every field."""

SCHEMA_VERSION = 4

CAVEAT = (
    "Leakage is what the strongest adversary tried here could infer: a lower bound on what the features "
    "give away, never a guarantee. An adversary with another network, more labelled people or more time may "
    "do better."
)
