"""Figures of probes on holdout people, with intervals over people."""
