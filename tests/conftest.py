"""Set up for every test."""

import tiprdc_fl.federation  # noqa: F401  (turns Flower's telemetry off before a test imports flwr)
