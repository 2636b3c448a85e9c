"""The run folder: created or reopened; it holds the run's configuration and environment."""

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from tiprdc_fl.config.keys import Config, differences, keys, to_yaml
from tiprdc_fl.disk import write_json, write_text, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.stages.current import code_digest
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.paths import RunFolder

PACKAGES = ("tiprdc_fl", "torch", "numpy", "flwr", "ray", "pylance", "pyarrow", "pillow", "scikit-learn")
# Keys that may differ between the sessions of a run: they name it or choose who does the work; results stay equal.
FREE_KEYS = (
    "run_dir",
    "name",
    "open_report",
    "federation.engine",
    "federation.workers",
    "federation.contributors_per_message",
    "federation.retries",
    "federation.writer",
    "ray.address",
    "training.library",
)


def open_run_folder(config: Config) -> tuple[RunFolder, Config]:
    """The folder of a run, and the configuration with its path.

    A folder that holds a run of the same configuration is opened again; its stages are then resumed.

    Raises:
        InputError: the path is a file, cannot be written, or holds something else or another run.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(config.run_dir or Path("runs") / f"{stamp}-{config.name or config.data.name}")
    folder, config = RunFolder(path), replace(config, run_dir=str(path))
    if path.exists() and not path.is_dir():
        raise InputError(f"run_dir={folder} is a file: name a folder that is new, empty or holds a run")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            _check_same_run(folder, config)
        write_text(folder.config, to_yaml(config))
        if not folder.environment.exists():  # of the session that trained
            write_json(folder.environment, environment())
    except OSError as error:
        raise InputError(f"run_dir={folder} cannot be written: {error.strerror}") from error
    return folder, config


def _check_same_run(folder: RunFolder, config: Config) -> None:
    stored = folder.config
    if not stored.is_file():
        raise InputError(f"run_dir={folder} holds files but no run: name a folder that is new or empty")
    before, written = load_config(str(stored), []), OmegaConf.load(stored)
    lacking = [
        name
        for name in keys()
        if name not in FREE_KEYS and OmegaConf.select(written, name, default=...) is ...
    ]
    if lacking:  # their defaults of today may not be what that version did
        raise InputError(
            f"run_dir={folder} holds a run of an earlier version of tiprdc_fl, which did not have "
            f"{', '.join(lacking)}: name another run_dir"
        )
    different = differences(before, config, ignore=FREE_KEYS)
    if different:
        raise InputError(
            f"run_dir={folder} holds a run of another configuration ({'; '.join(different)}): "
            "name another run_dir, or repeat that configuration to resume it"
        )


def environment() -> dict[str, Any]:
    """Versions and machine, to understand and repeat the run."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "command": sys.argv,
        "code": code_digest("results"),
        "packages": {name: version(name) for name in PACKAGES},
    }


@contextmanager
def timed(folder: RunFolder, stage: str) -> Iterator[None]:
    """Appends the seconds of a stage to ``stages.jsonl``, also when the stage raises."""
    start = time.perf_counter()
    try:
        yield
    finally:
        note_seconds(folder, stage, time.perf_counter() - start)


def note_seconds(folder: RunFolder, stage: str, seconds: float) -> None:
    """Appends a line with the seconds of a stage to ``stages.jsonl``."""
    line = json.dumps({"stage": stage, "seconds": seconds})
    with writing(folder.stages), folder.stages.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def stage_seconds(folder: RunFolder) -> dict[str, float]:
    """Seconds of each stage, added up over the sessions of the run."""
    seconds: dict[str, float] = {}
    for line in folder.stages.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        seconds[entry["stage"]] = seconds.get(entry["stage"], 0.0) + entry["seconds"]
    return seconds
