"""What the suite of probes reports where nothing leaks."""
