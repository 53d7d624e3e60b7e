"""The import graph is one-way, start-up is light, and files and functions stay small."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("audit", "probes", "reports")
FILES = [
    *(path for folder in (*FOLDERS, "tests") for path in sorted((ROOT / folder).rglob("*.py"))),
    ROOT / "evenhand.py",
]
FORBIDDEN = {"audit": {"probes", "reports"}, "probes": {"reports"}, "reports": {"probes"}}
HEAVY = ("torch", "transformers", "plotly", "pandas", "scipy.stats")
LINES, FUNCTION_LINES = 300, 50


def name_of(path: Path) -> str:
    """Dotted name of a module's file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run, at any depth: not what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from running(child)


def imported(module: str) -> set[str]:
    """Dotted names that a module imports anywhere, also inside functions."""
    path = MODULES[module]
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    names = set()
    for node in running(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            inside = {f"{origin}.{alias.name}" for alias in node.names}
            names |= {name for name in inside if name in MODULES} | (
                set() if inside <= set(MODULES) else {origin}
            )
    return names


def test_the_walk_sees_modules_and_their_imports() -> None:
    assert {"audit.protocols", "audit.records", "audit.results"} <= set(MODULES)
    assert {"audit.config", "audit.pairs", "audit.records", "audit.results"} <= imported("audit.protocols")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_folders_do_not_import_each_other_across(module: str) -> None:
    crossing = {name for name in imported(module) if name.split(".")[0] in FORBIDDEN[module.split(".")[0]]}
    assert not crossing


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_imports_in_circles(folder: str) -> None:
    inside = {name for name in MODULES if name.split(".")[0] == folder}
    try:
        TopologicalSorter({name: (imported(name) & inside) - {name} for name in inside}).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = f"import audit.cli, json, sys; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LINES
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert not long
