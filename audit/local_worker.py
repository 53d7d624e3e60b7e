"""A worker in a process of its own on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from audit.batches import Batch, BatchResult, Crew

#: What tells that a worker died.
DIED = (BrokenProcessPool,)


class LocalWorker:
    """Starts a process, which ends with this one, however that ends.

    Args:
        hire: makes the crew of a worker; pickled, and called once in the process.
    """

    def __init__(self, hire: Callable[[], Crew]) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _start, (hire,))

    def submit(self, batch: Batch) -> Future[BatchResult]:
        """Hand over a batch."""
        return self._pool.submit(_measure, batch)

    def dismiss(self) -> None:
        """End the process when it is done with what it measures now."""
        self._pool.shutdown(wait=True, cancel_futures=True)


_hires: list[Callable[[], Crew]] = []
_crews: list[Crew] = []


def _start(hire: Callable[[], Crew]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _hires.append(hire)


def _end_with_parent() -> None:
    """Nobody waits for what a worker measures when the process that hired it was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _measure(batch: Batch) -> BatchResult:
    if not _crews:  # here, and not at the start, so that its errors are told
        _crews.append(_hires[0]())
    ((_, result),) = _crews[0].measure([batch])
    return result
