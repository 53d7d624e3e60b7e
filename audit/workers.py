"""Batches measured by several processes on one machine, each with a model of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context

from audit.batches import Batch, BatchResult, Crew
from audit.errors import MeasurementError

#: How often workers may die without one batch measured in between.
_TRIES = 3

_Results = Iterator[tuple[int, BatchResult]]


class Workers:
    """Measures batches in processes that are started for it.

    The results are those of one process with as many threads, bit for bit: each batch is measured whole by
    one worker. A worker that dies is replaced, and only what it had not handed over is measured again.

    Args:
        hire: makes the crew of a worker; pickled, and called once in each process.
        count: how many processes.
    """

    def __init__(self, hire: Callable[[], Crew], count: int) -> None:
        self._hire, self._count = hire, count

    def measure(self, batches: Sequence[Batch]) -> _Results:
        """Yield each batch's number and its result as they come; raises MeasurementError if workers keep dying."""
        left = dict(enumerate(batches))
        tries = 0
        while left:
            try:
                for number, result in self._measure(left):
                    del left[number]
                    tries = 0
                    yield number, result
            except BrokenProcessPool as error:
                tries += 1
                if tries == _TRIES:
                    told = f"workers died {_TRIES} times in a row; is there memory for {self._count} models?"
                    raise MeasurementError(told) from error

    def _measure(self, left: dict[int, Batch]) -> _Results:
        """Give each worker a run of neighbours, which share prefixes, one batch at a time."""
        with ExitStack() as stack:
            numbers: dict[Future[BatchResult], int] = {}
            for run in _runs(list(left), self._count):
                pool = ProcessPoolExecutor(1, get_context("spawn"), _start, (self._hire,))
                stack.callback(pool.shutdown, wait=True, cancel_futures=True)
                numbers.update({pool.submit(_measure, left[number]): number for number in run})
            for future in as_completed(numbers):
                yield numbers.pop(future), future.result()  # what was handed over is kept nowhere


def _runs(numbers: Sequence[int], count: int) -> list[Sequence[int]]:
    """Cut into at most so many runs of about the same length."""
    size = -(-len(numbers) // count)
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


_crew: list[Crew] = []


def _start(hire: Callable[[], Crew]) -> None:
    _crew.append(hire())


def _measure(batch: Batch) -> BatchResult:
    ((_, result),) = _crew[0].measure([batch])
    return result
