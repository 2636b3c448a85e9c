"""The study ``latency``: percentiles by hand, devices by hand, and measured apart from modelled."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from simulations.benchmarks.latency import __main__ as command
from simulations.benchmarks.latency import measured
from simulations.benchmarks.latency.measured import (
    MODELLED,
    SOURCE,
    Cell,
    Size,
    album,
    decoded,
    draw_pictures,
)
from simulations.benchmarks.latency.modelled import EVERYONE, basis_of, device_seconds, model, population_of
from simulations.benchmarks.latency.percentiles import number, percentiles, with_total
from tiprdc_fl.store.layout import STAGES

SIZE = Size((32, 32), 4)
RUNTIMES = ["torch, bfloat16", "torch, float32", "onnxruntime, float32", "onnxruntime, int8"]


def cell(batch: int, seconds: float, runtime: str = MODELLED) -> Cell:
    """Every stage takes a contributor as long; in all ``seconds``."""
    stages = {stage: np.full(3, seconds / len(STAGES)) for stage in STAGES}
    return Cell(SIZE, batch, runtime, with_total(stages), sent_bytes=1000 * batch, file_bytes=50_000)


def test_percentiles_by_hand():
    found = percentiles(np.arange(101))
    assert found == {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}
    assert percentiles(np.array([2.0]))["p99"] == 2
    assert with_total({"a": np.array([1.0, 2]), "b": np.array([3.0, 1])})["total"].tolist() == [4, 3]
    assert [number(value) for value in (0.01234, 9.876, 1234.5)] == ["0.0123", "9.88", "1,234"]


def test_devices_are_modelled_by_batches_of_a_typical_size():
    cells = [cell(batch, 1.0) for batch in (1, 4, 16, 64)]
    assert basis_of(cells, SIZE).batch == 16
    assert basis_of(cells[3:], SIZE).batch == 64
    other = [cell(16, 9.0, "torch, float32"), *cells]
    assert basis_of(other, SIZE).runtime == MODELLED


def test_seconds_of_a_device_by_hand():
    population = population_of("phones", 50, seed=0)
    assert population.examples.min() >= 1
    found = device_seconds(cell(16, 0.16), population)  # 10 ms an image, 1000 bytes
    devices, images = population.devices, population.examples
    assert np.allclose(found["compute"], 0.01 * images * devices.slowdown)
    assert np.allclose(found["download"], devices.latency_ms / 1e3 + 0.4 / devices.downlink_mbps)
    assert np.allclose(found["upload"], devices.latency_ms / 1e3 + 0.008 * images / devices.uplink_mbps)
    assert np.allclose(found["total"], found["download"] + found["compute"] + found["upload"])
    modelled = list(model([cell(16, 0.16)], population))
    assert modelled[-1].kind == EVERYONE
    assert sum(len(one.seconds["total"]) for one in modelled[:-1]) == 50
    twice = list(model([cell(16, 0.32)], population))[-1].seconds["compute"]
    assert np.allclose(twice, 2 * found["compute"])


def test_an_album_is_decoded_whenever_it_is_loaded(monkeypatch):
    pictures = draw_pictures()[:5]
    assert decoded(pictures[0], SOURCE).shape == (3, *SOURCE)
    dataset, opened = album(pictures, (32, 32), 4), []
    monkeypatch.setattr(measured, "decoded", lambda *given: opened.append(1) or decoded(*given))
    examples = dataset.load([3, 7])
    assert (examples.loaded.shape, len(opened)) == ((8, 3, 32, 32), 8)  # pyright: ignore
    assert examples.people.tolist() == [3] * 4 + [7] * 4
    assert examples.rows.tolist() == [0, 1, 2, 3] * 2
    assert torch.equal(examples.loaded[0], decoded(pictures[12 % 5], (32, 32)))
    dataset.load([3])
    assert len(opened) == 12


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(command, "QUICK_SECONDS", 1e9)
    monkeypatch.setattr(measured, "MOST", 3)
    monkeypatch.setattr(measured, "PICTURES", 20)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.slow
def test_the_command_keeps_measured_and_modelled_apart(tmp_path, small, capsys):
    arguments = ["--quick", f"out={tmp_path}", "sizes=32,40", "batches=1,2", "width=4", "people=30"]
    assert command.main([*arguments, "devices=laptops"], Console(width=200)) == 0
    out = capsys.readouterr().out
    assert out.index("MEASURED on") < out.index("MODELLED: ")
    found = {name: rows_of(tmp_path / f"latency-{name}.csv") for name in ("measured", "modelled")}
    assert len(found["measured"]) == 2 * 2 * len(RUNTIMES) * (len(STAGES) + 1)
    assert list(dict.fromkeys(row["runtime"] for row in found["measured"])) == RUNTIMES
    assert {row["contributors"] for row in found["measured"]} == {"3"}
    assert {row["stage"] for row in found["modelled"]} == {"download", "compute", "upload", "total"}
    for row in (*found["measured"], *found["modelled"]):
        assert 0 < float(row["p50"]) <= float(row["p90"]) <= float(row["p99"]) <= float(row["max"])
    whole = json.loads((tmp_path / "latency.json").read_text())
    assert len(whole["measured"]["rows"]) == len(found["measured"])
    assert len(whole["modelled"]["rows"]) == len(found["modelled"])
    basis = whole["modelled"]["basis"]
    assert [(one["height"], one["runtime"], one["batch"]) for one in basis] == [
        (32, MODELLED, 2),
        (40, MODELLED, 2),
    ]
    assert basis[0]["upload_bytes_per_image"] > 2 * 8 * 8 * 8
    with Image.open(tmp_path / "latency-modelled.png") as picture:
        assert picture.size == (1200, 550)


def test_a_batch_that_takes_too_long_is_left_out_and_said(tmp_path, small, monkeypatch, capsys):
    monkeypatch.setattr(command, "QUICK_SECONDS", 1e-9)
    arguments = ["--quick", f"out={tmp_path}", "sizes=32", "batches=1", "width=4", "people=3"]
    assert command.main(arguments, Console(width=200)) == 2
    captured = capsys.readouterr()
    assert "32x32, width 4, 1 images: left out" in captured.out
    assert captured.err.startswith("error: nothing was measured: every batch takes too long")


def test_the_paper_has_its_own_width():
    options = command.parse(["sizes=64,paper", "width=8"])
    assert options.setting.sizes == (Size((64, 64), 8), Size((218, 178), 64))
    quick = command.parse(["--quick", "batches=2"])
    assert (len(quick.setting.sizes), quick.setting.batches) == (2, (2,))
    assert replace(quick.setting, seconds=0) != quick.setting


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("clients=3", "clients=3: key=value is expected, with one of devices, people, sizes"),
        ("sizes=", "sizes=: key=value is expected"),
        ("sizes=16", "sizes=16: an integer from 32 to 4,096 is expected"),
        ("batches=1,many", "batches=many: an integer from 1 to 64 is expected"),
        ("people=0", "people=0: an integer from 1 to 1,000,000 is expected"),
        ("codec=gif", "codec=gif: one of float32, float16"),
        ("devices=toasters", "devices.name=toasters"),
    ],
)
def test_mistakes_on_the_command_line(argument, message, tmp_path, capsys):
    assert command.main([f"out={tmp_path}", argument]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
