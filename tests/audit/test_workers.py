"""Workers give what one process gives, whatever becomes of single ones, on this machine and over Ray."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from audit.batches import Batch, BatchResult, Crew
from audit.errors import MeasurementError, ModelError
from audit.local_worker import DIED, LocalWorker
from audit.protocols import HeadChoice
from audit.ray_worker import ray_workers
from audit.records import OutputRecord
from audit.workers import Workers
from tests.audit.fakes import pair

BATCHES = [Batch(1, (pair(f"p{number}"),), HeadChoice()) for number in range(5)]


def result_of(batch: Batch) -> BatchResult:
    name = batch.pairs[0].pair_id
    return BatchResult((OutputRecord(name, "she", "m", float(name[1:])),), {})


def wanted() -> list[tuple[int, BatchResult]]:
    return list(enumerate(map(result_of, BATCHES)))


@dataclass(frozen=True)
class Hire:
    """Makes crews that note what they measure in a folder, and kill themselves where a batch is deadly."""

    folder: Path
    deadly: str = ""
    deaths: int = 0
    unable: bool = False

    def __call__(self) -> Hire:
        if self.unable:
            raise ModelError("m: no such model here")
        (self.folder / f"hired-{os.getpid()}").touch()
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


def local(hire: Hire, count: int) -> AbstractContextManager[Crew]:
    return Workers(partial(LocalWorker, hire), count, DIED)


def over_ray(hire: Hire, count: int) -> AbstractContextManager[Crew]:
    return ray_workers(hire, count, threads=1)


engines = pytest.mark.parametrize("engine", [local, over_ray])


@engines
def test_every_batch_is_measured_once_by_neighbours_who_stay(tmp_path: Path, engine: type) -> None:
    hire = Hire(tmp_path)
    with engine(hire, 2) as workers:
        assert sorted(workers.measure(BATCHES)) == wanted()
        by = {name: process for name, (process,) in hire.measured().items()}
        assert by["p0"] == by["p1"] != by["p3"] == by["p4"]
        assert by["p2"] in by["p0"] + by["p3"]
        assert sorted(workers.measure(BATCHES[::-1]))[0] == (0, result_of(BATCHES[4]))
        assert {f"hired-{process}" for process in by.values()} == {
            each.name for each in tmp_path.glob("hired-*")
        }
    for process in set(by.values()):
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)


def test_what_was_handed_over_is_kept_nowhere(tmp_path: Path) -> None:
    alive = []
    with local(Hire(tmp_path), 1) as workers:
        for _, result in workers.measure(BATCHES):
            assert result.records
            alive.append(sum(isinstance(each, BatchResult) for each in gc.get_objects()))
    assert alive[-1] == 1  # the one that was handed over last


def test_nothing_to_measure_starts_nobody(tmp_path: Path) -> None:
    for engine in (local, over_ray):
        with engine(Hire(tmp_path, unable=True), 2) as workers:
            assert list(workers.measure([])) == []
    import ray

    assert not ray.is_initialized()


@engines
def test_a_worker_that_dies_is_replaced(
    tmp_path: Path, engine: type, capfd: pytest.CaptureFixture[str]
) -> None:
    hire = Hire(tmp_path, "p4", deaths=2)
    with engine(hire, 2) as workers:
        assert sorted(workers.measure(BATCHES)) == wanted()
    assert len(list(tmp_path.glob("died-*"))) == 2
    assert capfd.readouterr().out == ""  # Ray's word about it would spoil results


@engines
def test_workers_that_keep_dying_end_the_run(tmp_path: Path, engine: type) -> None:
    told = "workers died 3 times in a row; is there memory for 1 models?"
    with (
        engine(Hire(tmp_path, "p0", deaths=99), 1) as workers,
        pytest.raises(MeasurementError, match=told.replace("?", r"\?")),
    ):
        list(workers.measure(BATCHES))
    assert len(list(tmp_path.glob("died-*"))) == 3


@engines
def test_a_worker_that_cannot_start_says_why(tmp_path: Path, engine: type) -> None:
    with engine(Hire(tmp_path, unable=True), 1) as workers, pytest.raises(ModelError) as caught:
        list(workers.measure(BATCHES))
    assert str(caught.value) == "m: no such model here"


class Died(Exception):
    """Tells that a made-up worker died."""


@dataclass
class Staff:
    """Workers of this process, who do what a test says when it says so."""

    hired: list[MadeUp] = field(default_factory=list)

    def hire(self) -> MadeUp:
        self.hired.append(MadeUp())
        return self.hired[-1]


@dataclass
class MadeUp:
    """Has batches in hand; is dead or alive."""

    hands: list[tuple[str, Future[BatchResult]]] = field(default_factory=list)
    dead: bool = False
    dismissed: bool = False

    def submit(self, batch: Batch) -> Future[BatchResult]:
        if self.dead:
            raise Died
        future: Future[BatchResult] = Future()
        self.hands.append((batch.pairs[0].pair_id, future))
        return future

    def dismiss(self) -> None:
        self.dismissed = True

    def finish(self) -> str:
        name, future = self.hands.pop(0)
        future.set_result(result_of(BATCHES[int(name[1:])]))
        return name

    def die(self) -> None:
        self.dead = True
        for _, future in self.hands:
            future.set_exception(Died())

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.hands]


class Stepping:
    """Lets the loop go on to its next result, which a worker finishes as soon as it waits."""

    def __init__(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        from audit import workers

        self.staff, self._do = Staff(), iter(())  # type: ignore[var-annotated]
        self.workers = Workers(self.staff.hire, count, (Died,))
        self.found = self.workers.measure(BATCHES)
        wait = workers.wait

        def stepping(handed: object, **how: object) -> object:
            next(self._do)()
            return wait(handed, **how)  # type: ignore[arg-type]

        monkeypatch.setattr(workers, "wait", stepping)

    def step(self, *what: object) -> int:
        """What happens, one thing each time that the loop waits, until a batch is done; its number."""
        self._do = iter(what)  # type: ignore[arg-type]
        return next(self.found)[0]


def test_who_has_nothing_left_takes_over_from_the_longest_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Stepping(2, monkeypatch)
    assert loop.step(lambda: loop.staff.hired[1].finish()) == 3
    first, second = loop.staff.hired
    assert (first.names, second.names) == (["p0", "p1"], ["p4"])
    assert loop.step(second.finish) == 4
    assert second.names == ["p2"]
    assert [loop.step(first.finish), loop.step(second.finish), loop.step(first.finish)] == [0, 2, 1]
    assert list(loop.found) == []


def test_only_what_a_dead_worker_had_in_hand_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Stepping(1, monkeypatch)
    assert loop.step(lambda: loop.staff.hired[0].finish()) == 0
    assert loop.step(lambda: loop.staff.hired[0].die(), lambda: loop.staff.hired[1].finish()) == 1
    first, second = loop.staff.hired
    assert (first.dismissed, second.dismissed) == (True, False)
    second.dead = True  # noticed when it is handed the next batch
    for _, future in second.hands:
        future.set_exception(Died())
    assert loop.step(lambda: None, lambda: loop.staff.hired[2].finish()) == 2
    assert loop.step(lambda: loop.staff.hired[2].finish()) == 3
    assert loop.step(lambda: loop.staff.hired[2].finish()) == 4
    assert list(loop.found) == []


def test_deaths_count_only_while_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Stepping(1, monkeypatch)

    def die() -> None:
        loop.staff.hired[-1].die()

    def finish() -> None:
        loop.staff.hired[-1].finish()

    assert [loop.step(die, die, finish) for _ in range(2)] == [0, 1]
    with pytest.raises(MeasurementError, match="3 times"):
        loop.step(die, die, die)
    assert len(loop.staff.hired) == 7
