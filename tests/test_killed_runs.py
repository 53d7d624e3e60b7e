"""Runs killed at random moments and started again end as if nothing had happened, and measure no pair twice."""

from __future__ import annotations

import json
import random
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from tests.folders import listing
from tests.noted_command import start_noted
from tests.tiny_suite import write_suite

BATCH = 5


class Runs:
    """Starts a run of the tiny suite in a process of its own, and kills it."""

    def __init__(self, folder: Path, model: Path, *options: str) -> None:
        self.suite, self.folder, self.model, self.options = write_suite(folder), folder, model, options

    def start(self, out: str) -> ForkServerProcess:
        arguments = ["run", str(self.suite), "--model", str(self.model), "--out", str(self.folder / out)]
        arguments += ["--batch-size", str(BATCH), "--config", str(self.config()), *self.options]
        return start_noted(arguments, self.log(out), self.said(out))

    def config(self) -> Path:
        """Both stages in whole, held-out halves too: there is something to kill everywhere."""
        file = self.folder / "thorough.yaml"
        file.write_text(
            "preset: thorough\nprobes: [attention, likelihood, generation, causal, ablation]\n"
            "min_bias: 0\nq: 0.9\ncausal: {heads: all}\nablation: {sets: 20, priced: 2}\n"
        )
        return file

    def log(self, out: str) -> Path:
        return self.folder / f"{out}.log"

    def said(self, out: str) -> Path:
        return self.folder / f"{out}.err"

    def finish(self, out: str) -> str:
        child = self.start(out)
        child.join()
        said = self.said(out).read_text(encoding="utf-8")
        assert child.exitcode in (0, 1, 3), said
        return said

    def kill(self, out: str, moment: random.Random) -> bool:
        """Kill the run a moment after it began a batch chosen at random, or while it ends; whether it was alive."""
        seen = len(self.batches(out))
        wanted = seen + moment.randint(0, 16)
        child = self.start(out)
        while child.is_alive() and len(self.batches(out)) < wanted:
            time.sleep(0.002)
        time.sleep(moment.uniform(0, 0.15))
        alive = child.is_alive()
        child.kill()
        child.join()
        return alive

    def batches(self, out: str) -> list[str]:
        return self.log(out).read_text().splitlines() if self.log(out).exists() else []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Runs:
    return Runs(tmp_path_factory.mktemp("killed"), tiny_folder)


@pytest.fixture(scope="module")
def whole(runs: Runs) -> dict[str, Any]:
    runs.finish("whole")
    assert len(runs.batches("whole")) == len(set(runs.batches("whole"))) > 15
    return result(runs.folder / "whole")


def result(folder: Path) -> dict[str, Any]:
    """Every file that does not tell the time: ``audit.json`` without its two time stamps, tables by their bytes."""
    text = (folder / "audit.json").read_text(encoding="utf-8")
    times = json.loads(text)["environment"]
    for name in ("started", "finished"):
        assert text.count(f'"{name}": "{times[name]}"') == 1
        text = text.replace(f'"{name}": "{times[name]}"', "")
    found: dict[str, Any] = {"audit.json": text}
    for name, content in listing(folder).items():
        if name not in ("audit.json", "manifest.json", "renders.json", "report.html", "records/lock"):
            found[name] = content
    return found


def test_a_killed_shard_goes_on_as_if_nothing_had_happened(tmp_path: Path, tiny_folder: Path) -> None:
    runs = Runs(tmp_path, tiny_folder, "--shard", "1/3")
    runs.finish("whole")
    check(runs, result(tmp_path / "whole"), 0)


def check(runs: Runs, whole: dict[str, Any], seed: int) -> None:
    out, moment = f"killed-{seed}", random.Random(seed)
    kills = sum(runs.kill(out, moment) for _ in range(2 if seed % 3 == 0 else 1))
    runs.finish(out)
    assert result(runs.folder / out) == whole
    measured = runs.batches(out)
    assert set(measured) == set(runs.batches("whole"))
    assert len(measured) - len(set(measured)) <= kills


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    runs: Runs, whole: dict[str, Any], seed: int
) -> None:
    check(runs, whole, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 33))
def test_thirty_killed_runs_go_on_as_if_nothing_had_happened(
    runs: Runs, whole: dict[str, Any], seed: int
) -> None:
    check(runs, whole, seed)
