"""Measures what no record is there for, and keeps it before anybody uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from audit.batches import Batch, BatchResult, Crew
from audit.run_records import RunRecords
from audit.shards import decode, encode


class Recorded:
    """A crew that reads back what is recorded and hands everything else to another crew.

    What it yields is always what its records say, so that a run that was cut and goes on gives the same bytes
    as one that was not.

    Args:
        crew: measures what is not recorded; it gets all such batches at once, and may run ahead.
        records: of the run folder.
        key_of: the key of a batch.
    """

    def __init__(self, crew: Crew, records: RunRecords, key_of: Callable[[Batch], str]) -> None:
        self._crew, self._records, self._key_of = crew, records, key_of
        self._read: set[str] = set()
        self._measured: set[str] = set()

    @property
    def pairs_read(self) -> int:
        """Pairs of which nothing had to be measured."""
        return len(self._read - self._measured)

    def measure(self, batches: Sequence[Batch]) -> Iterator[tuple[int, BatchResult]]:
        """Yield what is recorded, then the rest as it is measured; raises StoreError."""
        keys = [self._key_of(batch) for batch in batches]
        missing = []
        for number, (batch, key) in enumerate(zip(batches, keys, strict=True)):
            if self._records.find(key):
                self._read |= _ids(batch)
                yield number, decode(self._records.read(key))
            else:
                missing.append(number)
        for at, result in self._crew.measure([batches[number] for number in missing]):
            number = missing[at]
            ids = _ids(batches[number])
            self._measured |= ids
            content = encode(result)
            self._records.keep(keys[number], content, "parquet", len(ids), len(result.failures))
            yield number, decode(content)


def _ids(batch: Batch) -> set[str]:
    return {pair.pair_id for pair in batch.pairs}


class RecordedFields:
    """Keeps fields of results that take long to measure and are no tables.

    Args:
        records: of the run folder.
        key_of: the key of a measurement, from everything that determines it.
    """

    def __init__(self, records: RunRecords, key_of: Callable[[object], str]) -> None:
        self._records, self._key_of = records, key_of

    def recall(self, what: object, pairs: int, measure: Callable[[], dict[str, object]]) -> dict[str, object]:
        """Read the fields back, or measure and keep them; raises what ``measure`` raises, and StoreError."""
        key = self._key_of(what)
        if self._records.find(key):
            read: dict[str, object] = json.loads(self._records.read(key))
            return read
        content = json.dumps(measure()).encode()
        self._records.keep(key, content, "json", pairs)
        kept: dict[str, object] = json.loads(content)
        return kept
