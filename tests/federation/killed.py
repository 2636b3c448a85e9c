"""A collection in a process that can be killed, and what its store must hold in the end."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.federation.collection import Collection, Request, features_path, write_collection
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import to_bytes
from tiprdc_fl.store.feature_store import open_store

PEOPLE = tuple(range(10, 1810))  # enough that none of the collections ends before its process is killed
MESSAGES = 60
# Commits every few messages, so that many of the kills meet one.
COLLECT = """
import json, sys
from pathlib import Path
import tiprdc_fl.federation.ray_cluster as ray_cluster
import tiprdc_fl.store.append as append
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import read_collection
from tiprdc_fl.federation.engine import ENGINES
append.COMMIT_BYTES = 90_000
ray_cluster.WATCH_SECONDS = 0.05  # the death of Ray is to be seen before so small a collection is over
try:
    collection = read_collection(Path(sys.argv[2]))
    collected = ENGINES[sys.argv[1]](collection, lambda contributors, examples: print("heard", flush=True))
    print(json.dumps([collected.asked, collected.answered, collected.asked_again]))
except InputError as error:
    sys.exit(str(error))
"""


def collection_in(folder: Path) -> Collection:
    folder.mkdir(parents=True)
    seeding.seed_torch(0, "test")
    architecture = Architecture("image", 2, image_size=(32, 32))
    path = folder / "extractor.safetensors"
    path.write_bytes(to_bytes(build_extractor(architecture), architecture))
    request = Request(str(path), DataSource("faces", None, (32, 32), 0, most=3), ("Smiling",), "float16")
    collection = Collection(str(folder), request, PEOPLE, 2, 2, len(PEOPLE) // MESSAGES)
    write_collection(collection)
    return collection


def started(engine: str, folder: Path) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", COLLECT, engine, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def hear(process: subprocess.Popen, messages: int) -> bool:
    """Waits until so many messages have been answered; False where the process has ended before."""
    assert process.stdout is not None
    for line in process.stdout:
        messages -= line == "heard\n"
        if messages <= 0:
            return True
    return False


def ended(process: subprocess.Popen) -> tuple[int, list[str], str]:
    """Exit status, the lines of standard output that are still to be read, standard error."""
    out, err = process.communicate(timeout=200)
    return process.returncode, out.splitlines(), err


def check_whole(folder: Path, undisturbed: str) -> None:
    store = open_store(features_path(folder))
    people = store.keys["contributor"].to_numpy()
    assert set(np.unique(people)) == set(PEOPLE)
    keys = set(zip(people.tolist(), store.keys["row"].to_pylist(), strict=True))
    assert len(keys) == len(people)  # nothing twice
    assert store.digest() == undisturbed
    assert not (folder / "quarantine").exists()
