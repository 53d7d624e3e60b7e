"""Head measures of a run, one measure of one stream at a time: what statistics read, wherever it is kept."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class HeadSection:
    """The pairs and heads of one suite and stream.

    Args:
        suite, stream: of all its rows.
        pair_ids: P pairs, in the order of the table.
        layer, head: `[H]` sorted by layer and number.
    """

    suite: str
    stream: str
    pair_ids: tuple[str, ...]
    layer: Indices
    head: Indices


class HeadTable(Protocol):
    """``heads.parquet``, read by columns: memory holds one measure, however many pairs there are."""

    @property
    def sections(self) -> Sequence[HeadSection]:
        """Sorted by suite and stream; none where no head was measured."""

    def values(self, section: HeadSection, measure: str) -> Array:
        """Read one measure: `[P, H]`; NaN where undefined, and throughout where the table lacks it."""


def values_of(table: HeadTable, section: HeadSection, measure: str, pair_ids: Sequence[str]) -> Array:
    """Read one measure of some pairs, in their order.

    Args:
        table, section: where to look.
        measure: one of ``audit.records.HEAD_MEASURES``.
        pair_ids: N pairs.
    Returns:
        `[N, H]`; NaN where a pair is not in the section.
    """
    values = table.values(section, measure)
    if tuple(pair_ids) == section.pair_ids:
        return values
    known = {name: at for at, name in enumerate(section.pair_ids)}
    rows = np.array([known.get(name, -1) for name in pair_ids], dtype=np.intp)
    found = values[rows] if len(values) else np.empty((len(rows), values.shape[1]))
    found[rows < 0] = np.nan
    return np.asarray(found)


class PartOfHeads:
    """The rows of some pairs; sections that hold none of them are left out.

    Args:
        table: the whole.
        pair_ids: the pairs.
    """

    def __init__(self, table: HeadTable, pair_ids: Container[str]) -> None:
        self._table = table
        self._whole = {
            (part.suite, part.stream): (section, part)
            for section in table.sections
            for part in [_part(section, pair_ids)]
            if part.pair_ids
        }

    @property
    def sections(self) -> Sequence[HeadSection]:
        """Of these pairs."""
        return tuple(part for _, part in self._whole.values())

    def values(self, section: HeadSection, measure: str) -> Array:
        """Read one measure of these pairs."""
        whole, part = self._whole[section.suite, section.stream]
        return values_of(self._table, whole, measure, part.pair_ids)


def _part(section: HeadSection, pair_ids: Container[str]) -> HeadSection:
    return replace(section, pair_ids=tuple(name for name in section.pair_ids if name in pair_ids))
