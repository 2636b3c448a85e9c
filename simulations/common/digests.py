"""Names of runs: equal where configuration, data and code are equal, so that nothing outdated is found again."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from simulations.common.datasets import absolute
from tiprdc_fl.config.keys import Config, flatten

# Pictures beside the metadata are not looked at: there may be 200,000.
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def settled(config: Config) -> Config:
    """The configuration with the absolute path of its data: the same data from whichever working folder."""
    if config.data.root is None:
        return config
    return replace(config, data=replace(config.data, root=absolute(config.data.root)))


def deciding(config: Config) -> dict[str, object]:
    """The keys that decide a run's figures: configurations that differ in others only are one run."""
    from tiprdc_fl.stages.run_folder import FREE_KEYS  # late: it imports torch, which --help needs not

    left_out = {*FREE_KEYS, "training.library"}
    return {name: value for name, value in flatten(settled(config)).items() if name not in left_out}


def digest(config: Config) -> str:
    """Twelve hexadecimal digits that name a run: of its configuration, its data and the code."""
    from tiprdc_fl.stages.current import code_digest

    root = settled(config).data.root
    data = [] if root is None else fingerprint(Path(root))
    code = code_digest("results")[:16]
    return _sha256({"configuration": deciding(config), "data": data, "code": code})[:12]


def identity(configs: Sequence[Config]) -> str:
    """Digest of what a study asks for: its runs' configurations, whatever data and code there are now."""
    asked = [deciding(config) for config in configs]
    for configuration in asked:
        del configuration[
            "training.extractor"
        ]  # an earlier run's, in a folder that is named by data and code
    return _sha256(asked)


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def fingerprint(root: Path) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of change in ns of the files directly in a dataset's folder, sorted.

    Metadata, labels and texts are there. Pictures and hidden files do not count, nor does what is in folders
    of the folder: a changed picture is not noticed. Of a folder that cannot be read nothing; its run will say why.
    """
    try:
        with os.scandir(root) as entries:
            return sorted(_stamps(entries))
    except OSError:
        return []


def _stamps(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, int, int]]:
    for entry in entries:
        passed = entry.name.startswith(".") or Path(entry.name).suffix.lower() in _PICTURES
        if not passed and entry.is_file():
            yield entry.name, entry.stat().st_size, entry.stat().st_mtime_ns
