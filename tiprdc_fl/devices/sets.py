"""Sets of device classes, read from YAML: configs/devices has some, and they show the form.

Every number stands beside its source (see sourced_yaml.py). What holds for all classes of a file may stand once,
under ``defaults``. A file with ``sets`` in place of ``classes`` mixes other sets, each with its share.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiprdc_fl.devices.sourced_yaml import (
    Limits,
    check_citations,
    check_keys,
    check_number,
    check_text,
    near_to,
    read_mapping,
    show,
    unused_citations,
)
from tiprdc_fl.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "devices"
_ROUNDING = 0.005  # largest allowed difference of the sum of shares from 1


@dataclass(frozen=True)
class DeviceClass:
    """One kind of device. Values are medians of the class, sigmas standard deviations of the logarithm.

    Attributes:
        name: short, for files.
        title: in words.
        share: of the population.
        slowdown: seconds on a core of the device for work that takes a core of the reference host 1 s.
        downlink_mbps: megabits a second, to the device.
        uplink_mbps: megabits a second, from it.
        latency_ms: of a round trip.
        memory_mb: megabytes that an app may use.
        failure_rate: probability that a request that has begun is not finished.
        availability: probability that a device is available, for each of the 24 hours of its day.
        availability_between: share of the variance of being available that lies between devices: at 0 all are
            alike, near 1 some are nearly always available and others nearly never.
        slowdown_sigma: spread of the slowdown within the class.
        network_sigma: spread of the links; a device that is fast in one direction is so in the other.
        latency_sigma: spread of the latency.
        sources: of each field that has a number, with publications written out.
    """

    name: str
    title: str
    share: float
    slowdown: float
    downlink_mbps: float
    uplink_mbps: float
    latency_ms: float
    memory_mb: float
    failure_rate: float
    availability: tuple[float, ...]
    availability_between: float = 0.0
    slowdown_sigma: float = 0.0
    network_sigma: float = 0.0
    latency_sigma: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceSet:
    """Device classes, from the fastest to the slowest; their shares sum to 1.

    Attributes:
        name: of the set, or of its file without its ending.
        title: in words.
        reference: the host that slowdowns are relative to.
        classes: at least one.
    """

    name: str
    title: str
    reference: str
    classes: tuple[DeviceClass, ...]


_SIGMA = Limits(low=0, high=3, optional=True)
_NUMBERS = {
    "share": Limits(above=0, high=1),
    "slowdown": Limits(above=0),
    "slowdown_sigma": _SIGMA,
    "downlink_mbps": Limits(above=0),
    "uplink_mbps": Limits(above=0),
    "network_sigma": _SIGMA,
    "latency_ms": Limits(low=0),
    "latency_sigma": _SIGMA,
    "memory_mb": Limits(above=0),
    "failure_rate": Limits(low=0, below=1),
    "availability": Limits(low=0, high=1, count=24),
    "availability_between": Limits(low=0, below=1, optional=True),
}
_REQUIRED = ["name", "title", *(name for name, limits in _NUMBERS.items() if not limits.optional)]
_OPTIONAL = [name for name, limits in _NUMBERS.items() if limits.optional]


def device_sets() -> list[str]:
    """Names of the sets in configs/devices."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_devices(name_or_path: str | Path) -> DeviceSet:
    """A set of device classes.

    Args:
        name_or_path: a set's name, which is that of a file in configs/devices, or the path of a file like those.

    Returns:
        the classes from the fastest to the slowest; rounded shares are rescaled to sum to 1.

    Raises:
        InputError: there is no such set; or everything that is wrong with its file, a line each.
    """
    return _load(str(name_or_path), Path(), is_part=False)


def describe(devices: DeviceSet) -> list[dict[str, Any]]:
    """The classes as plain values for a report, the source of each number under ``sources``."""
    plain = (dataclasses.asdict(kind) for kind in devices.classes)
    return [kind | {"availability": list(kind["availability"])} for kind in plain]


def _load(name: str, folder: Path, is_part: bool) -> DeviceSet:
    """The set ``name``, a path relative to ``folder``; ``is_part``: the set is part of a mix."""
    path = _find(name, folder)
    tree = read_mapping(path, name)
    faults: list[str] = []
    mixes = "sets" in tree
    required = ["title", "sets"] if mixes else ["title", "reference", "classes"]
    tree = check_keys(tree, required, ["sources"] if mixes else ["sources", "defaults"], "", faults)
    cited = check_citations(tree.get("sources", {}), faults)
    title = check_text(tree.get("title", ""), "title", faults) if "title" in tree else ""
    if mixes and is_part:
        faults.append("sets: it is a mix itself; name the sets that it mixes")
    elif mixes:
        reference, classes = _mix(tree["sets"], path.parent, cited, faults)
    else:
        reference = check_text(tree["reference"], "reference", faults) if "reference" in tree else ""
        classes = _classes(tree, cited, faults)
    faults += [] if faults else unused_citations(tree, cited)
    if faults:
        raise InputError("\n".join(f"{name}: {fault}" for fault in faults))
    return DeviceSet(path.stem, title, reference, _in_order(classes))


