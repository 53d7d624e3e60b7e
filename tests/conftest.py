"""What several folders of tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from audit.api import Request, render, run_audit
from audit.cli import main
from audit.loader import load_config, load_suite
from audit.progress import Watcher
from audit.store import RunFolder
from tests.folders import listing
from tests.tiny_suite import write_suite

# CI must give the same answer twice; everywhere else new cases are tried at each run.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

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


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def request_for(folder: Path, model: Path, out: str) -> Request:
    suite = load_suite(write_suite(folder))
    return Request((suite,), str(model), load_config("quick")[0], folder / "runs" / out)


@pytest.fixture(scope="session")
def done(folder: Path, tiny_folder: Path) -> RunFolder:
    return run_audit(request_for(folder, tiny_folder, "first"), Watcher(quiet=True))


@pytest.fixture
def copy(done: RunFolder, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    shutil.copytree(done.path, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="session")
def signed_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs of keys, a suite, and a finished run of it that is rendered and signed."""
    from tests.evidence import write_evidence, write_keys

    place = tmp_path_factory.mktemp("evidence")
    for name in ("key", "other"):
        write_keys(place, name)
    render(write_evidence(place / "run"), ("in-toto",), place / "key.pem")
    return place


@pytest.fixture
def signed_run(signed_place: Path, tmp_path: Path) -> Path:
    """A copy of the signed run that a test may spoil."""
    shutil.copytree(signed_place / "run", tmp_path / "run")
    return tmp_path / "run"
