"""``python -m tiprdc_fl.export``: what it writes, what it says of it, and what it refuses."""

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console

from tests.models.exported import ARCHITECTURES, IMAGE, MOVED, TEXT, extractor_of, inputs_of, int8_of, onnx_of
from tiprdc_fl import export as command
from tiprdc_fl.config.keys import to_yaml
from tiprdc_fl.errors import InputError
from tiprdc_fl.models import cost
from tiprdc_fl.models.cost import Cost, measure
from tiprdc_fl.models.extractor import HEADER, to_bytes
from tiprdc_fl.models.onnx import DIGEST, TOLERANCE, digest_of, to_program
from tiprdc_fl.models.runtime import open_session
from tiprdc_fl.stages.registries import load_config

pytestmark = pytest.mark.slow  # exporting to ONNX takes seconds

MACHINE = re.compile(rb"[\w.-]+/[\w./-]*\.py|site-packages")
KEYS = ("data.collector_people=10", "data.holdout_people=10", "clients=10", "data.max_examples_per_person=3")


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder, as far as training goes."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(to_yaml(load_config(None, list(KEYS))))
    (folder / "extractor.safetensors").write_bytes(to_bytes(extractor_of(IMAGE).network, IMAGE))
    return folder


@pytest.fixture
def quickly(monkeypatch):
    """No process is started; three calls of 1, 2 and 4 ms."""
    found = Cost(np.array([1e-3, 2e-3, 4e-3]), 60_000_000, 50_000_000)
    monkeypatch.setattr(command, "measure", lambda path, inputs, precision: found)
    exported = {"to_onnx": lambda one: onnx_of(one.architecture)}  # made once for all tests
    for name, function in exported.items():
        monkeypatch.setattr(command, name, function)


def rows(out: str) -> dict[str, list[str]]:
    """The table's rows by file and runtime."""
    found = (re.split(r"\s{2,}", line.strip()) for line in out.splitlines())
    return {" ".join(cells[:2]): cells[2:] for cells in found if len(cells) == 10 and "." in cells[0]}


def test_a_run_is_exported_beside_its_extractor(run, quickly, capsys):
    assert command.main([str(run)], Console(width=200)) == 0
    out = capsys.readouterr().out
    found = rows(out)
    assert set(found) == {
        *("extractor.safetensors torch, float32", "extractor.onnx onnxruntime, float32"),
        *("extractor.int8.onnx onnxruntime, int8", "extractor.pt2 torch.export, float32"),
    }
    assert found["extractor.safetensors torch, float32"][1:4] == ["0", "0", "0"]
    size, largest, mean, relative, *measured = found["extractor.onnx onnxruntime, float32"]
    assert int(size.replace(",", "")) == (run / "extractor.onnx").stat().st_size
    assert 0 < float(mean) < float(largest) < 1e-4
    assert 0 < float(relative) < 1e-5
    assert measured == ["60", "50", "2", "3.8"]
    assert 1e-3 < float(found["extractor.int8.onnx onnxruntime, int8"][3]) < 0.05
    assert "20 examples of people held out" in " ".join(out.split())
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "extractor.safetensors", "extractor.onnx", "extractor.int8.onnx", "extractor.pt2")
    }


def test_the_second_export_writes_the_same_int8_file(run, quickly, tmp_path):
    assert command.main([str(run), "--format", "onnx"], Console(quiet=True)) == 0
    assert not (run / "extractor.pt2").exists()
    arguments = [
        str(run),
        "--precision",
        "int8",
        "--format",
        "onnx",
        "--out",
        str(tmp_path / "out"),
    ]
    assert command.main(arguments, Console(quiet=True)) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["extractor.int8.onnx"]
    assert (tmp_path / "out/extractor.int8.onnx").read_bytes() == (run / "extractor.int8.onnx").read_bytes()


@pytest.mark.parametrize(
    "architecture", [replace(IMAGE, precision="bfloat16"), TEXT], ids=["images", "messages"]
)
def test_a_file_alone_is_compared_on_random_inputs(architecture, tmp_path, quickly, capsys):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(to_bytes(extractor_of(architecture).network, architecture))
    assert command.main([str(path)], Console(width=200)) == 0
    out = capsys.readouterr().out
    own = ["mine.safetensors torch, float32", "mine.safetensors torch, bfloat16"]
    files = ["extractor.onnx onnxruntime, float32", "extractor.pt2 torch.export, float32"]
    assert list(rows(out)) == [*own[: 1 + (architecture is not TEXT)], *files]
    assert "64 random inputs" in " ".join(out.split())


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_torch_export_computes_what_the_extractor_does(architecture):
    extra = {DIGEST: "", HEADER: ""}
    data = to_program(extractor_of(architecture))
    program = torch.export.load(io.BytesIO(data), extra_files=extra).module()
    x, network = inputs_of(architecture), extractor_of(architecture).network
    for size in (1, 20):
        own = network(x[:size])
        assert float((program(x[:size]) - own).abs().max() / own.abs().max()) <= TOLERANCE
    assert extra[DIGEST] == extractor_of(architecture).digest
    assert json.loads(extra[HEADER])["preprocessing"]


