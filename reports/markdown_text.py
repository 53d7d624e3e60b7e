"""Texts of models and suites in GitHub's Markdown: shown as they are, whatever they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from audit.results.visible import LINE, in_line

#: Signs that make emphasis, code, links, tables, mathematics or strikes; the backslash undoes them.
_MARKUP: Final = re.compile(r"[\\`*_\[\]|~#$]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: What becomes a mention or a link without any sign around it; a comment in between undoes that.
_LINKED: Final = re.compile(r"@(?=\w)|\bwww(?=\.)|:(?=//)", re.IGNORECASE)
#: What begins a list, a heading or a rule at the start of a line.
_START: Final = re.compile(r"^(\d{0,9})([-+=.)])(?=[\s=-]|$)")


def escape(text: object, most: int = LINE) -> str:
    r"""Write a text in one line so that Markdown shows its characters and takes none for markup.

    >>> escape("a|b <script> `x`")
    'a\\|b &lt;script&gt; \\`x\\`'

    Args:
        text: any text.
        most: characters that are kept.
    """
    line = in_line(text, most).strip()
    line = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], line)
    line = _MARKUP.sub(r"\\\g<0>", line)
    line = _LINKED.sub(r"\g<0><!-- -->", line)
    return _START.sub(r"\1\\\2", line)


def row(cells: Iterable[str]) -> str:
    """One line of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |\n"


def table_head(titles: Sequence[str], numbers: Sequence[str] = ()) -> str:
    """The two lines that begin a table.

    Args:
        titles: of the columns, Markdown already.
        numbers: the titles whose columns are aligned to the right.
    """
    return row(titles) + row("---:" if title in numbers else "---" for title in titles)
