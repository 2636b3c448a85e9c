"""The library of trained extractors, by the digest of everything that a training depends on."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tiprdc_fl.data.examples import Examples
from tiprdc_fl.disk import write_json
from tiprdc_fl.errors import InputError
from tiprdc_fl.stages.current import code_digest
from tiprdc_fl.stages.run import Run
from tiprdc_fl.store.paths import EXTRACTOR, HISTORY
from tiprdc_fl.training.loop import Plan

FILES = (EXTRACTOR, HISTORY)
LOOKED_AT = 256  # images that stand for all of them in a training's digest


def training_configuration(current: Run, plan: Plan, examples: Examples) -> dict[str, Any]:
    """Everything that a trained extractor depends on, except the machine.

    At most LOOKED_AT images enter the digest: reading 19 GB would take longer than the training that it may save.
    """
    source = asdict(
        replace(current.source, partition=None, strength=0.0)
    )  # the collector's examples depend on neither
    if source["root"] is not None:
        source["root"] = os.path.realpath(source["root"])
    data = hashlib.sha256(examples.people.astype("<i8").tobytes())
    for labels in examples.attributes.values():
        data.update(labels.tobytes())
    if isinstance(examples.loaded, list):
        data.update("\n".join(examples.loaded).encode(errors="surrogateescape"))
    elif len(examples):
        looked_at = np.unique(np.linspace(0, len(examples) - 1, LOOKED_AT).astype(np.int64))
        data.update(examples.loaded[torch.from_numpy(looked_at)].numpy().tobytes())
    fields = asdict(plan)
    del fields["device"]
    model = asdict(current.config.model)
    return {
        "plan": fields,
        "source": source,
        "model": model,
        "precision": current.precision,
        "collector_examples": data.hexdigest(),
        "code": code_digest("training"),
        "torch": version("torch"),
    }


def training_key(current: Run, plan: Plan, examples: Examples) -> str:
    """Digest of the training configuration: the name of its extractor in a library."""
    text = json.dumps(training_configuration(current, plan, examples), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep(folder: Path, kept: Path, configuration: dict[str, Any]) -> None:
    """Copies a finished training into the library in one rename; an entry that another process made first stays."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=f".{kept.name}~") as temporary:
            draft = Path(temporary) / kept.name
            draft.mkdir()
            for name in FILES:
                shutil.copyfile(folder / name, draft / name)
            write_json(draft / "configuration.json", configuration)
            draft.replace(kept)
    except OSError as error:
        if (kept / EXTRACTOR).is_file():  # another process has just kept the same training
            return
        raise InputError(
            f"training.library={kept.parent} cannot be written: {error.strerror}; the extractor is in {folder}"
        ) from error
