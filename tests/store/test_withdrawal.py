"""Contributors who withdraw: nothing of theirs is left in the run folder, and everything else is as it was."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.stores import payloads, rows, store_at
from tiprdc_fl import simulate
from tiprdc_fl.errors import InputError
from tiprdc_fl.stages import evaluate as measurement
from tiprdc_fl.store import lance as storage
from tiprdc_fl.store import withdrawal
from tiprdc_fl.store.__main__ import main
from tiprdc_fl.store.append import append
from tiprdc_fl.store.feature_store import open_store, stored_contributors
from tiprdc_fl.store.withdrawal import withdraw, withdrawn

PEOPLE = range(10, 20)
GONE = (12, 17)
STORES = ("features.lance", "controls/random/features.lance", "controls/aligned/features.lance")
STEPS = ("_record_withdrawal", "erase", "_clean_latency", "_clean_quarantine", "_clean_failures")


@pytest.fixture
def run(tmp_path):
    """A run folder with everything in it that holds something of a contributor."""
    folder = tmp_path / "run"
    for name in STORES:
        store_at(folder / name, PEOPLE)
    store_at(folder / "holdout" / "features.lance", [90, 91])
    write(folder / "collection.json", {"contributors": [*PEOPLE, 50]})
    write(folder / "contributors.json", [*PEOPLE, 50])
    failures = [failure(contributor, contributor) for contributor in (12, 13)]
    write(folder / "collected.json", {"answered": 8, "failures": failures})
    for name in ("results.json", "report.json", "report.html"):
        write(folder / name, {})
    pq.write_table(
        pa.table({"contributor": list(PEOPLE), "load_seconds": [0.5] * 10}), folder / "latency.parquet"
    )
    (folder / "quarantine").mkdir()
    lines = [failure(contributor, contributor) for contributor in PEOPLE]
    torn = json.dumps(failure(12, 12))[:-3]
    text = "".join(json.dumps(line) + "\n" for line in lines) + torn
    (folder / "quarantine" / "contributions.jsonl").write_text(text)
    return folder


def failure(contributor: int, sampled: int) -> dict:
    return {"contributor": contributor, "stage": "validate", "reason": payloads(sampled)[0].hex()}


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value))


def found(folder: Path, contributor: int) -> set[str]:
    """Files that hold bytes of a contributor's features, as they are or in hexadecimal."""
    parts = [part for payload in payloads(contributor) for part in (payload[:24], payload[-24:])]
    wanted = parts + [part.hex().encode() for part in parts]
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(part in path.read_bytes() for part in wanted)
    }


def check_gone(folder: Path, gone=GONE) -> None:
    """Nothing of theirs is left, and everything of the others."""
    rest = [contributor for contributor in PEOPLE if contributor not in gone]
    assert [name for contributor in gone for name in found(folder, contributor)] == []
    assert all(len(found(folder, contributor)) >= 3 for contributor in rest)
    expected = store_at(
        folder.parent / f"expected{len(list(folder.parent.iterdir()))}", reversed(rest)
    ).digest()
    for name in STORES:
        store = open_store(folder / name)
        assert store.digest() == expected
        assert stored_contributors(store) == set(rest)
    assert (
        open_store(folder / "holdout" / "features.lance").keys["contributor"].to_pylist()
        == [90] * 3 + [91] * 3
    )
    assert pq.read_table(folder / "latency.parquet")["contributor"].to_pylist() == rest
    samples = (folder / "quarantine" / "contributions.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in samples] == [
        failure(contributor, contributor) for contributor in rest
    ]
    told = json.loads((folder / "collected.json").read_text())
    assert told["failures"] == [failure(13, 13)]
    for name in ("results.json", "report.json", "report.html"):
        assert not (folder / name).exists()
    assert not list(folder.rglob("*.partial"))


def test_nothing_of_theirs_is_left_in_any_file(run):
    (data, *_) = sorted((run / "features.lance" / "data").iterdir())
    (data.parent / f"{'01' * 25}.lance").write_bytes(
        b"".join(payloads(12))
    )  # of a commit that was interrupted
    (run / "latency.partial").write_bytes(payloads(12)[0])
    assert len(found(run, 12)) >= 5
    assert len(found(run, 17)) >= 3
    assert withdraw(run, GONE) == {
        "controls/aligned/features.lance": 6,
        "controls/random/features.lance": 6,
        "features.lance": 6,
        "holdout/features.lance": 0,
    }
    check_gone(run)
    assert withdrawn(run) == set(GONE)
    for name in STORES:
        assert len(lance.dataset(str(run / name)).versions()) == 1


