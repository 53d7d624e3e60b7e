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

    def measure(self, batches: Sequence[Batch]) -> Iterator[BatchResult]:
        """Yield one result per batch, in their order; raises StoreError."""
        keys = [self._key_of(batch) for batch in batches]
        found = {key for key in keys if self._records.find(key)}
        measured = self._crew.measure(
            [batch for batch, key in zip(batches, keys, strict=True) if key not in found]
        )
        for batch, key in zip(batches, keys, strict=True):
            ids = {pair.pair_id for pair in batch.pairs}
            if key in found:
                self._read |= ids
                yield decode(self._records.read(key))
            else:
                self._measured |= ids
                result = next(measured)
                content = encode(result)
                self._records.keep(key, content, "parquet", len(ids), len(result.failures))
                yield decode(content)


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
