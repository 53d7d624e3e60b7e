"""Sections of lines within a number of bytes: what matters most is kept, and what was left out is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

#: Bytes that the line about what was left out may take.
_NOTICE: Final = 600
#: The smallest budget that holds a verdict and that line, whatever signs in them must be escaped.
LEAST: Final = 10_000


class Section(NamedTuple):
    """A part of a document.

    Args:
        name: what its rows are called where some are left out, such as ``pairs``.
        head: title and what else stands above the rows; ends with a line break.
        rows: lines, worst first; each ends with a line break.
        share: how much of the bytes that more important sections leave it may take, 0 to 1.
    """

    name: str
    head: str
    rows: tuple[str, ...] = ()
    share: float = 1.0


def fit(sections: Sequence[Section], order: Sequence[str], budget: int, whole: str) -> str:
    """Lay out sections in their order, filling the budget with the most important ones first.

    Args:
        sections: in the order of the document; one without rows is a text of its own.
        order: names of the sections, the most important first; each section's name is among them.
        budget: bytes in UTF-8, at least ``LEAST``.
        whole: the file that holds all, for the notice.
    Returns:
        The document, at most ``budget`` bytes.
    Raises:
        ValueError: the budget is too small.
    """
    if budget < LEAST:
        raise ValueError(f"a budget of {budget} bytes is too small; expected at least {LEAST}")
    left = budget - _NOTICE
    kept: dict[str, int] = {}
    for section in sorted(sections, key=lambda section: order.index(section.name)):
        rows = _rows_within(section, int(left * section.share))
        if rows is not None:
            kept[section.name] = rows
            left -= _size(_text(section, rows))
    parts = [_text(section, kept[section.name]) for section in sections if section.name in kept]
    return "\n".join([*parts, *_notice(sections, kept, whole)])


def _rows_within(section: Section, left: int) -> int | None:
    """How many rows fit; None if not even the head and one row do."""
    room = left - _size(section.head) - 1
    fitting = 0
    for row in section.rows:
        room -= _size(row)
        if room < 0:
            break
        fitting += 1
    return None if room < 0 and not fitting else fitting


def _text(section: Section, rows: int) -> str:
    return section.head + "".join(section.rows[:rows])


def _size(text: str) -> int:
    return len(text.encode()) + 1


def _notice(sections: Sequence[Section], kept: dict[str, int], whole: str) -> list[str]:
    cut = [
        f"{len(s.rows) - kept.get(s.name, 0):,} of {len(s.rows):,} {s.name}" if s.rows else s.name
        for s in sections
        if s.name not in kept or kept[s.name] < len(s.rows)
    ]
    if not cut:
        return []
    return [f"**Left out, for there was no room here: {', '.join(cut)}.** {whole} holds all.\n"]
