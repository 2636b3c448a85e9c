"""The rules of the layout: who imports whom, where randomness is made, what has a docstring."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiprdc_fl import config, data
from tiprdc_fl.attacks.networks import ATTACKS
from tiprdc_fl.baselines import PROTECTIONS
from tiprdc_fl.data.face_copula import ATTRIBUTES as FACE_ATTRIBUTES
from tiprdc_fl.federation.codec import CODECS, MOST_STEPS
from tiprdc_fl.federation.engine import ENGINES
from tiprdc_fl.models.image import SMALLEST_IMAGE
from tiprdc_fl.models.runtime import RUNTIMES
from tiprdc_fl.partition import PARTITIONERS
from tiprdc_fl.partition_figures import SETTINGS
from tiprdc_fl.report.partition_lines import WHOSE

ROOT = Path(__file__).resolve().parents[1]
CONFIG = {"config", "config_reading", "config_values"}
STAGES = {"attacks", "data", "errors", "evaluation", "federation", "models", "report", "seeding", "store"}
STORAGE = {"storage", "withdrawal"}
# What a module may import of tiprdc_fl. A name stands for the module, or for the package and what is in it;
# the longest name that fits a module is its rule.
MAY_IMPORT: dict[str, set[str]] = {
    # Leaves.
    "errors": set(),
    "seeding": set(),
    **dict.fromkeys(CONFIG, CONFIG | {"errors"}),
    "command_line": CONFIG | {"errors"},
    "data": {"data", "errors", "seeding"},
    "models": {"models", "errors", "seeding"},
    "training.objectives": set(),
    "partition": {"errors"},
    "partition_figures": set(),
    "federation.formats": set(),
    "federation.codec": {"errors", "federation.formats"},
    "federation.sourced_yaml": {"errors"},
    "federation.device_sets": {"errors", "federation.sourced_yaml"},
    "federation.devices": {"errors", "federation.device_sets", "seeding"},
    # What is built on them.
    "training": {"training", "models", "data.examples", "errors", "seeding"},
    "storage": {"errors"},
    "withdrawal": {"errors", "storage"},
    # The commands are imported where the store is run as a program, and nowhere else.
    "store": {"errors", "federation.codec", "storage", "store_commands", "withdrawal"},
    "federation.asks": set(),
    "federation": {"federation", "data", "models", "storage", "store", "errors", "seeding", "withdrawal"},
    "attacks": {"attacks", "models", "errors", "seeding"},
    "baselines": {"errors", "models", "seeding", "training"},
    "exports": {"baselines", "data", "errors", "models", "seeding", "storage"},
    "evaluation": {"attacks", "models", "seeding", "store"},
    "groups": {"attacks", "evaluation"},
    "worst_off": {"attacks", "evaluation"},
    "report": {"report", "config", "errors", "evaluation", "store"},
    "report.command": {"report", "errors", "run_folder", "storage"},
    # What wires them.
    "store_commands": {"errors", "storage", "store", "withdrawal"},
    "run_folder": CONFIG | {"errors", "storage"},
    "extractor": CONFIG | {"data", "errors", "exports", "models", "seeding", "simulate", "storage"},
    "dealing": CONFIG
    | STORAGE
    | {"data", "errors", "federation.contribution", "partition", "run_folder", "seeding"},
    "run": STAGES | CONFIG | {"exports", "withdrawal"},
    "plan_checks": CONFIG | {"data", "errors", "partition_figures"},
    "planning": STAGES | STORAGE | CONFIG | {"plan_checks", "run", "run_folder"},
    "modelled": STAGES | STORAGE | {"plan_checks", "planning", "run"},
    "views": STAGES | {"baselines", "extractors", "run"},
    "measurement": STAGES | STORAGE | CONFIG | {"groups", "run", "run_folder", "views", "worst_off"},
    "stages": STAGES
    | STORAGE
    | CONFIG
    | {"dealing", "modelled", "partition_figures", "planning", "run", "run_folder"},
    "extractors": STAGES | CONFIG | {"baselines", "run", "run_folder", "training"},
    "simulate": STAGES
    | CONFIG
    | {"baselines", "command_line", "dealing", "exports", "extractors", "measurement"}
    | {"plan_checks", "planning", "run", "run_folder", "stages"},
}
FLOWER = {"federation.client_app", "federation.server_app", "federation.engine"}
MAKES_RANDOMNESS = {"seeding"}
DRAWS = {f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "normal", "bernoulli")}

Found = Iterator[str]


def modules_in(package: str) -> dict[str, str]:
    """Source of every module, by its dotted name without the package's."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path.read_text(encoding="utf-8")
    return found


