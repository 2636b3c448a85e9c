"""The exported model of ``federation.runtime``: the collector writes it beside the extractor."""

from pathlib import Path

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.source import first_rows
from tiprdc_fl.disk import write_bytes
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import load_extractor, preprocess
from tiprdc_fl.models.onnx import check_packages, digest_of, to_int8, to_onnx
from tiprdc_fl.models.runtime import RUNTIMES, model_path
from tiprdc_fl.protections import PROTECTIONS

CALIBRATED_ON = 64  # people
INT8 = "onnxruntime-int8"
OF_A_PERSON = 2  # most examples: values of many people have a wider range than many values of a few people


def check_runtime(runtime: str, protection: str) -> None:
    """Raises InputError when a runtime's packages are missing, or the protection does not go with it.

    Args:
        runtime: key of RUNTIMES.
        protection: key of PROTECTIONS.
    """
    if not RUNTIMES[runtime].ending:
        return
    check_packages(f"federation.runtime={runtime}")
    if not PROTECTIONS[protection].network:
        raise InputError(
            f"federation.runtime={runtime} runs a network, and protection.name={protection} has none: set "
            "federation.runtime=torch"
        )
    if PROTECTIONS[protection].states:
        raise InputError(
            f"federation.runtime={runtime} runs an exported file, and protection.name={protection} has none: what "
            "the network gives is not what the device may send; set federation.runtime=torch"
        )
    if runtime == INT8 and not PROTECTIONS[protection].quantisable:
        raise InputError(
            f"federation.runtime={runtime}: protection.name={protection} is fitted to features of full precision, "
            "and those of 8 bits are others; set federation.runtime=onnxruntime"
        )


def write_model(extractor: Path, runtime: str, dataset: Dataset, people: np.ndarray, seed: int) -> None:
    """Exports an extractor for a runtime to a file beside it, unless that file is current.

    Args:
        extractor: path of the extractor.
        runtime: key of RUNTIMES.
        dataset: holds the examples that int8 quantisation is calibrated on.
        people: the collector's.
        seed: chooses the examples.

    Raises:
        InputError: the extractor cannot be exported, or the folder cannot be written.
    """
    path = model_path(extractor, runtime)
    if path is None:
        return
    loaded = load_extractor(extractor)
    if path.is_file() and digest_of(path.read_bytes()) == loaded.digest:
        return
    model = to_onnx(loaded)
    if runtime == INT8:
        model = to_int8(loaded, model, calibration(loaded.architecture, dataset, people, seed))
    write_bytes(path, model)


def calibration(architecture: Architecture, dataset: Dataset, people: np.ndarray, seed: int) -> Tensor:
    """Preprocessed examples of some of the collector's people, the same for the same seed."""
    order = seeding.generator(seed, "calibration").permutation(np.sort(people))
    examples = first_rows(dataset.load(np.sort(order[:CALIBRATED_ON])), OF_A_PERSON)
    return preprocess(architecture, examples.loaded)
