"""Which characters of a text belong together: letters of a word, marks and their letter, parts of an emoji."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal

Kind = Literal["space", "mark", "letter", "unspaced", "sign"]

#: Beginnings of Unicode names of scripts that write words without spaces between them.
_UNSPACED = (
    *("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA"),
    *("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"),
)
#: Thai and Lao vowels that are written before their consonant, and those that are written behind it.
_BEFORE, _BEHIND = frozenset("เแโใไເແໂໃໄ"), frozenset("ะาำๅະາຳ")
_JOINER = "\u200d"


def pieces(text: str) -> tuple[int, ...]:
    """Number the words, signs and runs of spaces of a text.

    Letters, digits and their marks make a word (vowel points, accents and format characters are marks);
    every other sign is one of its own, an emoji of several characters too. Where a script has no spaces,
    every character with its marks is one.

    >>> pieces("she's 她们")
    (0, 0, 0, 1, 2, 3, 4, 5)

    Args:
        text: any text.
    Returns:
        For each character the number of its piece, from 0 in order.
    """
    numbers: list[int] = []
    number, before, flags = -1, "start", 0
    for place, character in enumerate(text):
        kind, last = kind_of(character), text[place - 1 : place]
        flag = "\U0001f1e6" <= character <= "\U0001f1ff"
        if kind == "mark":
            joined = before not in ("start", "space")
        elif kind == before in ("letter", "space"):
            joined = True
        elif kind == before == "unspaced":
            joined = last in _BEFORE or character in _BEHIND
        else:
            joined = kind == before == "sign" and (last == _JOINER or (flag and flags % 2 == 1))
        number += not joined
        flags = flags + 1 if flag else 0
        if kind != "mark" or not joined:
            before = "sign" if kind == "mark" else kind
        numbers.append(number)
    return tuple(numbers)


@lru_cache(maxsize=4096)
def kind_of(character: str) -> Kind:
    """What a character is in the spelling of words."""
    if character.isspace():
        return "space"
    skin = "\U0001f3fb" <= character <= "\U0001f3ff"
    if skin or unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf"):
        return "mark"
    if not (character.isalnum() or character == "_"):
        return "sign"
    return "unspaced" if unicodedata.name(character, "").startswith(_UNSPACED) else "letter"
