"""Finds words in a text as character spans."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence

from audit.pairs import Span

#: Beginnings of Unicode names of scripts that write words without spaces between them.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+|\S")


def whole_words(text: str, words: str) -> tuple[Span, ...]:
    """All places where words stand in a text as whole words (``her`` is not in ``there``).

    In scripts without spaces every occurrence counts. A combining accent belongs to its letter.
    """
    if not words:
        return ()
    left = "" if _unspaced(words[0]) or not _inside(words[0]) else r"(?<!\w)"
    right = "" if _unspaced(words[-1]) else (r"(?![\w\u0300-\u036f])" if _inside(words[-1]) else "")
    return tuple(match.span() for match in re.finditer(left + re.escape(words) + right, text))


def spans_of_words(text: str) -> tuple[Span, ...]:
    """The words and punctuation marks of a text."""
    return tuple(match.span() for match in _WORD.finditer(text))


def differing_spans(text_a: str, text_b: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Where two texts differ, word by word; the i-th span of one belongs to the i-th of the other.

    A word that only one text has is taken together with its neighbour, so that no span is empty.
    """
    spans_a, spans_b = spans_of_words(text_a), spans_of_words(text_b)
    words_a, words_b = _cut(text_a, spans_a), _cut(text_b, spans_b)
    regions: list[list[int]] = []
    for tag, a_0, a_1, b_0, b_1 in difflib.SequenceMatcher(None, words_a, words_b, False).get_opcodes():
        if tag == "equal":
            continue
        if (a_0 == a_1 or b_0 == b_1) and a_0 and b_0:
            a_0, b_0 = a_0 - 1, b_0 - 1
        elif a_0 == a_1 or b_0 == b_1:
            a_1, b_1 = min(a_1 + 1, len(words_a)), min(b_1 + 1, len(words_b))
        if regions and (a_0 < regions[-1][1] or b_0 < regions[-1][3]):
            regions[-1][1], regions[-1][3] = a_1, b_1
        else:
            regions.append([a_0, a_1, b_0, b_1])
    found_a = tuple(_cover(spans_a[a_0:a_1]) for a_0, a_1, _, _ in regions)
    found_b = tuple(_cover(spans_b[b_0:b_1]) for _, _, b_0, b_1 in regions)
    return found_a, found_b


def _cut(text: str, spans: Sequence[Span]) -> list[str]:
    return [text[start:end] for start, end in spans]


def _cover(spans: Sequence[Span]) -> Span:
    return (spans[0][0], spans[-1][1]) if spans else (0, 0)


def _inside(character: str) -> bool:
    return re.match(r"[\w\u0300-\u036f]", character) is not None


def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)
