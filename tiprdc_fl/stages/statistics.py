"""Within stage 1: what the protection takes from the contributors' statistics instead of the collector's own.

The extractor that is fitted to the collector's people computes components. One query asks every contributor with
examples for the sums of its own, under masks. They are added up over whole masking groups, and the final extractor
follows from the totals. Nobody is asked a second time: groups and sums stay in the run folder.
"""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import nn

from tiprdc_fl.disk import reading, write_bytes, write_json
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.class_sums import ClassSums, class_sums
from tiprdc_fl.federation.engine import SUM_ENGINES
from tiprdc_fl.federation.secure_sums import masking_groups
from tiprdc_fl.models.architecture import build_extractor
from tiprdc_fl.models.extractor import from_bytes, to_bytes
from tiprdc_fl.protections import Collected
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.run import Run, collection_of
from tiprdc_fl.stages.run_folder import timed

Refit = Callable[[nn.Module, Collected, ClassSums], None]


def with_statistics(current: Run, data: bytes, refit: Refit, collected: Collected) -> bytes:
    """The extractor's file with what the contributors' statistics decide.

    Args:
        current: the run.
        data: the extractor's file, fitted to the collector's people.
        refit: of the protection.
        collected: what it was fitted to.

    Raises:
        InputError: too few contributors answered, or have some private class.
    """
    folder, first = current.folder.statistics, from_bytes(data)
    folder.path.mkdir(exist_ok=True)
    if not folder.extractor.exists():
        write_bytes(folder.extractor, data)
    elif folder.extractor.read_bytes() != data:
        raise InputError(
            f"{folder}: contributors were asked with another extractor, and nobody is asked twice; use another "
            "run_dir"
        )
    if not folder.sums.exists():
        with timed(current.folder, "statistics"):
            _ask(current, _groups(current))
    with reading(folder.sums):
        values = np.array(json.loads(folder.sums.read_bytes())["values"])
    network = build_extractor(first.architecture)
    network.load_state_dict(first.network.state_dict())
    refit(network, collected, class_sums(values, first.architecture.components))
    return to_bytes(network, first.architecture)


def _groups(current: Run) -> list[list[int]]:
    """The masking groups, fixed before anybody is asked; a later withdrawal leaves them as they are."""
    path = current.folder.statistics.masking_groups
    if not path.exists():
        write_json(path, masking_groups(current.asked.tolist(), current.config.seed))
    with reading(path):
        return json.loads(path.read_bytes())


def _ask(current: Run, groups: list[list[int]]) -> None:
    """Asks the members of all groups who have not withdrawn, and leaves the sums in the run folder."""
    remaining = set(current.asked.tolist())
    asked = [member for group in groups for member in group if member in remaining]
    folder = current.folder.statistics
    collection = replace(
        collection_of(current, folder, asked, extractor=folder.extractor), writer="collector"
    )
    with stage(current.console, "statistics", len(asked), "contributors") as advance:
        totals = SUM_ENGINES[current.config.federation.engine](collection, groups, advance)
    write_json(folder.sums, {**vars(totals), "values": totals.values.tolist()})
