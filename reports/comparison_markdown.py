"""A comparison for a pull request: worst first, within what a comment may hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audit.results.comparison import Comparison
from audit.results.visible import visible
from reports.comparison_rows import ChangeRow, counts, head_row, headline, output_row, shown_heads

#: Bytes of a comment on GitHub; what does not fit is counted.
LIMIT: Final = 64_000
#: Room for the lines that tell what does not fit.
_ROOM: Final = 400
_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]<>|~&@#!]|:(?=//)|(?<=[wW]{3})\.")
_HEAD: Final = ("| | measure | before | now | difference | by magnitude |", "|---|---|---|---|---|---|")
_MARKS: Final = {"worse": "🔺 **worse**", "shifted": "🔸 shifted", "better": "✅ better"}


class MarkdownComparison:
    """Writes ``comparison.md``."""

    name = "markdown"

    def render(self, folder: Path, comparison: Comparison) -> list[Path]:
        """Write the text.

        Args:
            folder: where to.
            comparison: of two runs.
        Returns:
            The one file written; at most ``LIMIT`` bytes.
        """
        path, part = folder / "comparison.md", folder / ".comparison.md.part"
        part.write_text(comparison_markdown(comparison), encoding="utf-8", errors="replace")
        os.replace(part, path)
        return [path]


def comparison_markdown(comparison: Comparison, limit: int = LIMIT) -> str:
    """Write a comparison as GitHub's Markdown.

    Args:
        comparison: of two runs.
        limit: of its bytes.
    """
    budget = _Budget(limit - _ROOM)
    budget.add(*_summary(comparison))
    outputs = [output_row(one) for one in comparison.outputs if one.change != "unmeasured"]
    heads = [head_row(one) for one in shown_heads(comparison)]
    for title, rows, counted in (
        ("Outputs", outputs, counts(comparison.outputs)),
        ("Heads", heads, counts(comparison.heads)),
    ):
        if rows:
            left_out = _add_table(budget, [f"\n### {title}: {counted}\n", *_HEAD], rows)
            if left_out:
                budget.append(f"\n… and {left_out} more rows, which do not fit here.")
    if comparison.heads_reason:
        budget.append(f"\nHeads are not compared: {plain(comparison.heads_reason)[:200]}.")
    return budget.text()


def _add_table(budget: _Budget, head: list[str], rows: list[ChangeRow]) -> int:
    """Add as many rows as fit, the table's head with the first; return how many are left out."""
    lines = ["\n".join([*head, _line(rows[0])]), *map(_line, rows[1:])]
    fitting = next((at for at, line in enumerate(lines) if not budget.add(line)), len(lines))
    return len(lines) - fitting


class _Budget:
    """Lines within so many bytes."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._lines: list[str] = []

    def add(self, *lines: str) -> bool:
        """Add all lines that fit, in order; whether all did."""
        for line in lines:
            size = len(line.encode("utf-8", "replace")) + 1
            if size > self._left:
                return False
            self._left -= size
            self._lines.append(line)
        return True

    def append(self, line: str) -> None:
        """Add a line from the room that is kept for it."""
        self._lines.append(line)

    def text(self) -> str:
        """All lines."""
        return "\n".join(self._lines) + "\n"


def plain(text: str) -> str:
    """Escape text that a model or a suite wrote: it is shown as it is, formats nothing and calls nobody.

    >>> plain("a|b @all <b>")
    'a&#124;b &#64;all &#60;b&#62;'
    """
    shown = " ".join(visible(text).split())
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", shown)


def _summary(comparison: Comparison) -> Iterator[str]:
    before, after = comparison.before, comparison.after
    yield f"## evenhand: {headline(comparison)}\n"
    yield f"{plain(before.model)} before, {plain(after.model)} now.\n"
    for pairs in comparison.pairs:
        where = f"{plain(pairs.suite)}, {plain(' against '.join(pairs.contrast))}"
        yield f"- {where}: {pairs.common} pairs compared (of {pairs.before} before and {pairs.after} now)"
    for reason in comparison.left_out:
        named = ", ".join(map(plain, reason.pair_ids[:5])) + (" …" if reason.count > 5 else "")
        yield f"- left out, {plain(reason.reason)}: {reason.count} pairs ({named})"
    for warning in comparison.warnings:
        yield f"- ⚠️ {plain(warning)}"


def _line(row: ChangeRow) -> str:
    name = f"{plain(row.name)}<br>{plain('; '.join(part for part in (row.note, row.where) if part))}"
    cells = (
        _MARKS.get(row.change, row.word),
        name,
        *map(str, (row.before, row.after, row.difference, row.size)),
    )
    return f"| {' | '.join(cells)} |"