def test_files_say_whose_they_are_and_nothing_of_the_machine():
    for model in (onnx_of(IMAGE), int8_of(IMAGE), int8_of(TEXT)):
        assert MACHINE.findall(model) == []
        proto = onnx.load_from_string(model)
        onnx.checker.check_model(proto)
        assert json.loads({one.key: one.value for one in proto.metadata_props}[HEADER])["preprocessing"]
    assert digest_of(onnx_of(IMAGE)) == extractor_of(IMAGE).digest
    assert digest_of(b"junk") is None
    (given,) = open_session(onnx_of(IMAGE)).get_inputs()
    assert (given.name, given.shape) == ("inputs", ["batch", 3, 32, 32])
    with zipfile.ZipFile(io.BytesIO(to_program(extractor_of(IMAGE)))) as archive:
        assert [name for name in archive.namelist() if MACHINE.search(archive.read(name))] == []


def test_torch_export_holds_weights_and_program_alone():
    wide = ARCHITECTURES["wide"]
    assert len(to_program(extractor_of(wide))) < len(onnx_of(wide)) + 70_000


def test_int8_is_smaller():
    wide = ARCHITECTURES["wide"]
    assert len(int8_of(wide)) < 0.4 * len(onnx_of(wide))
    assert len(int8_of(TEXT)) < len(onnx_of(TEXT))


def test_a_file_whose_features_differ_is_not_written(run, quickly, monkeypatch, capsys):
    monkeypatch.setattr("tiprdc_fl.models.onnx.TOLERANCE", 1e-12)
    assert command.main([str(run), "--format", "onnx"], Console(quiet=True)) == 2
    assert re.match(
        r"error: \S+ is not written: its features differ .* of the largest one, 1e-12 is allowed",
        (capsys.readouterr().err),
    )
    assert not (run / "extractor.onnx").exists()


def test_measuring_a_file_takes_a_process_of_its_own(tmp_path):
    path = tmp_path / "extractor.onnx"
    path.write_bytes(onnx_of(IMAGE))
    found = measure(path, inputs_of(IMAGE).numpy())
    assert (len(found.seconds), bool((found.seconds > 0).all())) == (cost.CALLS, True)
    assert (
        20e6 < found.idle_bytes < found.peak_bytes < 200e6
    )  # without torch, and without this process's memory
    path.write_bytes(b"junk")
    with pytest.raises(InputError, match=r"measuring .*extractor.onnx failed: "):
        measure(path, inputs_of(IMAGE).numpy())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_the_process_does(tmp_path, precision, monkeypatch):
    monkeypatch.setattr(cost, "CALLS", 3)
    np.save(tmp_path / "inputs.npy", inputs_of(IMAGE).numpy())
    data = {
        "extractor.safetensors": to_bytes(extractor_of(IMAGE).network, IMAGE),
        "extractor.onnx": onnx_of(IMAGE),
    }
    threads = torch.get_num_threads()
    for name, content in {**data, "extractor.pt2": to_program(extractor_of(IMAGE))}.items():
        (tmp_path / name).write_bytes(content)
        found = cost.main(tmp_path / name, precision, str(tmp_path / "inputs.npy"))
        assert len(found["seconds"]) == 3
    torch.set_num_threads(threads)


RAW = replace(IMAGE, transform="pass")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no extractor.safetensors there; name a run folder"),
        (["junk"], "junk: not an extractor file of tiprdc_fl"),
        (["raw"], "nothing to export: this extractor passes images on"),
        (["moved"], "nothing to export: what the device sends depends on its own Smiling, .* use torch"),
        (["mine", "--precision", "int8"], "--precision int8: .*; name a run folder"),
        (["run", "--precision", "int8", "--format", "torch"], "--precision int8: .*; add --format onnx"),
        (["mine", "--out", "junk"], r"--out junk: cannot be made \(File exists\); name another folder"),
    ],
)
def test_mistakes(arguments, message, run, quickly, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    Path("junk").write_bytes(b"junk")
    Path("raw").write_bytes(to_bytes(torch.nn.Identity(), RAW))
    moved = replace(IMAGE, **MOVED)
    Path("moved").write_bytes(to_bytes(extractor_of(moved).network, moved))
    Path("mine").write_bytes(to_bytes(extractor_of(IMAGE).network, IMAGE))
    assert command.main([*arguments]) == 2
    err = capsys.readouterr().err
    assert re.match(f"error: {message}", err)
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_named(run, quickly, monkeypatch, capsys):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert command.main([str(run), "--format", "onnx"], Console(quiet=True)) == 2
    assert re.match(r"error: .*extractor.onnx: cannot be written \(.*No space left", capsys.readouterr().err)


def test_a_missing_package_is_named(run, monkeypatch, capsys):
    monkeypatch.setattr("tiprdc_fl.models.onnx.find_spec", lambda name: None)
    assert command.main([str(run)]) == 2
    needed = "error: --format onnx needs the packages onnx, onnxruntime, onnxscript: pip install -e '.[onnx]'"
    assert capsys.readouterr().err.startswith(needed)
