"""Rows of ``heads.parquet``, in a file or in a data frame, as a table that is read by measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import StoreError
from audit.head_table import HeadSection, HeadTable

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
#: A text column: each row's number among the names, and the names.
_Coded = tuple[Indices, Sequence[str]]

#: A head's place is one number: its layer, and below these bits its number.
_HEAD_BITS = 20


def head_table(heads: HeadTable | pd.DataFrame) -> HeadTable:
    """Read a data frame with the rows of ``heads.parquet`` by measures; a table is handed back."""
    return HeadRows(_Frame(heads)) if isinstance(heads, pd.DataFrame) else heads


def read_heads(file: Path) -> HeadTable:
    """Read a ``heads.parquet`` by measures; nothing else of it is ever in memory.

    Raises:
        StoreError: there is none, or it cannot be read; reading a measure may raise it later.
    """
    with _readable(file):
        return HeadRows(_File(file))


def in_row_groups(file: Path) -> Iterator[pd.DataFrame]:
    """Read a ``heads.parquet`` by its row groups, which hold whole pairs.

    Raises:
        StoreError: it cannot be read.
    """
    with _readable(file):
        table = pq.ParquetFile(file)
        groups = table.num_row_groups
    for group in range(groups):
        with _readable(file):
            rows: pd.DataFrame = table.read_row_group(group).to_pandas()
        yield rows


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{file}: no such table; run the audit again") from error
    except (OSError, ValueError, KeyError) as error:
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
        raise StoreError(f"{file}: cannot be read ({told}); run the audit again") from error


class RowGroups(Protocol):
    """Rows in groups, each read alone."""

    def keys(self) -> Iterator[tuple[_Coded, _Coded, _Coded, Indices, Indices]]:
        """Suite, stream, pair, layer and head of the rows, one group after the other."""

    def column(self, group: int, measure: str) -> Array | None:
        """Read a measure of one group's rows; None where there is no such column."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one group that belong to one section.

    Args:
        group: the group's number.
        rows: of the group.
        pairs, places: the pair's number and the head's place, of each row; or, where every pair has the same heads
            in the same order, `[p, 1]` and `[1, h]`.
    """

    group: int
    rows: slice | Indices
    pairs: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]


class HeadRows:
    """Rows in any order, read by measures; where each lies is found once.

    Args:
        groups: the rows.
    """

    def __init__(self, groups: RowGroups) -> None:
        self._groups = groups
        numbers: dict[tuple[str, str], dict[str, int]] = {}
        self._rows: dict[tuple[str, str], list[_Rows]] = {}
        for group, (suites, streams, pairs, layer, head) in enumerate(groups.keys()):
            place = (layer << _HEAD_BITS) + head
            for at_suite, suite in enumerate(suites[1]):
                for at_stream, stream in enumerate(streams[1]):
                    rows = np.flatnonzero((suites[0] == at_suite) & (streams[0] == at_stream))
                    if len(rows):
                        known = numbers.setdefault((suite, stream), {})
                        number = _numbered(pairs, rows, known)
                        found = _compact(group, rows, number, place[rows])
                        self._rows.setdefault((suite, stream), []).append(found)
        self._places = {
            name: np.unique(np.concatenate([np.unique(found.places) for found in rows]))
            for name, rows in self._rows.items()
        }
        self._sections = tuple(
            HeadSection(*name, tuple(numbers[name]), *_apart(self._places[name])) for name in sorted(numbers)
        )

    @property
    def sections(self) -> Sequence[HeadSection]:
        """Sorted by suite and stream."""
        return self._sections

    def values(self, section: HeadSection, measure: str) -> Array:
        """Read one measure, group by group."""
        name = section.suite, section.stream
        grid = np.full((len(section.pair_ids), len(section.layer)), np.nan)
        for found in self._rows[name]:
            column = self._groups.column(found.group, measure)
            if column is not None:
                at = np.searchsorted(self._places[name], found.places)
                grid[found.pairs, at] = column[found.rows].reshape(
                    np.broadcast_shapes(found.pairs.shape, at.shape)
                )
        return grid


def _numbered(pairs: _Coded, rows: Indices, known: dict[str, int]) -> Indices:
    """The number of each row's pair in its section; new ones in the order in which they come."""
    codes, names = pairs
    present, first = np.unique(codes[rows], return_index=True)
    number = np.zeros(len(names), dtype=np.intp)
    for code in present[np.argsort(first)].tolist():
        number[code] = known.setdefault(str(names[code]), len(known))
    return np.asarray(number[codes[rows]])