SOURCES = modules_in("tiprdc_fl")


def imports(source: str) -> Found:
    """Dotted names that a module imports, wherever the import stands; ``from a import b`` gives a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def rule_of(module: str) -> set[str]:
    fitting = [name for name in MAY_IMPORT if within(module, {name})]
    assert fitting, f"tiprdc_fl.{module} is new: say in MAY_IMPORT what it may import"
    return MAY_IMPORT[max(fitting, key=len)]


def direction(module: str, source: str) -> Found:
    """Imports within the project that point the wrong way."""
    for name in imports(source):
        ours = within(name, {"tiprdc_fl", "simulations"})
        if name.startswith("."):
            yield f"{name} is relative"
        elif ours and not within(name.removeprefix("tiprdc_fl."), rule_of(module)):
            yield name


def flower(module: str, source: str) -> Found:
    """Flower or Ray outside the three modules that are for it."""
    if module not in FLOWER:
        yield from (name for name in imports(source) if within(name, {"flwr", "ray"}))


def pickles(module: str, source: str) -> Found:
    """Pickle: whoever can change the file that is loaded can run code."""
    yield from (name for name in imports(source) if within(name, {"pickle", "cloudpickle", "dill", "joblib"}))
    for call in calls(source):
        safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)
        if ast.unparse(call.func) == "torch.load" and not safe:
            yield ast.unparse(call)


def randomness(module: str, source: str) -> Found:
    """Randomness that does not come from the seed; np.random.Generator, a type, may be named."""
    if module in MAKES_RANDOMNESS:
        return
    banned = {"random", "secrets", "numpy.random", "torch.random", "torch.manual_seed", "torch.Generator"}
    yield from (name for name in imports(source) if within(name, banned))
    for node in ast.walk(ast.parse(source)):
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
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


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

    return walk(ast.parse(source).body, "")


RULES = {rule.__name__: rule for rule in (direction, flower, pickles, randomness, undocumented)}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("module", SOURCES)
def test_every_module_keeps_the_rules(module, rule):
    if module or rule != "direction":  # the package itself imports nothing, see below
        assert list(RULES[rule](module, SOURCES[module])) == []


def test_importing_the_package_imports_nothing_of_it():
    assert list(imports(SOURCES[""])) == []


def test_rules_are_those_of_modules_that_exist():
    assert [name for name in MAY_IMPORT if not any(within(module, {name}) for module in SOURCES)] == []
    assert set(SOURCES) >= FLOWER | MAKES_RANDOMNESS


@pytest.mark.parametrize("module", modules_in("strategies"))
def test_strategies_are_leaves(module):
    allowed = {"tiprdc_fl.seeding", "tiprdc_fl.errors", "strategies"}
    ours = [name for name in imports(modules_in("strategies")[module]) if within(name, {"tiprdc_fl"})]
    assert [name for name in ours if not within(name, allowed)] == []


@pytest.mark.parametrize(
    ("rule", "module", "source", "found"),
    [
        ("direction", "data.faces", "from tiprdc_fl.models.image import x", "tiprdc_fl.models.image.x"),
        ("direction", "data.faces", "from tiprdc_fl import models", "tiprdc_fl.models"),
        ("direction", "data.faces", "import tiprdc_fl.config", "tiprdc_fl.config"),
        ("direction", "data.faces", "def f():\n    from tiprdc_fl import store", "tiprdc_fl.store"),
        ("direction", "data.faces", "from . import cache", "..cache is relative"),
        ("direction", "models.image", "from tiprdc_fl.data import Examples", "tiprdc_fl.data.Examples"),
        ("direction", "training.objectives", "from tiprdc_fl import models", "tiprdc_fl.models"),
        ("direction", "training.train", "from tiprdc_fl.data import split", "tiprdc_fl.data.split"),
        ("direction", "training.train", "from tiprdc_fl.config import Config", "tiprdc_fl.config.Config"),
        ("direction", "federation.codec", "from tiprdc_fl import store", "tiprdc_fl.store"),
        ("direction", "federation.engine", "from tiprdc_fl import training", "tiprdc_fl.training"),
        ("direction", "federation.engine", "from tiprdc_fl import evaluation", "tiprdc_fl.evaluation"),
        ("direction", "store", "from tiprdc_fl.federation import engine", "tiprdc_fl.federation.engine"),
        ("direction", "attacks.probe", "from tiprdc_fl import store", "tiprdc_fl.store"),
        ("direction", "evaluation", "from tiprdc_fl import federation", "tiprdc_fl.federation"),
        ("direction", "stages", "from tiprdc_fl.simulate import run", "tiprdc_fl.simulate.run"),
        ("direction", "simulate", "from simulations import sweep", "simulations.sweep"),
        ("direction", "config", "from tiprdc_fl.data import DATASETS", "tiprdc_fl.data.DATASETS"),
        ("flower", "federation.collector", "import flwr.app as x", "flwr.app"),
        ("flower", "stages", "def f():\n    import ray", "ray"),
        ("pickles", "store", "import pickle", "pickle"),
        ("pickles", "store", "from pickle import loads", "pickle.loads"),
        ("pickles", "store", "torch.load(path)", "torch.load(path)"),
        ("randomness", "data.faces", "import random", "random"),
        ("randomness", "data.faces", "from numpy.random import default_rng", "numpy.random.default_rng"),
        ("randomness", "data.faces", "x = np.random.default_rng(0)", "np.random.default_rng"),
        ("randomness", "data.faces", "x = numpy.random.rand()", "np.random.rand"),
        ("randomness", "training.train", "torch.manual_seed(0)", "torch.manual_seed"),
        ("randomness", "training.train", "torch.cuda.manual_seed_all(0)", "torch.cuda.manual_seed_all"),
        ("randomness", "training.train", "g = torch.Generator()", "torch.Generator"),
        ("randomness", "training.train", "x = torch.randperm(3)", "torch.randperm(3)"),
        ("undocumented", "store", "def f(): pass", "f"),
        ("undocumented", "store", "class A:\n    '''A.'''\n    def b(self): pass", "A.b"),
    ],
)
def test_every_rule_can_fail(rule, module, source, found):
    assert list(RULES[rule](module, source)) == [found]


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        ("direction", "training.train", "from tiprdc_fl.data.examples import Examples"),
        ("flower", "federation.engine", "import ray"),
        ("pickles", "training.train", "torch.load(path, weights_only=True)"),
        ("randomness", "data.faces", "def f(rng: np.random.Generator): return rng.normal()"),
        ("randomness", "training.train", "x = torch.randperm(3, generator=generator)"),
        ("randomness", "seeding", "torch.manual_seed(0)"),
        ("undocumented", "store", "def _f(): pass"),
    ],
)
def test_rules_allow_what_they_should(rule, module, source):
    assert list(RULES[rule](module, source)) == []


def test_a_new_module_needs_a_rule():
    with pytest.raises(AssertionError, match="newcomer is new"):
        list(direction("newcomer", "import tiprdc_fl.store"))


def test_the_configuration_offers_what_there_is():
    def choices(key: str) -> set:
        return set(config.keys()[key].choices)

    assert choices("data.name") == set(data.DATASETS) == set(config.DATASETS)
    assert choices("federation.engine") == set(ENGINES)
    assert choices("federation.codec") == set(CODECS)
    assert choices("federation.runtime") == set(RUNTIMES)
    assert choices("protection.name") == set(PROTECTIONS)
    assert (
        choices("partition.name") == {"natural", "feature"} | set(PARTITIONERS) == set(SETTINGS) == set(WHOSE)
    )
    assert choices("evaluation.attacks") == choices("evaluation.probes") == set(ATTACKS)
    assert config.keys()["data.image_size"].low == SMALLEST_IMAGE
    assert config.keys()["model.max_tokens"].high == MOST_STEPS


def test_the_attributes_that_faces_offer_by_default_exist():
    defaults = config.DATASETS["faces"]
    assert {*defaults["data.private"], *defaults["data.tasks"]} <= set(FACE_ATTRIBUTES)
