"""What several folders of tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.cli import main
from tests.folders import listing

Told = Callable[..., str]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama in a folder, as a user has it."""
    from tests.tiny_model import write_model

    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """Run a command that must be refused; return what it wrote to standard error."""
    monkeypatch.chdir(tmp_path)

    def refused(*arguments: str, code: int = 2) -> str:
        before = listing(tmp_path)
        capsys.readouterr()
        ended = main(list(arguments))
        said = capsys.readouterr()
        assert ended == code
        assert said.out == ""
        assert "Traceback" not in said.err
        assert said.err.endswith("\n")
        assert listing(tmp_path) == before
        return said.err.removesuffix("\n")

    return refused
