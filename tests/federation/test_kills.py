"""kill -9 at any moment, then the same command again: the store equals an undisturbed run's."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.federation.killed import PEOPLE, check_whole, collection_in, ended, hear, started
from tiprdc_fl import seeding
from tiprdc_fl.federation.collection import open_collection


@pytest.mark.slow
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


@pytest.mark.flower
@pytest.mark.slow
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
