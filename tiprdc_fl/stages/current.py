"""Digests of the code behind what a run keeps: what one version has made, another that differs does not reuse."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tiprdc_fl.config.plugins import plugin_files

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ("tiprdc_fl", "strategies")
# Modules whose imports, and theirs, are all that a stage's result depends on.
ROOTS = {
    "training": ("tiprdc_fl.data.source", "tiprdc_fl.data.split", "tiprdc_fl.training.loop"),
    "results": tuple(
        f"tiprdc_fl.stages.{stage}" for stage in ("prepare", "train", "collect", "evaluate", "report")
    ),
}
FILES = {"results": "configs/devices/*.yaml"}
# What shows a report decides no figure.
SHOWN = tuple(f"tiprdc_fl.report.{room}" for room in ("html", "compare", "terminal", "tensorboard"))


def code_digest(stage: str, root: Path = ROOT) -> str:
    """SHA-256 over what a stage's result depends on, whatever the docstrings and comments say.

    The user's plugins count whole: a record may stand anywhere in them.

    Args:
        stage: "training" (a trained extractor) or "results" (a finished run).
        root: folder of the project.
    """
    project, plugins = project_digest(stage, root), plugin_files()
    if not plugins:
        return project
    digest = hashlib.sha256(project.encode())
    for path in plugins:
        digest.update(path.name.encode() + b"\0" + _meaning(path))
    return digest.hexdigest()


@cache
def project_digest(stage: str, root: Path) -> str:
    """The same without plugins."""
    digest = hashlib.sha256()
    for path in files_of(stage, root):
        data = _meaning(path) if path.suffix == ".py" else path.read_bytes()
        digest.update(str(path.relative_to(root)).encode() + b"\0" + data)
    return digest.hexdigest()


def files_of(stage: str, root: Path = ROOT) -> list[Path]:
    """The modules that a stage imports, directly or not, and the data files beside them that they name."""
    found, data, waiting = set[Path](), set[Path](), list(ROOTS[stage])
    while waiting:
        path = _module(waiting.pop(), root)
        if path is not None and path not in found:
            tree = _tree(path)
            found.add(path)
            data.update(_named(path, tree))
            waiting += _imports(tree)
    return sorted({*found, *data, *root.glob(FILES.get(stage, "nothing"))})


def _module(name: str, root: Path) -> Path | None:
    """The file of the module that a dotted name is, or lies in; None where it does not count."""
    if f"{name}.".startswith(tuple(f"{shown}." for shown in SHOWN)):
        return None
    while name.partition(".")[0] in PROJECT and name != "tiprdc_fl":  # which only hands names on
        path = root.joinpath(*name.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
        name = name.rpartition(".")[0]
    return None


def _imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names that a module imports, wherever the import stands, and their packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield from (name[:end] for end, sign in enumerate(f"{name}.") if sign == ".")


def _named(path: Path, tree: ast.Module) -> list[Path]:
    """Files beside a module whose names occur in it."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return [file for file in path.parent.iterdir() if file.suffix not in ("", ".py") and file.name in texts]


def _meaning(path: Path) -> bytes:
    """A module's syntax tree without docstrings; comments and places are not in it."""
    tree = _tree(path)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree).encode()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
