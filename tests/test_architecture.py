"""The rules of the layout: who imports whom, where randomness is made, what has a docstring."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tiprdc_fl
from tiprdc_fl.config import keys as config
from tiprdc_fl.data import DATASETS
from tiprdc_fl.data.faces.copula import ATTRIBUTES as FACE_ATTRIBUTES
from tiprdc_fl.models.image import SMALLEST_IMAGE
from tiprdc_fl.stages.registries import choices
from tiprdc_fl.store.codec import MAX_STEPS

ROOT = Path(__file__).resolve().parents[1]
# Floor by floor, from the top: a room imports from floors below its own, and from itself.
FLOORS = (
    ("simulations",),
    ("examples",),
    ("tiprdc_fl.simulate", "tiprdc_fl.export"),
    ("tiprdc_fl.stages",),
    ("tiprdc_fl.report", "tiprdc_fl.protections"),
    ("tiprdc_fl.training", "tiprdc_fl.federation", "tiprdc_fl.evaluation"),
    ("tiprdc_fl.attacks", "tiprdc_fl.data", "tiprdc_fl.store"),
    ("tiprdc_fl.models", "tiprdc_fl.devices", "tiprdc_fl.config", "tiprdc_fl.disk"),
    ("strategies", "tiprdc_fl.seeding", "tiprdc_fl.errors"),
)
PROJECT = {"tiprdc_fl", "simulations", "examples", "strategies"}
OUTSIDE = {"tests"}  # nothing of the project imports them
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Rooms within a room that must stay leaves: they receive values, and import nothing else of the project.
LEAVES = {
    "tiprdc_fl.training.objectives": set(),
    "tiprdc_fl.store.formats": set(),
    "tiprdc_fl.devices.requests": set(),
    "tiprdc_fl.devices.sourced_yaml": {"tiprdc_fl.errors"},
    "tiprdc_fl.store.codec": {"tiprdc_fl.errors", "tiprdc_fl.store.formats"},
}
FLOWER = {f"tiprdc_fl.federation.{name}" for name in ("client_app", "server_app", "engine", "ray_cluster")}
MAKES_RANDOMNESS = {"tiprdc_fl.seeding"}
RUNS_PROCESSES = "tiprdc_fl.attacks.side_by_side"
DRAWS = {f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "normal", "bernoulli")}

Found = Iterator[str]


def modules_in(package: str) -> dict[str, str]:
    """Source of every module, by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path.read_text(encoding="utf-8")
    return found


SOURCES = modules_in("tiprdc_fl")
EVERYTHING = SOURCES | modules_in("simulations") | modules_in("examples") | modules_in("strategies")


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """The module and everything in it; each source is parsed once for all rules."""
    return tuple(ast.walk(ast.parse(source)))


