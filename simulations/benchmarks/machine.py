"""What a study of speed was measured on."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def machine(packages: Sequence[str]) -> str:
    """Processors, Python and versions of packages, in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(": ")[2] if lines else model
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} CPUs ({model}), Python {platform.python_version()}, {versions}"
