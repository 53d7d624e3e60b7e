"""Head measures as they are measured: on the disk, so that memory does not grow with the pairs."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audit.errors import ShapeError, StoreError
from audit.head_table import HeadSection
from audit.records import HeadRecord

Array = npt.NDArray[np.float64]
#: Kinds of attention, in the order in which a pair's are told.
STREAMS = ("self", "encoder", "decoder", "cross")


@dataclass(slots=True)
class _Kept:
    """Where the measures of one pair and stream lie.

    Args:
        places: for each record its measures and where the first of them begins; of one name the last counts.
    """

    places: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

    def where(self, measure: str, size: int) -> int | None:
        """Where a measure begins, each of so many bytes; None where it was not measured."""
        for names, start in reversed(self.places):
            if measure in names:
                return start + names.index(measure) * size
        return None


class HeadSpool:
    """Keeps every measure of every pair in one file without a name, which ends with the process that made it.

    Args:
        folder: on whose disk it lies; None for the system's place for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: dict[str, dict[str, _Kept]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._file: int | None = None
        self._closing: weakref.finalize[[int], HeadSpool] | None = None
        self._end = 0

    def close(self) -> None:
        """Give the disk back what was kept; nothing can be read any more."""
        if self._closing is not None:
            self._closing()

    def add(self, pair_id: str, record: HeadRecord) -> None:
        """Keep a record beside what other probes measured of the pair.

        Raises:
            ShapeError: other pairs have other heads in this stream.
            StoreError: the disk is full.
        """
        kept = self._kept.setdefault(pair_id, {}).setdefault(record.stream, _Kept())
        if not record.measures:
            return
        arrays = [np.ascontiguousarray(values, dtype=np.float64) for values in record.measures.values()]
        expected = self._shapes.setdefault(record.stream, arrays[0].shape)
        for name, values in zip(record.measures, arrays, strict=True):
            if values.shape != expected:
                told = f"heads of shape {list(values.shape)}; expected {list(expected)}, as before"
                raise ShapeError(f"pair {pair_id}, {record.stream}, {name}: {told}")
        names = tuple(record.measures)
        kept.places.append((self._names.setdefault(names, names), self._end))
        self._write(np.stack(arrays))

    def drop(self, pair_id: str) -> None:
        """Forget a pair."""
        self._kept.pop(pair_id, None)

    def streams(self, pair_id: str) -> tuple[str, ...]:
        """Streams of which something was measured in a pair."""
        kept = self._kept.get(pair_id, {})
        return tuple(stream for stream in STREAMS if stream in kept and kept[stream].places)

    def shape(self, stream: str) -> tuple[int, ...]:
        """Layers and heads of a stream."""
        return self._shapes[stream]

    def read(self, pair_id: str, stream: str, measure: str, into: Array) -> None:
        """Read a measure of a pair into `[layers * heads]`; NaN where it was not measured."""
        start = self._kept[pair_id][stream].where(measure, into.nbytes)
        if start is None or self._file is None:
            into.fill(np.nan)
        elif os.preadv(self._file, [into.data.cast("B")], start) < into.nbytes:
            raise StoreError("the file that holds the measures of this run is not whole; start the run again")

    def _write(self, values: Array) -> None:
        try:
            if self._file is None:
                with tempfile.TemporaryFile(dir=self._folder, prefix=".heads-") as made:
                    self._file = os.dup(made.fileno())
                self._closing = weakref.finalize(self, os.close, self._file)
            left = values.data.cast("B")
            while left:
                written = os.pwrite(self._file, left, self._end)
                left, self._end = left[written:], self._end + written
        except OSError as error:
            place = self._folder or tempfile.gettempdir()
            told = f"cannot be written ({error.strerror or error}); what was measured before is kept"
            raise StoreError(f"{place}: {told}") from error


class SpooledHeads:
    """What a spool holds of some pairs, as a table that is read by measures.

    Args:
        spool: the measures.
        suites: pair id → its suite, in the order of the table.
    """

    def __init__(self, spool: HeadSpool, suites: Mapping[str, str]) -> None:
        self._spool = spool
        pairs: dict[tuple[str, str], list[str]] = {}
        for pair_id, suite in suites.items():
            for stream in spool.streams(pair_id):
                pairs.setdefault((suite, stream), []).append(pair_id)
        self._sections = tuple(
            HeadSection(*name, tuple(pairs[name]), *_places(*spool.shape(name[1]))) for name in sorted(pairs)
        )

    @property
    def sections(self) -> Sequence[HeadSection]:
        """Sorted by suite and stream."""
        return self._sections

    def values(self, section: HeadSection, measure: str) -> Array:
        """Read one measure, pair by pair."""
        grid = np.empty((len(section.pair_ids), len(section.layer)))
        for row, pair_id in zip(grid, section.pair_ids, strict=True):
            self._spool.read(pair_id, section.stream, measure, row)
        return grid


def _places(layers: int, heads: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.repeat(np.arange(layers), heads), np.tile(np.arange(heads), layers)
