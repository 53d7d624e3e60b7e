"""The command starts light: nothing heavy loads before it is needed."""

from __future__ import annotations

import re
import sys

import pytest

import evenhand
from tests.wheel import ROOT, run

HEAVY = {
    "accelerate",
    "gguf",
    "jinja2",
    "numpy",
    "pandas",
    "plotly",
    "pyarrow",
    "pytest",
    "safetensors",
    "scipy",
    "torch",
    "transformers",
}


def loaded_by(*arguments: str) -> set[str]:
    """Top-level names of all modules that a Python process imports."""
    done = run(sys.executable, "-P", "-X", "importtime", *arguments, cwd=ROOT)
    return set(re.findall(r"^import time:.*\|\s*([A-Za-z_]\w*)[\w.]*$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"]], ids=" ".join)
def test_the_command_answers_without_loading_anything_heavy(arguments: list[str]) -> None:
    loaded = loaded_by(evenhand.__file__, *arguments)
    assert {"evenhand", "audit"} & loaded
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_importing_the_public_module_loads_the_standard_library_only() -> None:
    loaded = loaded_by("-c", "import evenhand")
    assert "evenhand" in loaded
    assert loaded & {*HEAVY, "pydantic", "typer", "yaml", "audit", "rich"} == set()
