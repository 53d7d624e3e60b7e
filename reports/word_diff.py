"""Which words of two texts differ."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from audit.characters import pieces


class Segment(NamedTuple):
    """A stretch of text and whether the other text lacks it."""

    text: str
    differs: bool


class Swap(NamedTuple):
    """A stretch of a prompt: the same in both texts, or what stands there in each."""

    a: str
    b: str

    @property
    def differs(self) -> bool:
        """Whether the two texts differ here."""
        return self.a != self.b


def compare_words(a: str, b: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Mark the words that are in one text and not at that place in the other.

    >>> [segment.text for segment in compare_words("a red car", "a car")[0] if segment.differs]
    ['red ']

    Args:
        a, b: the texts.
    Returns:
        The segments of each text; joined they give the text back.
    """
    swaps = merge(a, b)
    return (
        tuple(Segment(swap.a, swap.differs) for swap in swaps if swap.a),
        tuple(Segment(swap.b, swap.differs) for swap in swaps if swap.b),
    )


def merge(a: str, b: str) -> tuple[Swap, ...]:
    """Lay two texts over each other, word by word; spaces and signs count as words of their own.

    >>> merge("ask. She", "ask. He")
    (Swap(a='ask. ', b='ask. '), Swap(a='She', b='He'))
    """
    words_a, words_b = _cut(a), _cut(b)
    matcher = SequenceMatcher(None, words_a, words_b, autojunk=False)
    swaps: list[Swap] = []
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        here = Swap("".join(words_a[a1:a2]), "".join(words_b[b1:b2]))
        if tag != "equal" and len(swaps) > 1 and not swaps[-1].a.strip() and not swaps[-1].differs:
            # Two differences with only a space between them read as one.
            space, before = swaps.pop(), swaps.pop()
            here = Swap(before.a + space.a + here.a, before.b + space.b + here.b)
        swaps.append(here)
    return tuple(swaps)


def _cut(text: str) -> list[str]:
    """Words, signs and single spaces; joined they give the text back."""
    numbers = pieces(text)
    starts = [
        at for at, (own, before) in enumerate(zip(numbers, (-1, *numbers), strict=False)) if own != before
    ]
    found = (text[start:end] for start, end in pairwise([*starts, len(text)]))
    return [part for piece in found for part in (piece if piece.isspace() else [piece])]