def _find(name: str, folder: Path) -> Path:
    """The file of a set. Raises InputError where there is none."""
    path = FOLDER / f"{name}.yaml" if name in device_sets() else folder / name
    if not path.exists():
        near = near_to(name, device_sets())
        raise InputError(
            f"devices.name={show(name)}: no such set or file; sets: {', '.join(device_sets())}{near}"
        )
    return path


def _classes(tree: Mapping[str, Any], cited: dict[str, str], faults: list[str]) -> list[DeviceClass]:
    """The classes that a file lists; those with faults are left out."""
    entries, defaults = tree.get("classes", []), tree.get("defaults", {})
    defaults = check_keys(defaults, [], [n for n in _NUMBERS if n != "share"], "defaults", faults)
    if "classes" not in tree:
        return []
    if not isinstance(entries, list) or not entries:
        faults.append(f"classes: expected a list of classes; got {show(entries)}")
        return []
    classes = [_class(entry, number, defaults, cited, faults) for number, entry in enumerate(entries)]
    faultless = [kind for kind in classes if kind is not None]
    if len(faultless) == len(classes):
        _check_whole(faultless, "classes", faults)
    return faultless


def _class(
    entry: Any, number: int, defaults: Mapping[str, Any], cited: dict[str, str], faults: list[str]
) -> DeviceClass | None:
    """The class at place ``number``, None where it has faults."""
    named = isinstance(entry, dict) and isinstance(entry.get("name"), str)
    where = f"classes[{number}]" + (f" {show(entry['name'])}" if named else "")
    before = len(faults)
    given = check_keys(
        {**defaults, **entry} if isinstance(entry, dict) else entry, _REQUIRED, _OPTIONAL, where, faults
    )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, value in given.items():
        if key in _NUMBERS:
            values[key], sources[key] = check_number(value, _NUMBERS[key], f"{where}.{key}", cited, faults)
        else:
            values[key] = check_text(value, f"{where}.{key}", faults)
    if len(faults) > before:
        return None
    return DeviceClass(**values | {"availability": tuple(values["availability"]), "sources": sources})


def _mix(
    entries: Any, folder: Path, cited: dict[str, str], faults: list[str]
) -> tuple[str, list[DeviceClass]]:
    """Reference host and classes of a mix: ``{set: {share: {value, source}}}``; paths start at ``folder``."""
    if not isinstance(entries, dict) or not entries:
        faults.append(f"sets: expected a mapping of sets to shares; got {show(entries)}")
        return "", []
    before, parts = len(faults), []
    for name, entry in entries.items():
        given = check_keys(entry, ["share"], [], f"sets.{name}", faults)
        try:
            part = _load(str(name), folder, is_part=True)
        except InputError as error:
            faults += str(error).splitlines()
            continue
        if given:
            where = f"sets.{name}.share"
            parts.append((part, *check_number(given["share"], _NUMBERS["share"], where, cited, faults)))
    if len(faults) > before:
        return "", []
    classes = [_of_mix(kind, share, said) for part, share, said in parts for kind in part.classes]
    _check_whole(classes, "sets", faults)
    references = {part.reference for part, *_ in parts}
    if len(references) > 1:
        faults.append(f"sets: their reference hosts differ ({'; '.join(sorted(references))})")
    return references.pop(), classes


def _of_mix(kind: DeviceClass, share: float, source: str) -> DeviceClass:
    """A class of a set, with its share multiplied by the set's ``share`` of a mix."""
    said = f"{share:g} of the mix ({source}) times {kind.share:g} of its set ({kind.sources['share']})"
    return dataclasses.replace(kind, share=kind.share * share, sources={**kind.sources, "share": said})


def _check_whole(classes: list[DeviceClass], where: str, faults: list[str]) -> None:
    """Adds to ``faults`` what is wrong between valid classes: shares, names, titles."""
    total = sum(kind.share for kind in classes)
    if abs(total - 1) > _ROUNDING:
        faults.append(f"{where}: their shares sum to {total:g}; they must sum to 1")
    for part in ("name", "title"):
        values = [getattr(kind, part) for kind in classes]
        twice = sorted({value for value in values if values.count(value) > 1})
        faults += [f"{where}: the {part} {show(value)} is there twice" for value in twice]


def _in_order(classes: list[DeviceClass]) -> tuple[DeviceClass, ...]:
    """From the fastest to the slowest, with shares that sum to 1."""
    total = sum(kind.share for kind in classes)
    ordered = sorted(classes, key=lambda kind: kind.slowdown)
    return tuple(dataclasses.replace(kind, share=kind.share / total) for kind in ordered)
