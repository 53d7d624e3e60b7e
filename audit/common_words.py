"""Makes the words of two texts comparable where a tokenizer cuts what both say in different places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from audit.mentions import trimmed
from audit.pairs import Text
from audit.words import Word, joined

#: A stretch's number, and how many of its characters lie before (spaces apart); or one of the two below.
_Place = tuple[int, int]
_END, _LOOSE = -1, -2
_Words = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What stands between two swapped spans, or before the first or behind the last."""

    begin: int
    end: int
    letters: str


def common_words(a: Text, words_a: Sequence[Word], b: Text, words_b: Sequence[Word]) -> tuple[_Words, _Words]:
    """Join words until both texts are cut at the same places, with every swapped span inside one word.

    Where the tokens of one text are ``she`` and ``'s`` and the other's is ``he's``, both have one word. Stretches
    that differ although nothing was swapped in them stay as they are.

    Args:
        a, b: the texts; the i-th swapped span of one belongs to the i-th of the other.
        words_a, words_b: their words.
    Returns:
        The words of either text, every token still in one of them. Exchanging the texts exchanges them.
    """
    stretches_a, stretches_b = _stretches(a), _stretches(b)
    alike = [
        one is not None and two is not None and one.letters == two.letters
        for one, two in zip_longest(stretches_a, stretches_b)
    ]
    places_a, places_b = _places(a.text, stretches_a, alike), _places(b.text, stretches_b, alike)
    common = _cuts(words_a, places_a) & _cuts(words_b, places_b)
    common |= {(number, _LOOSE) for number in range(len(alike))}
    return tuple(_cut(a.text, words_a, places_a, common)), tuple(_cut(b.text, words_b, places_b, common))


def _stretches(text: Text) -> list[_Stretch]:
    swaps = [place for span in text.swap for place in trimmed(text.text, span)]
    ends = [0, *swaps, len(text.text)]
    return [
        _Stretch(begin, end, "".join(text.text[begin:end].split()))
        for begin, end in zip(ends[::2], ends[1::2], strict=True)
    ]


def _places(text: str, stretches: Sequence[_Stretch], alike: Sequence[bool]) -> list[set[_Place]]:
    """What every position of a text is called in both; nothing inside a swapped span."""
    found: list[set[_Place]] = [set() for _ in range(len(text) + 1)]
    for number, stretch in enumerate(stretches):
        before, last = 0, len(stretch.letters)
        for place in range(stretch.begin, stretch.end + 1):
            names = {0} if before == 0 else {before if alike[number] else _LOOSE}
            if before == last:
                names = {_END} | ({0} & names)
            found[place] |= {(number, name) for name in names}
            before += place < stretch.end and not text[place].isspace()
    return found


def _cuts(words: Sequence[Word], places: Sequence[set[_Place]]) -> set[_Place]:
    ends = (place for word in words if not word.special for place in word.span)
    return set().union(*(places[place] for place in ends))


def _cut(
    text: str, words: Sequence[Word], places: Sequence[set[_Place]], common: set[_Place]
) -> Iterator[Word]:
    """Join words that no common place parts."""
    group: list[Word] = []
    for word in words:
        if group and (word.special or places[word.span[0]] & common):
            yield joined(text, group)
            group = []
        if word.special:
            yield word
        else:
            group.append(word)
    if group:
        yield joined(text, group)
