"""The one place where time is taken: sides in turn, A B A B, so that a busy machine is busy for all of them."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Counted rounds, which the command line may set; figures of fewer than enough are only shown.
ENOUGH = 5
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", ENOUGH))
#: A set that takes long is measured in so many portions, another in every round.
PORTIONS = 5
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side.

    Args:
        seconds: what it took.
        numbers: what it found, to compare the sides.
    """

    seconds: float
    numbers: Any = None


#: Round → its run; round 0 is the warm-up.
Side = Callable[[int], Run]


@dataclass(frozen=True, slots=True)
class Timed:
    """Counted rounds of all sides.

    Args:
        seconds: side → one figure a round.
        numbers: side → what it found, one entry a round.
    """

    seconds: Mapping[str, Sequence[float]]
    numbers: Mapping[str, Sequence[Any]]

    def spread(self) -> Row:
        """Side → median, least and most seconds."""
        return {name: spread(found) for name, found in self.seconds.items()}

    def ratio(self, slow: str, fast: str) -> Row:
        """How many times the seconds of one side are those of the other, round by round."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return spread([one / other for one, other in pairs])


def threads() -> int:
    """Threads of torch, which the command line set."""
    import torch

    return torch.get_num_threads()


def clocked(work: Callable[[int], Any], before: Callable[[], object] = lambda: None) -> Side:
    """A side in this process; what comes before it is not counted."""

    def side(number: int) -> Run:
        before()
        start = time.perf_counter()
        found = work(number)
        return Run(time.perf_counter() - start, found)

    return side


def interleaved(sides: Mapping[str, Side], rounds: int = ROUNDS) -> Timed:
    """Run every side once to warm up, then all of them in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    numbers: dict[str, list[Any]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            run = side(number)
            if number:
                seconds[name].append(run.seconds)
                numbers[name].append(run.numbers)
            told = "warm-up" if number == 0 else f"round {number}"
            print(f"  {told}, {name}: {run.seconds:.3f} s", file=sys.stderr)
    return Timed(seconds, numbers)


def spread(values: Sequence[float]) -> Row:
    """Median, least and most."""
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}
