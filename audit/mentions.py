"""Finds words in a text as character spans."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from audit.characters import kind_of, pieces
from audit.pairs import Span


def whole_words(text: str, words: str) -> tuple[Span, ...]:
    """All places where words stand in a text as whole words (``her`` is not in ``there``).

    In scripts without spaces every occurrence counts. Accents, vowel points and other marks belong to their
    letter, and the parts of an emoji to each other.
    """
    if not words:
        return ()
    number = pieces(text)

    def begins(place: int) -> bool:
        return place in (0, len(text)) or number[place] != number[place - 1]

    found = (match.span() for match in re.finditer(re.escape(words), text))
    return tuple((start, end) for start, end in found if begins(start) and begins(end))


def alone(text: str, words: str, others: Iterable[str]) -> tuple[Span, ...]:
    """Where words stand by themselves, not as a part of other, longer words that are looked for as well.

    >>> alone("The doctor's assistant saw the doctor.", "doctor", ["doctor's assistant"])
    ((31, 37),)
    """
    longer = [
        span for other in others if words in other and words != other for span in whole_words(text, other)
    ]
    return tuple(
        (start, end)
        for start, end in whole_words(text, words)
        if not any(left <= start and end <= right for left, right in longer)
    )


def spans_of_words(text: str) -> tuple[Span, ...]:
    """The words and punctuation marks of a text; single characters where a script has no spaces."""
    numbered = groupby(enumerate(pieces(text)), key=lambda place: place[1])
    found = ([place for place, _ in piece] for _, piece in numbered)
    return tuple((piece[0], piece[-1] + 1) for piece in found if kind_of(text[piece[0]]) != "space")


def trimmed(text: str, span: Span) -> Span:
    """A span without the spaces at its ends; one of nothing but spaces keeps them."""
    inside = text[slice(*span)]
    if not inside.strip():
        return span
    return (span[0] + len(inside) - len(inside.lstrip()), span[1] - len(inside) + len(inside.rstrip()))


def differing_spans(text_a: str, text_b: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Where two texts differ, word by word; the i-th span of one belongs to the i-th of the other.

    A word that only one text has is taken together with its neighbour, so that no span is empty.
    """
    spans_a, spans_b = spans_of_words(text_a), spans_of_words(text_b)
    words_a, words_b = _cut(text_a, spans_a), _cut(text_b, spans_b)
    # difflib prefers one side where it has a choice; the same side leads whichever text comes first.
    if words_a > words_b:
        regions = [(a_0, a_1, b_0, b_1) for b_0, b_1, a_0, a_1 in _differing(words_b, words_a)]
    else:
        regions = list(_differing(words_a, words_b))
    found_a = tuple(_cover(spans_a[a_0:a_1]) for a_0, a_1, _, _ in regions)
    found_b = tuple(_cover(spans_b[b_0:b_1]) for _, _, b_0, b_1 in regions)
    return found_a, found_b


def _differing(words_a: Sequence[str], words_b: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of words that differ, none of them empty where both texts have words."""
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
    return ((a_0, a_1, b_0, b_1) for a_0, a_1, b_0, b_1 in regions)


def _cut(text: str, spans: Sequence[Span]) -> list[str]:
    return [text[start:end] for start, end in spans]


def _cover(spans: Sequence[Span]) -> Span:
    return (spans[0][0], spans[-1][1]) if spans else (0, 0)
