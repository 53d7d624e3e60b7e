"""Batches measured by several workers, each with a model of its own, wherever they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol, Self

from audit.batches import Batch, BatchResult
from audit.errors import MeasurementError

#: How often workers may die without one batch measured in between.
_TRIES = 3
#: Batches that a worker is handed at once: it goes on while what it measured is written down.
_AHEAD = 2


class Worker(Protocol):
    """Somebody with a model who measures one batch after the other."""

    def submit(self, batch: Batch) -> Future[BatchResult]:
        """Hand over a batch; like the future, it may raise one of the errors that tell that the worker died."""

    def dismiss(self) -> None:
        """End it, dead or alive."""


class Workers:
    """Measures batches with workers that are hired for it, and kept until the block ends.

    The results are those of one process with as many threads, bit for bit: each batch is measured whole by
    one worker. A worker that dies is replaced, and only what it had not handed over is measured again.

    Args:
        hire: starts a worker.
        count: how many of them.
        died: the errors that tell that a worker died.
    """

    def __init__(self, hire: Callable[[], Worker], count: int, died: tuple[type[BaseException], ...]) -> None:
        self._hire, self._count, self._died = hire, count, died
        self._staff: dict[int, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for seat in list(self._staff):
            self._dismiss(seat)

    def measure(self, batches: Sequence[Batch]) -> Iterator[tuple[int, BatchResult]]:
        """Yield each batch's number and its result as they come; raises MeasurementError if workers keep dying."""
        left, deaths = _runs(len(batches), self._count), 0
        handed: dict[Future[BatchResult], tuple[int, int]] = {}
        done: dict[int, Future[BatchResult]] = {}
        while handed or any(left):
            dead = self._hand_out(batches, left, handed)
            for future in wait(handed, return_when=FIRST_COMPLETED).done if handed else ():
                if isinstance(future.exception(), self._died):
                    dead.add(handed[future][0])
                else:
                    done[handed.pop(future)[1]] = future
            while done:
                deaths = 0
                number, future = done.popitem()
                yield number, future.result()  # what was handed over is kept nowhere
            for seat in sorted(dead):
                self._dismiss(seat)
                lost = [future for future, (of, _) in handed.items() if of == seat]
                left[seat].extendleft(sorted((handed.pop(future)[1] for future in lost), reverse=True))
                deaths += 1
            if deaths >= _TRIES:
                told = f"workers died {_TRIES} times in a row; is there memory for {self._count} models?"
                raise MeasurementError(told)

    def _hand_out(
        self,
        batches: Sequence[Batch],
        left: list[deque[int]],
        handed: dict[Future[BatchResult], tuple[int, int]],
    ) -> set[int]:
        """Give every worker enough to do; the seats of those that turn out to be dead."""
        dead = set()
        for seat in range(len(left)):
            busy = sum(of == seat for of, _ in handed.values())
            while busy < _AHEAD and (number := _next(left, seat)) is not None:
                try:
                    if seat not in self._staff:
                        self._staff[seat] = self._hire()
                    handed[self._staff[seat].submit(batches[number])] = seat, number
                except self._died:
                    left[seat].appendleft(number)
                    dead.add(seat)
                    break
                busy += 1
        return dead

    def _dismiss(self, seat: int) -> None:
        worker = self._staff.pop(seat, None)
        if worker is not None:
            worker.dismiss()


def _runs(batches: int, count: int) -> list[deque[int]]:
    """Cut into so many runs of neighbours, which share prefixes, of about the same length."""
    size = -(-batches // count) or 1
    return [deque(range(first, min(first + size, batches))) for first in range(0, batches, size)]


def _next(left: list[deque[int]], seat: int) -> int | None:
    """The next batch of a worker; one that has none left takes over the later half of the longest run."""
    if not left[seat]:
        longest = max(left, key=len)
        left[seat].extendleft(longest.pop() for _ in range(-(-len(longest) // 2)))
    return left[seat].popleft() if left[seat] else None