def _compact(group: int, rows: Indices, pairs: Indices, places: Indices) -> _Rows:
    """Keep a pair's number once for all its heads, where the rows are in such an order."""
    own: slice | Indices = rows
    if rows[-1] - rows[0] + 1 == len(rows):
        own = slice(int(rows[0]), int(rows[-1]) + 1)
    ends = np.flatnonzero(np.diff(pairs))
    heads = int(ends[0]) + 1 if len(ends) else len(pairs)
    small = pairs.astype(np.int32), places.astype(np.int32)
    if len(pairs) % heads == 0:
        by_pair, by_head = (each.reshape(-1, heads) for each in small)
        if (by_pair == by_pair[:, :1]).all() and (by_head == by_head[:1]).all():
            return _Rows(group, own, by_pair[:, :1].copy(), by_head[:1].copy())
    return _Rows(group, own, *small)


def _apart(places: npt.NDArray[np.int32]) -> tuple[Indices, Indices]:
    layer = (places >> _HEAD_BITS).astype(np.intp)
    return layer, (places & ((1 << _HEAD_BITS) - 1)).astype(np.intp)


class _Frame:
    """A data frame: one group.

    Args:
        frame: rows of ``heads.parquet``; it may lack measures.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def keys(self) -> Iterator[tuple[_Coded, _Coded, _Coded, Indices, Indices]]:
        """All rows; none where the frame has none."""
        if len(self._frame):
            suite, stream, pair = (_coded(self._frame[name]) for name in ("suite", "stream", "pair_id"))
            layer, head = (self._frame[name].to_numpy(dtype=np.intp) for name in ("layer", "head"))
            yield suite, stream, pair, layer, head

    def column(self, group: int, measure: str) -> Array | None:
        """Read a column."""
        if measure not in self._frame:
            return None
        return self._frame[measure].to_numpy(dtype=np.float64, na_value=np.nan)


def _coded(column: pd.Series[str]) -> _Coded:
    codes, names = pd.factorize(column)
    return np.asarray(codes, dtype=np.intp), [str(name) for name in names]


def _decoded(column: pa.ChunkedArray) -> _Coded:
    """A text column of a row group; one without rows has no names either."""
    if not len(column):
        return np.empty(0, dtype=np.intp), []
    text = column.chunk(0)
    return text.indices.to_numpy(), text.dictionary.to_pylist()


class _File:
    """A Parquet file.

    Args:
        file: it stays open.
    """

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file = pq.ParquetFile(file, read_dictionary=["suite", "pair_id", "stream"])
        self._names = frozenset(self._file.schema_arrow.names)

    def keys(self) -> Iterator[tuple[_Coded, _Coded, _Coded, Indices, Indices]]:
        """Row group by row group."""
        names = ["suite", "stream", "pair_id", "layer", "head"]
        for group in range(self._file.num_row_groups):
            table = self._file.read_row_group(group, columns=names).combine_chunks()
            suite, stream, pair = map(_decoded, (table[name] for name in names[:3]))
            yield suite, stream, pair, table["layer"].to_numpy(), table["head"].to_numpy()

    def column(self, group: int, measure: str) -> Array | None:
        """Read a column of one row group; raises StoreError."""
        if measure not in self._names:
            return None
        with _readable(self._path):
            read = self._file.read_row_group(group, columns=[measure])[measure]
            return np.asarray(read.to_numpy(), dtype=np.float64)
