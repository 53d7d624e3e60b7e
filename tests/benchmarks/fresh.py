"""Work in a process of its own, so that its peak memory is nobody else's."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Cost:
    """What work cost its process.

    Args:
        seconds: of the work alone.
        before: MiB that the process held when it began.
        peak: MiB that it held at most since then.
    """

    seconds: float
    before: float
    peak: float

    @property
    def above(self) -> float:
        """MiB that the work added."""
        return self.peak - self.before


def in_fresh_process(work: Callable[..., T], *arguments: Any) -> T:
    """Run a function of a module, spawned and not forked, and hand back what it returns."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def cost_of(work: Callable[[], object]) -> Cost:
    """Seconds and peak memory of work in this process, as Linux counts it."""
    gc.collect()
    _CLEAR.write_text("5", encoding="ascii")  # the peak begins anew
    before, start = _held("VmRSS"), time.perf_counter()
    work()
    return Cost(time.perf_counter() - start, before, _held("VmHWM"))


def _held(field: str) -> float:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
