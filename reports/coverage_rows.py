"""Why values are undefined: many measures of the same pairs for one reason make one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from audit.results import Reason


class UndefinedRow(NamedTuple):
    """One reason, the measures that it leaves undefined, and for which pairs."""

    reason: str
    measures: tuple[str, ...]
    pairs: int
    pair_ids: tuple[str, ...]


def undefined_rows(undefined: Iterable[Reason]) -> tuple[UndefinedRow, ...]:
    """Join entries of the form ``measure: why`` that share their why and their pairs.

    Args:
        undefined: as the coverage lists them.
    Returns:
        One row per why × pairs, in the order of their first entry.
    """
    joined: dict[tuple[str, int, tuple[str, ...]], list[str]] = {}
    for entry in undefined:
        measure, colon, why = entry.reason.partition(": ")
        key = (why if colon else entry.reason, entry.count, entry.pair_ids)
        joined.setdefault(key, []).extend([measure] if colon else [])
    return tuple(
        UndefinedRow(why, tuple(measures), count, pairs) for (why, count, pairs), measures in joined.items()
    )
