"""Runtimes: onnxruntime gives torch's features within the stated tolerance; nobody's depend on a neighbour's."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from rich.console import Console

from tests.models.any_batch import CASES, assert_the_same_in_any_batch
from tests.models.exported import ARCHITECTURES, IMAGE, TEXT, extractor_of, inputs_of, int8_of, onnx_of
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation import client_app
from tiprdc_fl.federation.collection import Collection, Request, features_path
from tiprdc_fl.federation.contributor import contribute, layout_of
from tiprdc_fl.federation.engine import ENGINES, run_inline
from tiprdc_fl.models.extractor import from_bytes, load_extractor, to_bytes
from tiprdc_fl.models.onnx import BFLOAT16_TOLERANCE, TOLERANCE
from tiprdc_fl.models.runtime import RUNTIMES, Runner, in_passes, model_path, read_model, rows_of
from tiprdc_fl.stages.prepare import prepare
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.stages.run_folder import FREE_KEYS
from tiprdc_fl.stages.runtime import calibration, check_runtime, write_model
from tiprdc_fl.store.feature_store import open_store

pytestmark = pytest.mark.slow  # exporting to ONNX takes seconds

SOURCE = DataSource("faces", None, (32, 32), 0, most=4)
PEOPLE = tuple(range(10, 30))
COLLECTOR = np.arange(100, 120)
EVERY = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
MODELS = {"torch": lambda architecture: b"", "onnxruntime": onnx_of, "onnxruntime-int8": int8_of}
ELSEWHERE = ["narrow, float32", "messages of width 16, float32", "their components, float32"]


def runner(architecture, runtime: str) -> Runner:
    return RUNTIMES[runtime].start(extractor_of(architecture), MODELS[runtime](architecture))


def away(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference as a share of the largest feature."""
    return float((one - other).abs().max() / other.abs().max())


@EVERY
def test_onnxruntime_gives_the_features_of_torch(architecture):
    x = inputs_of(architecture)
    z, own = runner(architecture, "onnxruntime")(x), runner(architecture, "torch")(x)
    assert (z.shape, z.dtype) == (own.shape, torch.float32)
    assert away(z, own) <= TOLERANCE
    assert torch.equal(z == 0, own == 0)  # padding stays padding


@pytest.mark.parametrize("architecture", [IMAGE, TEXT], ids=["images", "messages"])
def test_it_computes_in_float32_whatever_the_extractor_does(architecture):
    extractor = extractor_of(replace(architecture, precision="bfloat16"))
    own, x = RUNTIMES["torch"].start(extractor, b""), inputs_of(architecture)
    assert own(x).dtype == torch.bfloat16
    z = runner(architecture, "onnxruntime")(x)  # of the same weights
    assert TOLERANCE < away(z, own(x).float()) <= BFLOAT16_TOLERANCE


@EVERY
def test_int8_is_near(architecture):
    x = inputs_of(architecture)
    z, own = runner(architecture, "onnxruntime-int8")(x), runner(architecture, "torch")(x)
    error = float((z - own).norm() / own.norm())
    assert 1e-5 < error < 0.05
    assert away(z, own) < 0.1


@pytest.mark.parametrize("runtime", MODELS)
@pytest.mark.parametrize("architecture", CASES.values(), ids=CASES)
def test_no_bit_depends_on_neighbours_place_or_number(architecture, runtime):
    if runtime == "torch" or architecture in ARCHITECTURES.values():
        assert_the_same_in_any_batch(runner(architecture, runtime), architecture)


@pytest.mark.parametrize(
    "path",
    [
        {
            "ATEN_CPU_CAPABILITY": "default",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
        },
        {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    ],
    ids=["SSE", "AVX2"],
)
def test_nor_with_the_instructions_of_another_processor(path):
    command = [sys.executable, "-m", "tests.models.any_batch", *ELSEWHERE]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, cwd=root, env=os.environ | path, capture_output=True, text=True)
    assert (ran.stdout.split("\n"), ran.returncode) == ([*ELSEWHERE, ""], 0), ran.stderr


def test_every_pass_has_one_shape():
    shapes = []
    run = in_passes(lambda x: shapes.append(tuple(x.shape)) or x, replace(IMAGE, width=16))
    for count in (0, 1, 24, 25, 100):
        assert run(torch.ones(count, 3, 32, 32)).shape == (count, 3, 32, 32)
    assert set(shapes) == {(24, 3, 32, 32)}
    run = in_passes(lambda x: shapes.append(tuple(x.shape)) or x[..., None], TEXT)
    assert run(torch.ones(30, 5, dtype=torch.int64)).shape == (30, 5, 1)
    assert set(shapes[-2:]) == {(24, 12)}


