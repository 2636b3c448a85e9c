"""kill -9 at any moment, then the same command again: the store equals an undisturbed run's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tiprdc_fl import seeding
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.federation.collection import (
    Collection,
    Request,
    features_path,
    open_collection,
    write_collection,
)
from tiprdc_fl.federation.engine import run_inline
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> str:
    collection = collection_in(tmp_path_factory.mktemp("undisturbed") / "run")
    run_inline(collection, lambda contributors, examples: None)
    return open_store(features_path(collection.folder)).digest()


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


@pytest.mark.parametrize("trial", range(3))
def test_a_killed_collection_is_resumed_to_the_same_store(tmp_path, undisturbed, trial):
    """Five kills one after another, each after some more messages and some more time."""
    collection = collection_in(tmp_path / "run")
    folder, rng, kills, missing = tmp_path / "run", seeding.generator(trial, "kills"), 0, len(PEOPLE)
    while kills < 5:
        process = started("inline", folder)
        if hear(process, int(rng.integers(1, 10))):
            time.sleep(rng.uniform(0, 0.05))
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
        left = len(open_collection(collection)[1])
        assert left <= missing  # nothing that was committed is lost
        missing, kills = left, kills + 1
    status, lines, _ = ended(started("inline", folder))
    assert status == 0
    assert json.loads(lines[-1])[0] == missing  # only who is missing was asked
    check_whole(folder, undisturbed)


def children(process: subprocess.Popen, name: str) -> list[int]:
    """Processes of Ray below this one with a name in their command line."""
    parents, found = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if name in (path / "cmdline").read_text():
                found.append(int(path.name))
        except OSError:  # it has ended meanwhile
            continue

    def below(pid: int) -> bool:
        return pid == process.pid or (pid in parents and below(parents[pid]))

    return [pid for pid in found if below(pid)]


def test_flower_on_ray_is_killed_and_resumed_to_the_same_store(tmp_path, undisturbed):
    """The collector twice, then Ray; then, in a run that must go on by itself, both workers."""
    folder, rng = tmp_path / "run", seeding.generator(0, "kills", "ray")
    collection = collection_in(folder)
    for _ in range(2):
        process = started("flower", folder)
        assert hear(process, int(rng.integers(1, 6)))
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
    process = started("flower", folder)
    assert hear(process, 1)
    (raylet,) = children(process, "raylet/raylet")
    os.kill(raylet, signal.SIGKILL)
    status, _, error = ended(process)
    assert status == 1
    assert error == (
        "Ray ended during the collection (raylet died): what had arrived is stored, the same command resumes\n"
    )
    missing = len(open_collection(collection)[1])
    assert 0 < missing < len(PEOPLE)
    process = started("flower", folder)
    for messages in (1, 2):
        assert hear(process, messages)
        os.kill(children(process, "ray::ClientAppActor")[0], signal.SIGKILL)
    status, lines, error = ended(process)
    assert (status, error) == (0, "")
    asked, answered, asked_again = json.loads(lines[-1])
    assert asked == answered == missing
    assert asked_again >= 1
    check_whole(folder, undisturbed)
