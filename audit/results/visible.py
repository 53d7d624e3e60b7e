"""Characters that would hide or reorder what stands around them, spelled out."""

from __future__ import annotations

import re
from typing import Final

#: Control characters, and the marks that embed, override or isolate a direction of writing.
_HIDING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Spell out control characters and direction overrides; line breaks and tabs stay.

    >>> visible("a\u202eb")
    'a[U+202E]b'
    """
    return _HIDING.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)
