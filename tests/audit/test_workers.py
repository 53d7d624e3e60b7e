"""Workers give what one process gives, whatever becomes of single ones."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.batches import Batch, BatchResult
from audit.errors import MeasurementError
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from audit.workers import Workers
from tests.audit.fakes import pair

BATCHES = [Batch(1, (pair(f"p{number}"),), HeadChoice()) for number in range(5)]


def result_of(batch: Batch) -> BatchResult:
    name = batch.pairs[0].pair_id
    return BatchResult((OutputRecord(name, "she", "m", float(name[1:])),), {})


@dataclass(frozen=True)
class Hire:
    """Makes crews that note what they measure in a folder, and kill themselves where a batch is deadly."""

    folder: Path
    deadly: str = ""
    deaths: int = 0

    def __call__(self) -> Hire:
        return self

    def measure(self, batches: Sequence[Batch]) -> Iterator[tuple[int, BatchResult]]:
        for number, batch in enumerate(batches):
            name = batch.pairs[0].pair_id
            died = len(list(self.folder.glob("died-*")))
            if name == self.deadly and died < self.deaths:
                (self.folder / f"died-{died}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            (self.folder / f"{name}-{os.getpid()}").touch()
            yield number, result_of(batch)

    def measured(self) -> dict[str, list[str]]:
        """Pair → processes that measured it."""
        notes = sorted(file.name.split("-") for file in self.folder.glob("p*-*"))
        return {name: [process for other, process in notes if other == name] for name, _ in notes}


def test_every_batch_is_measured_once_by_neighbours(tmp_path: Path) -> None:
    hire = Hire(tmp_path)
    found = dict(Workers(hire, 2).measure(BATCHES))
    assert {number: found[number] for number in range(5)} == dict(enumerate(map(result_of, BATCHES)))
    by = {name: process for name, (process,) in hire.measured().items()}
    assert len({by["p0"], by["p1"], by["p2"]}) == len({by["p3"], by["p4"]}) == 1
    assert len(set(by.values())) == 2


def test_what_was_handed_over_is_kept_nowhere(tmp_path: Path) -> None:
    alive = []
    for _, result in Workers(Hire(tmp_path), 1).measure(BATCHES):
        assert result.records
        alive.append(sum(isinstance(each, BatchResult) for each in gc.get_objects()))
    assert alive[-1] == 1  # the one that was handed over last


def test_nothing_to_measure_starts_nobody(tmp_path: Path) -> None:
    assert list(Workers(Hire(tmp_path), 2).measure([])) == []


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    hire = Hire(tmp_path, "p4", deaths=2)
    found = dict(Workers(hire, 2).measure(BATCHES))
    assert {number: found[number] for number in range(5)} == dict(enumerate(map(result_of, BATCHES)))
    assert len(list(tmp_path.glob("died-*"))) == 2


def test_workers_that_keep_dying_end_the_run(tmp_path: Path) -> None:
    told = "workers died 3 times in a row; is there memory for 1 models?"
    with pytest.raises(MeasurementError, match=told.replace("?", r"\?")):
        list(Workers(Hire(tmp_path, "p0", deaths=99), 1).measure(BATCHES))
