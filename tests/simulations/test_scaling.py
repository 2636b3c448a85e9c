"""The study ``scaling``: what it compares with what; its no-op contributors; its command line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from simulations.benchmarks.scaling import __main__ as command
from simulations.benchmarks.scaling import collection
from simulations.benchmarks.scaling.child import measure_apart
from simulations.benchmarks.scaling.collection import measure_contributors, measure_extraction
from simulations.benchmarks.scaling.extraction import EXAMPLES, Size, bare_rates, write_album
from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.noop import CODEC, HEAVY, LIGHT, TASKS, zeros
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import pack, rejections, unpack
from tiprdc_fl.models.architecture import build_extractor, feature_shape
from tiprdc_fl.models.extractor import from_bytes, preprocess, to_bytes
from tiprdc_fl.store.codec import payload_unit
from tiprdc_fl.store.layout import Layout


def apart(kind: str, workers: int, contributors: int = 0, nodes: int = 0, heavy: bool = False, **size):
    """A machine that does 10,000 no-op contributors/s, 100 nodes/s of plain Flower, and needs 1 kB for each."""
    if kind == "extraction":
        return {"engine": 90.0, "bare_64": 100.0, "bare_256": 80.0, "peak_bytes": 1e9}
    count, rate = {"engine": (contributors, 10_000), "plain": (nodes, 100)}[kind]
    return {"seconds": count / rate, "peak_bytes": 5e8 + 1e3 * contributors}


def test_rates_stand_beside_those_of_plain_flower_and_of_fewer_contributors():
    found = measure_contributors(False, 2, lambda line: None, apart)
    by_name = {(one.what, one.against): one for one in found}
    of_flower = by_name["4,000 no-op contributors", "plain Flower, 4,000, 1 a node"]
    assert (of_flower.value, of_flower.baseline, of_flower.ratio) == (10_000, 100, 100)
    assert (of_flower.goal, of_flower.met) == (30, True)
    cohorts = by_name["4,000 no-op contributors", "plain Flower, 4,000, 20 a node"]
    assert (cohorts.baseline, cohorts.ratio, cohorts.goal) == (2000, 5, None)
    assert by_name["1,000 no-op contributors", "plain Flower, 1,000, 1 a node"].goal is None
    large = by_name["1,000,000 no-op contributors", "10,000 no-op contributors"]
    assert (large.ratio, large.goal, large.met) == (1, 0.8, True)
    growth = next(one for one in found if one.what.startswith("its growth"))
    assert growth.value == pytest.approx(99)  # MB, of 99,000 contributors more
    assert (growth.ratio, growth.met) == (pytest.approx(0.33), True)
    assert (
        by_name["collector's memory, 100,000 of 32 KB", "all that they send"].baseline > 10 * growth.baseline
    )


def test_a_goal_can_be_missed():
    assert Measured("p", "w", 1, "", "a", 2, 0.6).met is False
    assert Measured("p", "w", 1, "", "a", 2, 0.4).met is True
    assert Measured("p", "w", 1, "", "a", 2, 0.4, at_most=True).met is False
    assert Measured("p", "w", 1, "", "a", 2, None).met is None


def test_extraction_stands_beside_the_bare_network():
    found = measure_extraction(False, 2, lambda line: None, apart)
    assert [one.ratio for one in found] == [0.9, 1.125, 0.9, 1.125]
    assert found[1].against == "the network alone, batches of 256"
    assert found[2].what == "40 contributors of 20 images, 218x178, width 64"
    assert all(one.goal == collection.OF_BARE for one in found)


def test_no_op_contributors_are_valid_ones():
    shape = feature_shape(LIGHT)
    layout = Layout("digest", CODEC, shape, TASKS)
    found = unpack(pack(zeros(np.arange(5), shape), layout), layout, 5)
    assert payload_unit(CODEC, feature_shape(HEAVY)) == collection.HEAVY_BYTES
    assert rejections(found, range(5), layout) == {}


def test_the_album_has_as_many_images_as_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    size = Size(3, (32, 32), 2, 40)
    source = write_album(tmp_path / "album", size)
    dataset = open_dataset(source)
    assert len(dataset.people) == 3
    examples = dataset.load(dataset.people)
    assert len(examples) == 3 * EXAMPLES
    with Image.open(tmp_path / "album" / "0000000.jpg") as picture:
        assert picture.size == (32, 32)
    extractor = from_bytes(to_bytes(build_extractor(LIGHT), LIGHT))
    assert min(bare_rates(extractor, preprocess(LIGHT, examples.loaded), 1)) > 0


@pytest.mark.slow
def test_a_measurement_that_fails_says_why():
    with pytest.raises(InputError, match=r"measuring engine .* failed: .*workers"):
        measure_apart("engine", contributors=3)


def test_the_command_writes_table_and_picture(tmp_path, monkeypatch, capsys):
    def measure(quick, parts, say):
        assert quick
        assert parts == ("collection",)
        return measure_contributors(False, 2, say, apart)

    monkeypatch.setattr(command, "measure", measure)
    console = Console(width=200)
    assert command.main(["--quick", f"out={tmp_path}", "parts=collection"], console) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "4,000 no-op contributors 10,000 contributors/s 100 100 at least 30 plain Flower, 4,000, 1 a node"
        in out
    )
    figures = json.loads((tmp_path / "scaling.json").read_text())["figures"]
    rows = list(csv.DictReader((tmp_path / "scaling.csv").read_text().splitlines()))
    assert len(rows) == len(figures) > 5
    assert float(rows[0]["ratio"]) == figures[0]["ratio"]
    with Image.open(tmp_path / "scaling.png") as picture:
        assert picture.size == (1200, 500)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parts=everything"], "parts=everything: 'everything' is none of collection, extraction"),
        (["clients=3"], "clients=3: key=value is expected, with one of out, parts"),
        (["out="], "out=: key=value is expected"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, capsys):
    assert command.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
