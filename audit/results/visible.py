"""Text that a model wrote, without the characters that would hide, reorder or break what stands around them."""

from __future__ import annotations

import re
from typing import Final

#: Control characters; marks that embed, override or isolate a direction of writing; halves of surrogate pairs,
#: which UTF-8 cannot express; and the two codes that XML forbids.
_HIDING: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_BREAKS: Final = re.compile(r"[ \t\n]*[\t\n][ \t\n]*")
#: Characters of a text that is told in one line.
LINE: Final = 300


def visible(text: str) -> str:
    r"""Spell out control characters, direction overrides and what cannot be written; line breaks and tabs stay.

    >>> visible("a\u202eb")
    'a[U+202E]b'
    """
    return _HIDING.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def in_line(text: object, most: int = LINE) -> str:
    r"""Make a text visible in one line of bounded length; an ellipsis tells that it was cut.

    >>> in_line("so\r\nit goes"), in_line("incredible", 4)
    ('so it goes', 'inc…')

    Args:
        text: any text.
        most: characters that are kept, the ellipsis among them; at least 1.
    """
    plain = str(text).replace("\r\n", "\n")
    # What is spelled out grows, so a text is cut only afterwards; but not all of a very long one is looked at.
    line = _BREAKS.sub(" ", visible(plain[: 2 * most + 2]))
    return line if len(line) <= most and len(plain) <= 2 * most + 2 else f"{line[: most - 1]}…"
