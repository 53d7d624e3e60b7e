"""What several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama in a folder, as a user has it."""
    from tests.tiny_model import write_model

    return write_model(tmp_path_factory.mktemp("models") / "tiny")