@pytest.mark.parametrize(
    ("size", "width", "rows"),
    [((32, 32), 4, 24), ((64, 64), 16, 8), ((128, 128), 32, 1), ((218, 178), 64, 1)],
)
def test_larger_images_make_smaller_passes(size, width, rows):
    assert rows_of(replace(IMAGE, image_size=size, width=width)) == rows


@pytest.mark.parametrize("architecture", [IMAGE, TEXT], ids=["images", "messages"])
def test_where_kernels_treat_places_differently_everybody_is_alone(architecture):
    lengths = set()

    def run(x: torch.Tensor) -> torch.Tensor:
        lengths.add(len(x))
        z = x.float() if x.dim() == 4 else x[..., None].float()
        z[len(x) // 2 :] *= 1 + 2**-23  # the last bit
        return z

    assert_the_same_in_any_batch(in_passes(run, architecture), architecture)
    assert lengths == {24, 1}


def test_messages_may_be_cut_behind_the_longest():
    run, x = runner(TEXT, "onnxruntime"), inputs_of(TEXT)
    assert torch.equal(run(x[:3, :3]), run(x)[:3, :3])


@pytest.mark.parametrize("runtime", [name for name in RUNTIMES if name != "torch"])
def test_features_do_not_depend_on_who_is_asked_together(runtime):
    extractor, run, dataset = extractor_of(IMAGE), runner(IMAGE, runtime), open_dataset(SOURCE)
    layout = layout_of(extractor, "float32", ["Smiling"])

    def payload(people, alone=False) -> np.ndarray:
        return contribute(extractor, dataset, people, layout, alone=alone, run=run)[0].payload

    together = payload(PEOPLE)
    assert np.array_equal(payload(PEOPLE, alone=True), together)
    assert np.array_equal(np.concatenate([payload(PEOPLE[:7]), payload(PEOPLE[7:])]), together)
    assert not np.array_equal(contribute(extractor, dataset, PEOPLE, layout)[0].payload, together)


def collection_in(folder: Path, runtime: str) -> Collection:
    """A collection with what its runtime runs beside the extractor."""
    folder.mkdir(exist_ok=True)
    path = folder / "extractor.safetensors"
    extractor = extractor_of(IMAGE)
    path.write_bytes(to_bytes(extractor.network, IMAGE))
    beside = model_path(path, runtime)
    if beside is not None:
        beside.write_bytes(MODELS[runtime](IMAGE))
    request = Request(str(path), SOURCE, ("Smiling",), "float16", runtime)
    return Collection(str(folder), request, PEOPLE, workers=1, retries=0)


def ignore(contributors: int, examples: int) -> None:
    """Nobody watches."""


@pytest.mark.flower
def test_flower_stores_the_same_features_as_inline(tmp_path):
    digests = []
    for engine, runtime in (
        *(("inline", "torch"), ("inline", "onnxruntime-int8")),
        *(("inline", "onnxruntime"), ("flower", "onnxruntime")),
    ):
        folder = tmp_path / f"{engine}-{runtime}"
        collected = ENGINES[engine](collection_in(folder, runtime), ignore)
        assert (collected.answered, collected.failures) == (len(PEOPLE), ())
        digests.append(open_store(features_path(folder)).digest())
    assert digests[2] == digests[3]
    assert len(set(digests)) == 3


@pytest.fixture
def asked():
    """Asks a worker in this process; what Flower sets when a simulation starts is set."""
    for name in ("task_id", "run_id", "node_id"):
        setattr(TaskIdentity, name, 1)
    client_app._extractors.clear()

    def ask(model: bytes, named: bytes | None = None, brings: bool = True) -> Message:
        extractor = extractor_of(IMAGE)
        question = {"extractor": extractor.digest, "runtime": "onnxruntime", "codec": "float16", "store": ""}
        question |= {"model": hashlib.sha256(model if named is None else named).hexdigest(), "alone": False}
        question |= {
            "plugins": [],
            "contributors": [],
            "tasks": ["Smiling"],
            "source": '{"image_size": [32, 32]}',
        }
        content = RecordDict({"request": ConfigRecord(question)})
        if brings:
            weights = to_bytes(extractor.network, IMAGE)
            content["extractor"] = ConfigRecord({"safetensors": weights, "model": model})
        return client_app.extract(Message(content, 1, "query.extract"), None)  # pyright: ignore

    yield ask
    client_app._extractors.clear()


def test_a_worker_holds_what_it_was_sent_and_asks_for_what_it_was_not(asked):
    assert "missing" in asked(onnx_of(IMAGE), brings=False).content
    assert "missing" not in asked(onnx_of(IMAGE)).content
    assert "missing" not in asked(onnx_of(IMAGE), brings=False).content
    assert "missing" in asked(int8_of(IMAGE), brings=False).content


@pytest.mark.parametrize(
    ("model", "named", "message"),
    [
        (b"", None, r"not an ONNX file .*\(0 bytes\)"),
        (b"junk", None, "not an ONNX file"),
        (b"other", b"promised", "received the extractor"),
    ],
)
def test_a_worker_refuses_another_model_than_it_was_promised(asked, model, named, message):
    with pytest.raises(InputError, match=message):
        asked(model, named)
    assert client_app._extractors == {}


def test_a_file_of_another_extractor_is_refused():
    other = from_bytes(to_bytes(extractor_of(IMAGE).network, replace(IMAGE, precision="bfloat16")))
    with pytest.raises(
        InputError,
        match=f"is of the extractor {extractor_of(IMAGE).digest}, but the request names {other.digest}",
    ):
        RUNTIMES["onnxruntime"].start(other, onnx_of(IMAGE))


def test_the_model_is_made_once_and_again_for_another_extractor(tmp_path):
    path = Path(collection_in(tmp_path, "torch").request.extractor)
    model = model_path(path, "onnxruntime")
    assert model == tmp_path / "extractor.onnx"
    write_model(path, "onnxruntime", open_dataset(SOURCE), COLLECTOR, 0)
    assert model.read_bytes() == onnx_of(IMAGE)  # the same bytes, whoever makes them
    made = model.stat().st_mtime_ns
    write_model(path, "onnxruntime", open_dataset(SOURCE), COLLECTOR, 0)
    assert model.stat().st_mtime_ns == made
    other = replace(IMAGE, precision="bfloat16")
    path.write_bytes(to_bytes(extractor_of(other).network, other))
    write_model(path, "onnxruntime", open_dataset(SOURCE), COLLECTOR, 0)
    RUNTIMES["onnxruntime"].start(load_extractor(path), read_model(path, "onnxruntime"))


def test_calibration_is_on_a_few_examples_of_many_people_and_the_same_every_time():
    dataset = open_dataset(SOURCE)
    found = calibration(IMAGE, dataset, COLLECTOR, 0)
    assert found.shape == (2 * len(COLLECTOR), 3, 32, 32)
    assert torch.equal(calibration(IMAGE, dataset, COLLECTOR[::-1], 0), found)


def test_a_model_that_is_missing_says_how_to_make_it(tmp_path):
    collection = collection_in(tmp_path, "torch")
    request = replace(collection.request, runtime="onnxruntime")
    with pytest.raises(InputError, match=r"extractor.onnx, which cannot be read .*tiprdc_fl.export"):
        run_inline(replace(collection, request=request), ignore)


def test_a_package_that_is_missing_is_named_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr("tiprdc_fl.models.onnx.find_spec", lambda name: None if name == "onnx" else name)
    check_runtime("torch", "raw")
    with pytest.raises(
        InputError, match=r"^federation.runtime=onnxruntime needs the package onnx: pip install"
    ):
        check_runtime("onnxruntime", "tiprdc")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InputError, match="the package onnxruntime is missing: pip install"):
        RUNTIMES["onnxruntime"].start(extractor_of(IMAGE), onnx_of(IMAGE))


@pytest.mark.parametrize("protection", ["raw", "noisy", "dp"])
def test_what_runs_no_network_runs_in_torch(tmp_path, protection):
    keys = [f"protection.name={protection}", "federation.runtime=onnxruntime", f"run_dir={tmp_path / 'run'}"]
    with pytest.raises(InputError, match=f"runs a network, and protection.name={protection} has none"):
        prepare(load_config(None, [*keys, "clients=10"]), Console(quiet=True))
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_its_runtime():
    assert "federation.runtime" not in FREE_KEYS
