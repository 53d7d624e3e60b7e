"""A run measured by two workers, here or over Ray, is the run of one with as many threads, byte by byte."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.test_killed_runs import result
from tests.tiny_suite import write_suite

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("local", "ray")


class Runs:
    """Starts runs of the tiny suite, one process each, which start others."""

    def __init__(self, folder: Path, model: Path) -> None:
        """The runs work in a project with an `audit` of its own, which must stay out of their way."""
        self.suite, self.folder, self.model, self.project = write_suite(folder), folder, model, folder / "own"
        (self.project / "audit").mkdir(parents=True)
        (self.project / "audit" / "__init__.py").write_text("raise ImportError('the project's own')\n")

    def start(self, out: str, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", ROOT / "evenhand.py", "run", self.suite, "--model", self.model]
        more = ["--out", self.folder / out, "--batch-size", "5", "--probes", "attention,likelihood,causal"]
        return subprocess.Popen(
            [*map(str, [*command, *more]), "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.project,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    def finish(self, out: str, *options: str) -> dict[str, Any]:
        return self.finished(self.start(out, *options), out)

    def finished(self, child: subprocess.Popen[str], out: str) -> dict[str, Any]:
        said, faults = child.communicate()
        assert child.returncode in (0, 1, 3), faults
        assert len(said.splitlines()) == 1  # the summary, and nothing of Ray's
        return result(self.folder / out)

    def amid(self, child: subprocess.Popen[str], out: str) -> None:
        """Wait until a run has measured two batches, of sixteen."""
        while child.poll() is None and self.batches(out) < 2:
            time.sleep(0.01)

    def batches(self, out: str) -> int:
        ledger = self.folder / out / "records" / "ledger.jsonl"
        return len(ledger.read_text().splitlines()) if ledger.exists() else 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Runs:
    return Runs(tmp_path_factory.mktemp("workers"), tiny_folder)


@pytest.fixture(scope="module")
def one(runs: Runs) -> dict[str, Any]:
    return runs.finish("one")


def under(child: subprocess.Popen[str], wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """The processes that a run started, and these."""
    return [each for each in psutil.Process(child.pid).children(recursive=True) if wanted(each)]


@pytest.mark.parametrize("engine", ENGINES)
def test_two_workers_give_the_bytes_of_one(runs: Runs, one: dict[str, Any], engine: str) -> None:
    assert runs.finish(f"two-{engine}", "--workers", "2", "--engine", engine) == one


def test_a_killed_actor_is_replaced_in_mid_run(runs: Runs, one: dict[str, Any]) -> None:
    child = runs.start("killed-actor", "--workers", "2", "--engine", "ray")
    runs.amid(child, "killed-actor")
    actors = under(child, lambda each: "ray::Actor" in " ".join(each.cmdline()))
    assert len(actors) == 2
    actors[0].kill()
    assert runs.batches("killed-actor") < 16
    assert runs.finished(child, "killed-actor") == one


@pytest.mark.parametrize("engine", ENGINES)
def test_workers_end_with_a_run_that_is_killed_and_it_goes_on(
    runs: Runs, one: dict[str, Any], engine: str
) -> None:
    out, options = f"killed-{engine}", ("--workers", "2", "--engine", engine)
    child = runs.start(out, *options)
    runs.amid(child, out)
    # Ray's agents, which hold no model, look for their parent a few times before they go, too.
    started = under(child, lambda each: "Agent" not in " ".join(each.cmdline()))
    assert len(started) >= 2
    child.kill()
    child.wait()
    assert not (runs.folder / out / "audit.json").exists()
    _, alive = psutil.wait_procs(started, timeout=10)
    for orphan in alive:
        orphan.kill()
    child.communicate()
    assert alive == []
    assert runs.finish(out) == one
