"""Only what is not recorded is measured, in order, and it is kept before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest

from audit.batches import Batch, BatchResult
from audit.errors import MeasurementError
from audit.progress import Watcher
from audit.protocols import HeadChoice
from audit.recorded import Recorded, RecordedFields
from audit.records import HeadRecord, OutputRecord
from audit.run_records import RunRecords, open_records
from tests.audit.fakes import pair

BATCHES = [Batch(1, (pair(f"p{n}"), pair(f"q{n}")), HeadChoice()) for n in range(4)]


def key_of(batch: Batch) -> str:
    return f"{int(batch.pairs[0].pair_id[1:]):064x}"


def result_of(batch: Batch) -> BatchResult:
    first, second = (each.pair_id for each in batch.pairs)
    tables = {"bias": np.array([[np.nan, 0.1]])}
    records = (HeadRecord(first, "self", tables), OutputRecord(first, "she", "log_likelihood", -1 / 3))
    return BatchResult(records, {second: "NaN logits"})


@dataclass
class Crew:
    """Notes what it is handed and what it began to measure."""

    handed: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)

    def measure(self, batches: Sequence[Batch]) -> Iterator[tuple[int, BatchResult]]:
        self.handed += [key_of(batch) for batch in batches]
        for number, batch in enumerate(batches):
            self.begun.append(key_of(batch))
            yield number, result_of(batch)


def opened(folder: Path) -> RunRecords:
    """Records whose lock is let go at once: one process stands in for several here."""
    with open_records(folder, Watcher(quiet=True), resume=True, finished=False) as records:
        folder.joinpath("records", "kept").touch()
        return records


def told(results: Iterable[tuple[int, BatchResult]]) -> str:
    return "\n".join(repr(result) for _, result in sorted(results, key=itemgetter(0)))


KEYS = [key_of(batch) for batch in BATCHES]
WANTED = told(enumerate(map(result_of, BATCHES)))


def test_everything_is_measured_once(tmp_path: Path) -> None:
    first, second = Crew(), Crew()
    recorded = Recorded(first, opened(tmp_path), key_of)
    assert told(list(recorded.measure(BATCHES))) == WANTED
    assert (first.begun, recorded.pairs_read) == (KEYS, 0)
    again = Recorded(second, opened(tmp_path), key_of)
    assert told(list(again.measure(BATCHES))) == WANTED
    assert (second.begun, again.pairs_read) == ([], 8)


def test_what_is_recorded_comes_first_and_what_is_missing_is_handed_over_at_once(tmp_path: Path) -> None:
    some = [BATCHES[1], BATCHES[3]]
    list(Recorded(Crew(), opened(tmp_path), key_of).measure(some))
    crew = Crew()
    recorded = Recorded(crew, opened(tmp_path), key_of)
    found = recorded.measure(BATCHES)
    results = [next(found) for _ in range(3)]
    assert [number for number, _ in results] == [1, 3, 0]
    assert (crew.handed, crew.begun) == ([KEYS[0], KEYS[2]], [KEYS[0]])
    results += found
    assert told(results) == WANTED
    assert recorded.pairs_read == 4


def test_a_result_is_kept_before_it_is_seen(tmp_path: Path) -> None:
    found = Recorded(Crew(), opened(tmp_path), key_of).measure(BATCHES)
    for number in range(3):
        next(found)
        assert [opened(tmp_path).find(key) for key in KEYS] == [at <= number for at in range(4)]


def test_a_pair_that_one_stage_had_to_measure_was_not_measured_before(tmp_path: Path) -> None:
    list(Recorded(Crew(), opened(tmp_path), key_of).measure(BATCHES[:2]))
    recorded = Recorded(Crew(), opened(tmp_path), key_of)
    list(recorded.measure(BATCHES[:2]))
    later = Batch(2, (BATCHES[0].pairs[0],) * 2, HeadChoice())
    recorded._key_of = lambda batch: f"{99:064x}"
    list(recorded.measure([later]))
    assert recorded.pairs_read == 3


FIELDS: dict[str, object] = {"share": 1 / 3, "p": float("inf"), "trying": 7, "cost_reason": None}


def test_fields_are_measured_once_and_come_back_as_they_were(tmp_path: Path) -> None:
    asked = []

    def measure() -> dict[str, object]:
        asked.append(1)
        return FIELDS

    for _ in range(2):
        memory = RecordedFields(opened(tmp_path), lambda what: f"{what:064x}")
        assert memory.recall(5, 7, measure) == FIELDS
    assert len(asked) == 1
    assert memory.recall(6, 7, measure) == FIELDS
    assert len(asked) == 2


def test_fields_that_cannot_be_measured_are_not_kept(tmp_path: Path) -> None:
    def measure() -> dict[str, object]:
        raise MeasurementError("NaN")

    memory = RecordedFields(opened(tmp_path), lambda what: f"{what:064x}")
    for _ in range(2):
        with pytest.raises(MeasurementError, match="NaN"):
            memory.recall(5, 7, measure)