def test_repeating_is_harmless_and_keeps_the_time(run):
    withdraw(run, [12])
    first = (run / "withdrawals.jsonl").read_text()
    assert set(withdraw(run, [12]).values()) == {0}
    assert (run / "withdrawals.jsonl").read_text() == first
    withdraw(run, [17, 12])
    assert (run / "withdrawals.jsonl").read_text().startswith(first)
    assert [
        json.loads(line)["contributor"] for line in (run / "withdrawals.jsonl").read_text().splitlines()
    ] == [12, 17]
    check_gone(run)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_withdrawal_that_was_interrupted_anywhere_is_completed(run, monkeypatch, step, when):
    done = getattr(withdrawal, step)

    def interrupted(*arguments):
        if when == "after":
            done(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(withdrawal, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            withdraw(run, GONE)
    withdraw(run, GONE)
    check_gone(run)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["delete", "cleanup_old_versions"])
def test_one_that_was_killed_between_deleting_and_cleaning_up_is_completed(run, call):
    code = (
        "import os, sys, lance, pathlib\n"
        "from tiprdc_fl.store.withdrawal import withdraw\n"
        f"kept = lance.LanceDataset.{call}\n"
        "def killed(*arguments, **options):\n"
        f"    if {call!r} == 'delete': kept(*arguments, **options)\n"
        "    os._exit(9)\n"
        f"lance.LanceDataset.{call} = killed\n"
        "withdraw(pathlib.Path(sys.argv[1]), [12, 17])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run)]).returncode == 9
    assert found(run, 12)
    withdraw(run, [12])  # completes what was recorded for others, too
    check_gone(run)


def test_a_collection_under_way_leaves_out_who_withdraws(run, monkeypatch):
    monkeypatch.setattr("tiprdc_fl.store.append.COMMIT_BYTES", 1000)

    def arriving():
        yield rows(50)
        withdraw(run, [12, 60])
        yield rows(60)
        yield rows(61)

    append(open_store(run / "features.lance"), arriving())
    stored = stored_contributors(open_store(run / "features.lance"))
    assert stored == {*PEOPLE, 50, 61} - {12}
    assert not found(run, 60)


def test_a_control_made_while_somebody_withdraws_leaves_them_out(run):
    withdraw(run, [50])
    append(open_store(run / "controls/random/features.lance"), [rows(50)])
    assert not found(run, 50)


def test_commits_and_withdrawals_at_the_same_time(run, monkeypatch):
    """Neither loses what the other has written, and who has withdrawn stays withdrawn."""
    monkeypatch.setattr("tiprdc_fl.store.append.COMMIT_BYTES", 1)
    store = open_store(run / "features.lance")
    thread = threading.Thread(
        target=append, args=(store, (rows(contributor) for contributor in range(100, 180)))
    )
    thread.start()
    for contributor in (10, 100, 105, 150, 179):
        withdraw(run, [contributor])
    thread.join()
    expected = {*PEOPLE, *range(100, 180)} - {10, 100, 105, 150, 179}
    after = open_store(run / "features.lance")
    assert stored_contributors(after) == expected
    assert len(after.keys) == 3 * len(expected)
    assert after.features(np.arange(len(after.keys))).shape == (3 * len(expected), 64)
    for contributor in (10, 100, 105, 150, 179):
        assert not [name for name in found(run, contributor) if name.startswith("features.lance")]


# --- the command ---


def test_the_command_says_what_it_removed(run, capsys):
    assert main(["withdraw", str(run), "--contributor", "17", "12", "-c", "50"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "withdrawn: 12, 17, 50\ncontrols/aligned/features.lance: 6 rows removed\n"
        "controls/random/features.lance: 6 rows removed\nfeatures.lance: 6"
    )
    assert f"to measure again: python -m tiprdc_fl.simulate --config {run}/config.yaml run_dir={run}" in out
    check_gone(run)
    assert main(["withdraw", str(run), "--contributor", "50"]) == 0
    assert "no store held rows of these contributors" in capsys.readouterr().out


def test_the_digest_command_prints_the_digest(run, capsys):
    assert main(["digest", str(run)]) == 0
    assert capsys.readouterr().out == open_store(run / "features.lance").digest() + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digest", "none"], "none: there is no such run folder"),
        (["digest", "."], "features.lance: there is no feature store"),
        (["digest", "run/features.lance"], "features.lance: there is no feature store"),
        (["withdraw", "none", "-c", "1"], "none: there is no such run folder"),
        (["withdraw", ".", "-c", "1"], "features.lance: there is no feature store"),
        (
            ["withdraw", "run", "-c", "12", "1.5"],
            "--contributor 1.5: not an integer; the ids are in run/cont",
        ),
        (["withdraw", "run", "-c", "12", "99", "-1"], "--contributor -1, 99: not a contributor of this run"),
        (["withdraw", "run", "-c", "9" * 30], f"--contributor {'9' * 30}: not a contributor of this run"),
    ],
)
def test_mistakes_are_named_and_change_nothing(run, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(run.parent)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (run / "withdrawals.jsonl").exists()
    assert found(run, 12)


@pytest.mark.parametrize("text", ["", "{", '["a"]', '{"contributors": 3}'])
def test_a_collection_that_cannot_be_read(run, capsys, text):
    (run / "contributors.json").write_text(text)
    assert main(["withdraw", str(run), "-c", "12"]) == 2
    assert "contributors.json: cannot be read" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(run, monkeypatch, capsys):
    def refused(self, target):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refused)
    assert main(["withdraw", str(run), "-c", "12"]) == 2
    err = capsys.readouterr().err
    assert (
        "withdrawals.jsonl: cannot be written ([Errno 30] Read-only file system); allow writing there" in err
    )
    assert not (run / "withdrawals.jsonl").exists()
    assert (run / "report.json").exists()


def test_a_full_disk_is_named_and_the_same_command_completes(run, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError("LanceError(IO): No space left on device (os error 28), /a/b.rs:1:2")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_compact", full)
        assert main(["withdraw", str(run), "-c", "12", "17"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written (LanceError(IO): No space left on device (os error 28)); free space" in err
    assert main(["withdraw", str(run), "-c", "12", "17"]) == 0
    check_gone(run)


@pytest.mark.parametrize("arguments", [["digest"], ["withdraw", "-c", "12"]])
@pytest.mark.parametrize("store", STORES)
def test_a_damaged_store_is_named(run, capsys, arguments, store):
    min((run / store / "data").glob("*.lance")).write_bytes(b"half")
    status = main([arguments[0], str(run), *arguments[1:]])
    err = capsys.readouterr().err
    if arguments[0] == "digest" and store != "features.lance":
        assert (status, err) == (0, "")
    else:
        assert status == 2
        assert err.startswith(
            f"error: {run / store}: cannot be read, it is damaged or was changed meanwhile ("
        )
        assert err.count("\n") == 1


def test_a_record_that_cannot_be_read_stops_commits(run):
    (run / "withdrawals.jsonl").write_text("{")
    with pytest.raises(InputError, match=r"withdrawals\.jsonl: cannot be read"):
        append(open_store(run / "features.lance"), [rows(50)])
    assert not found(run, 50)


def test_help_says_what_the_commands_do(capsys):
    for arguments in (["--help"], ["withdraw", "--help"], ["digest", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "withdraw runs/faces --contributor 17 23" in out
    assert "withdrawals.jsonl" in out


# --- a whole run ---


@pytest.mark.slow
def test_a_run_goes_on_without_them(tmp_path, monkeypatch, capsys):
    """It is measured again without them, and they are not asked when it is resumed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "run"
    arguments = [
        *(
            "clients=12",
            "data.collector_people=12",
            "data.holdout_people=8",
            "data.max_examples_per_person=4",
        ),
        *("model.width=2", "training.epochs=1", "training.pretrain_epochs=0", "evaluation.attacks=[linear]"),
        *("federation.engine=inline", "evaluation.controls=[random]", f"run_dir={folder}"),
    ]
    assert simulate.main(arguments) == 0
    people = json.loads((folder / "collection.json").read_text())["contributors"]
    examples = json.loads((folder / "report.json").read_text())["federation"]["examples"]
    withdrawal._record_withdrawal(folder / "withdrawals.jsonl", people[:1])  # and then it was interrupted
    assert simulate.main(arguments) == 2
    command = f"python -m tiprdc_fl.store withdraw {folder} --contributor {people[0]}"
    assert command in capsys.readouterr().err
    assert main(["withdraw", str(folder), "--contributor", str(people[0])]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(measurement, "majority", lambda *arguments: withdraw(folder, people[1:2]) and [])
        assert simulate.main(arguments) == 2
    assert (
        "withdrew while their features were measured; run the same command again" in capsys.readouterr().err
    )
    assert simulate.main(arguments) == 0
    assert "12 asked, 10 answered, 0 failed, 2 withdrawn" in capsys.readouterr().out
    told = json.loads((folder / "report.json").read_text())
    assert told["federation"]["withdrawn"] == 2
    assert told["federation"]["examples"] < examples
    assert {row["learned_people"] for row in told["results"] if row["learned_from"] == "contributors"} == {10}
    for store in folder.rglob("features.lance"):
        assert stored_contributors(open_store(store)).isdisjoint(people[:2])
    assert main(["withdraw", str(folder), "--contributor", *map(str, people)]) == 0
    capsys.readouterr()
    assert simulate.main(arguments) == 2
    assert "no contributor sent features" in capsys.readouterr().err
