"""Two workers of one thread against one, on this machine and over Ray."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.ledger import write_figures
from tests.benchmarks.runs import whole_run, write_suite
from tests.benchmarks.timing import Run, interleaved

_PAIRS = 400
#: Two batches, so that both workers are started.
_START = 64
_ENGINES = ("local", "ray")


def run_workers() -> None:
    """Each round a run of few pairs and one of many; the difference leaves out what starting takes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as place:
        suite = Path(place) / "workers.yaml"
        write_suite(suite, _PAIRS)
        sides = {"1": _measuring(suite, "--workers", "1")} | {
            f"2, {engine}": _measuring(suite, "--workers", "2", "--engine", engine) for engine in _ENGINES
        }
        timed = interleaved(sides)
    ratios = {f"times as fast, 2 workers, {engine}": timed.ratio("1", f"2, {engine}") for engine in _ENGINES}
    write_figures("workers", {"pairs": _PAIRS - _START, "seconds": timed.spread(), **ratios})


def _measuring(suite: Path, *options: str) -> Callable[[int], Run]:
    def side(_: int) -> Run:
        start = whole_run(suite, "--limit", str(_START), *options).seconds
        return Run(whole_run(suite, *options).seconds - start)

    return side