def imports(source: str) -> Found:
    """Dotted names that a module imports, wherever the import stands; ``from a import b`` gives a.b."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def room_of(name: str) -> str | None:
    """The room that a dotted name lies in; None outside the project."""
    top, _, rest = name.partition(".")
    if top in ("simulations", "examples", "strategies"):
        return top
    return f"{top}.{rest.partition('.')[0]}" if top == "tiprdc_fl" and rest else None


def direction(module: str, source: str) -> Found:
    """Imports that point upwards or sideways, or at the tests or the examples."""
    assert room_of(module) in FLOOR, f"{module} is new: give it a floor in FLOORS, and in the design"
    for name in imports(source):
        if name.startswith("."):
            yield f"{name} is relative"
        elif within(name, OUTSIDE) or (within(name, PROJECT) and not allowed(module, name)):
            yield name


def allowed(module: str, name: str) -> bool:
    """Whether a module may import something of the project."""
    if module in LEAVES:
        return within(name, LEAVES[module])
    here, there = room_of(module), room_of(name)
    if here in ("simulations", "examples") and name.removeprefix("tiprdc_fl.") in tiprdc_fl.__all__:
        return True  # the public interface
    return there == here or (there in FLOOR and FLOOR[there] > FLOOR[here])


def flower(module: str, source: str) -> Found:
    """Flower or Ray outside the three modules that are for it."""
    if module not in FLOWER:
        yield from (name for name in imports(source) if within(name, {"flwr", "ray"}))


def pickles(module: str, source: str) -> Found:
    """Pickle: whoever can change the file that is loaded can run code."""
    banned = {"pickle", "cloudpickle", "dill"} | ({"joblib"} if module != RUNS_PROCESSES else set())
    yield from (name for name in imports(source) if within(name, banned))
    for call in calls(source):
        safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)
        name = ast.unparse(call.func)
        if name in ("joblib.load", "joblib.dump") or (name == "torch.load" and not safe):
            yield ast.unparse(call)


def randomness(module: str, source: str) -> Found:
    """Randomness that does not come from the seed; np.random.Generator, a type, may be named."""
    if module in MAKES_RANDOMNESS:
        return
    banned = {"random", "secrets", "numpy.random", "torch.random", "torch.manual_seed", "torch.Generator"}
    yield from (name for name in imports(source) if within(name, banned))
    for node in nodes(source):
        name = ast.unparse(node).replace("numpy.", "np.", 1) if isinstance(node, ast.Attribute) else ""
        seeds = name.startswith("torch.") and name.endswith(("manual_seed", "manual_seed_all"))
        numpys = name.startswith("np.random.") and name != "np.random.Generator"
        if seeds or numpys or name in ("torch.Generator", "torch.random", "torch.default_generator"):
            yield name
    for call in calls(source):
        drawn = ast.unparse(call.func) in DRAWS
        if drawn and not any(keyword.arg == "generator" for keyword in call.keywords):
            yield ast.unparse(call)


def calls(source: str) -> Iterator[ast.Call]:
    return (node for node in nodes(source) if isinstance(node, ast.Call))


def undocumented(module: str, source: str) -> Found:
    """Public functions, classes and methods without a docstring."""

    def walk(body: list[ast.stmt], prefix: str) -> Found:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    module_node = nodes(source)[0]
    assert isinstance(module_node, ast.Module)
    return walk(module_node.body, "")


RULES = {rule.__name__: rule for rule in (direction, flower, pickles, randomness, undocumented)}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("module", SOURCES)
def test_every_module_keeps_the_rules(module, rule):
    if module == "tiprdc_fl" and rule == "direction":  # the package itself imports nothing, see below
        return
    assert list(RULES[rule](module, SOURCES[module])) == []


@pytest.mark.parametrize("module", [name for name in EVERYTHING if name not in SOURCES])
def test_studies_examples_and_strategies_import_downwards(module):
    assert list(direction(module, EVERYTHING[module])) == []


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, tiprdc_fl; print([name for name in ('torch', 'flwr', 'ray') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_public_names_are_there_and_stand_in_the_documentation_of_the_package():
    assert set(tiprdc_fl._ROOMS) == set(tiprdc_fl.__all__) <= set(dir(tiprdc_fl))
    assert all(getattr(tiprdc_fl, name).__doc__ for name in tiprdc_fl.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tiprdc_fl.nothing  # noqa: B018


def test_no_modules_import_each_other_in_a_circle():
    arrows = {
        module: {found for name in imports(source) if (found := module_of(name)) and found != module}
        for module, source in EVERYTHING.items()
        if module != "tiprdc_fl"  # its names are imported late
    }
    TopologicalSorter(arrows).prepare()  # raises CycleError, and names the circle


def module_of(name: str) -> str | None:
    """The module that an imported name is, or lies in."""
    while name and name not in EVERYTHING:
        name = name.rpartition(".")[0]
    return name or None


def test_the_root_has_no_more_entries_than_the_design():
    entries = {path.name for path in (ROOT / "tiprdc_fl").iterdir() if path.name != "__pycache__"}
    rooms = {room.partition(".")[2] for room in FLOOR if room.startswith("tiprdc_fl.")}
    assert {entry.removesuffix(".py") for entry in entries} == rooms | {"__init__"}


def test_the_folders_of_tests_are_the_rooms():
    rooms = {room.rpartition(".")[2] for room in FLOOR if (ROOT / room.replace(".", "/")).is_dir()}
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == rooms - {"examples"}  # tests/test_examples.py runs these


def test_the_tests_skip_nothing():
    """Only the root's conftest may skip: the page's tests, where there is no Chromium."""
    skips = {"skip", "skipif", "xfail", "importorskip"}
    tests = modules_in("tests")
    assert {
        name
        for name, source in tests.items()
        if any(isinstance(node, ast.Attribute) and node.attr in skips for node in nodes(source))
    } == {"tests.conftest"}


def test_rules_are_those_of_modules_that_exist():
    assert set(SOURCES) >= FLOWER | MAKES_RANDOMNESS | set(LEAVES)
    assert {room_of(module) for module in EVERYTHING if module != "tiprdc_fl"} == set(FLOOR)


@pytest.mark.parametrize(
    ("rule", "module", "source", "found"),
    [
        ("direction", "data.faces", "from tiprdc_fl.evaluation import x", "tiprdc_fl.evaluation.x"),
        ("direction", "data.faces", "from tiprdc_fl import attacks", "tiprdc_fl.attacks"),
        ("direction", "data.faces", "import tiprdc_fl.simulate", "tiprdc_fl.simulate"),
        ("direction", "data.faces", "def f():\n    from tiprdc_fl import store", "tiprdc_fl.store"),
        ("direction", "data.faces", "from . import cache", "..cache is relative"),
        ("direction", "models.image", "from tiprdc_fl.data import Examples", "tiprdc_fl.data.Examples"),
        ("direction", "training.objectives", "from tiprdc_fl import models", "tiprdc_fl.models"),
        ("direction", "training.loop", "from tiprdc_fl.stages import run", "tiprdc_fl.stages.run"),
        ("direction", "store.codec", "from tiprdc_fl.store import lance", "tiprdc_fl.store.lance"),
        ("direction", "federation.engine", "from tiprdc_fl import training", "tiprdc_fl.training"),
        ("direction", "federation.engine", "from tiprdc_fl import evaluation", "tiprdc_fl.evaluation"),
        (
            "direction",
            "store.append",
            "from tiprdc_fl.federation import engine",
            "tiprdc_fl.federation.engine",
        ),
        ("direction", "attacks.probe", "from tiprdc_fl import store", "tiprdc_fl.store"),
        ("direction", "devices.clock", "from tiprdc_fl.data import split", "tiprdc_fl.data.split"),
        ("direction", "evaluation.groups", "from tiprdc_fl import federation", "tiprdc_fl.federation"),
        ("direction", "stages.train", "from tiprdc_fl.simulate import run", "tiprdc_fl.simulate.run"),
        ("direction", "simulate", "from simulations import sweep", "simulations.sweep"),
        ("direction", "config.keys", "from tiprdc_fl.data import DATASETS", "tiprdc_fl.data.DATASETS"),
        ("direction", "data.faces", "from tests.report import browser", "tests.report.browser"),
        ("direction", "stages.train", "import examples.own_attack", "examples.own_attack"),
        ("flower", "federation.collector", "import flwr.app as x", "flwr.app"),
        ("flower", "stages.train", "def f():\n    import ray", "ray"),
        ("pickles", "store", "import pickle", "pickle"),
        ("pickles", "store", "from pickle import loads", "pickle.loads"),
        ("pickles", "store", "torch.load(path)", "torch.load(path)"),
        ("pickles", "store", "from joblib import Parallel", "joblib.Parallel"),
        ("pickles", "attacks.side_by_side", "joblib.load(path)", "joblib.load(path)"),
        ("randomness", "data.faces", "import random", "random"),
        ("randomness", "data.faces", "from numpy.random import default_rng", "numpy.random.default_rng"),
        ("randomness", "data.faces", "x = np.random.default_rng(0)", "np.random.default_rng"),
        ("randomness", "data.faces", "x = numpy.random.rand()", "np.random.rand"),
        ("randomness", "training.loop", "torch.manual_seed(0)", "torch.manual_seed"),
        ("randomness", "training.loop", "torch.cuda.manual_seed_all(0)", "torch.cuda.manual_seed_all"),
        ("randomness", "training.loop", "g = torch.Generator()", "torch.Generator"),
        ("randomness", "training.loop", "x = torch.randperm(3)", "torch.randperm(3)"),
        ("undocumented", "store", "def f(): pass", "f"),
        ("undocumented", "store", "class A:\n    '''A.'''\n    def b(self): pass", "A.b"),
    ],
)
def test_every_rule_can_fail(rule, module, source, found):
    assert list(RULES[rule](f"tiprdc_fl.{module}", source)) == [found]


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        ("direction", "training.loop", "from tiprdc_fl.data.examples import Examples"),
        ("flower", "federation.engine", "import ray"),
        ("pickles", "training.loop", "torch.load(path, weights_only=True)"),
        ("randomness", "data.faces", "def f(rng: np.random.Generator): return rng.normal()"),
        ("randomness", "training.loop", "x = torch.randperm(3, generator=generator)"),
        ("randomness", "seeding", "torch.manual_seed(0)"),
        ("undocumented", "store", "def _f(): pass"),
    ],
)
def test_rules_allow_what_they_should(rule, module, source):
    assert list(RULES[rule](f"tiprdc_fl.{module}", source)) == []


def test_a_new_module_needs_a_rule():
    with pytest.raises(AssertionError, match="newcomer is new"):
        list(direction("newcomer", "import tiprdc_fl.store.feature_store"))


def test_the_configurations_limits_are_those_of_the_networks_and_payloads():
    assert config.keys()["data.image_size"].low == SMALLEST_IMAGE
    assert config.keys()["model.max_tokens"].high == MAX_STEPS


def test_what_null_stands_for_exists():
    defaults = DATASETS["faces"].defaults
    assert {*defaults["data.private"], *defaults["data.tasks"]} <= set(FACE_ATTRIBUTES)


@pytest.mark.parametrize("key", choices())
def test_records_name_keys_that_exist_and_the_default_is_one_of_the_names(key):
    names, known = choices()[key], config.keys()
    default = known[key].default
    assert set(default if isinstance(default, list) else [default]) <= {*names, None}
    for choice in names.values():
        assert {*choice.reads, *choice.own, *choice.defaults, *choice.needs} <= set(known)
