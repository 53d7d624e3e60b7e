"""Makes the words of two texts comparable where a tokenizer cuts what both say in different places."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import zip_longest

from audit.mentions import trimmed
from audit.pairs import Text
from audit.words import Word, joined

#: A stretch's number, and how many of its characters lie before (spaces apart); or one of the two below.
_Place = tuple[int, int]
_END, _LOOSE = -1, -2


@dataclass(frozen=True, slots=True)
class CommonWords:
    """The words of one text, cut at the places at which the other one is cut too.

    Args:
        words: the words; every token is in one of them.
        swaps: for each swapped span the word that holds it; -1 where nothing was written.
    """

    words: tuple[Word, ...]
    swaps: tuple[int, ...]


def common_words(
    a: Text, words_a: Sequence[Word], b: Text, words_b: Sequence[Word]
) -> tuple[CommonWords, CommonWords]:
    """Join words until both texts are cut at the same places, with every swapped span inside one word.

    Where the tokens of one text are ``she`` and ``'s`` and the other's is ``he's``, both have one word. Stretches
    that differ although nothing was swapped in them stay as they are.

    Args:
        a, b: the texts; the i-th swapped span of one belongs to the i-th of the other.
        words_a, words_b: their words.
    Returns:
        The words of either text. Exchanging the texts exchanges them.
    """
    stretches_a, stretches_b = _stretches(a), _stretches(b)
    alike = [
        one is not None and two is not None and one.letters == two.letters
        for one, two in zip_longest(stretches_a, stretches_b)
    ]
    names_a, names_b = _Names.of(a, stretches_a, alike), _Names.of(b, stretches_b, alike)
    common = names_a.cuts(words_a) & names_b.cuts(words_b)
    common |= {(number, _LOOSE) for number in range(len(alike))}
    return names_a.joined(words_a, common), names_b.joined(words_b, common)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What stands between two swapped spans, or before the first or behind the last."""

    begin: int
    end: int
    letters: str


def _stretches(text: Text) -> list[_Stretch]:
    swaps = [place for span in text.swap for place in trimmed(text.text, span)]
    ends = [0, *swaps, len(text.text)]
    return [
        _Stretch(begin, end, "".join(text.text[begin:end].split()))
        for begin, end in zip(ends[::2], ends[1::2], strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Names:
    """What the positions of a text are called in both texts; nothing inside a swapped span."""

    text: Text
    at: list[set[_Place]]

    @classmethod
    def of(cls, text: Text, stretches: Sequence[_Stretch], alike: Sequence[bool]) -> _Names:
        found: list[set[_Place]] = [set() for _ in range(len(text.text) + 1)]
        for number, stretch in enumerate(stretches):
            before, last = 0, len(stretch.letters)
            for place in range(stretch.begin, stretch.end + 1):
                names = {0} if before == 0 else {before if alike[number] else _LOOSE}
                if before == last:
                    names = {_END} | ({0} & names)
                found[place] |= {(number, name) for name in names}
                before += place < stretch.end and not text.text[place].isspace()
        return cls(text, found)

    def cuts(self, words: Sequence[Word]) -> set[_Place]:
        """Where words begin and end."""
        ends = (place for word in words if not word.special for place in word.span)
        return set().union(*(self.at[place] for place in ends))

    def joined(self, words: Sequence[Word], common: Set[_Place]) -> CommonWords:
        """Join words that no common place parts, and find the one that holds each swapped span."""
        found: list[list[Word]] = []
        for word in words:
            apart = not found or word.special or found[-1][0].special
            if apart or self.at[word.span[0]] & common:
                found.append([])
            found[-1].append(word)
        one = tuple(group[0] if len(group) == 1 else joined(self.text.text, group) for group in found)
        return CommonWords(
            one, tuple(self._holder(number, one, common) for number in range(len(self.text.swap)))
        )

    def _holder(self, number: int, words: Sequence[Word], common: Set[_Place]) -> int:
        start, end = trimmed(self.text.text, self.text.swap[number])
        for index, word in enumerate(words):
            left, right = word.span
            if word.special:
                continue
            if max(left, start) < min(right, end) or left < start == end < right:
                return index
            if start == end and self._glued(number, word, common):
                return index
        return -1

    def _glued(self, number: int, word: Word, common: Set[_Place]) -> bool:
        """Whether the other text's span grows out of a word beside which this text has nothing: étudiant(e)."""
        before = {name for name in self.at[word.span[1]] if name[0] <= number}
        behind = {name for name in self.at[word.span[0]] if name[0] > number}
        ends, begins = (number, _END) in before, (number + 1, 0) in behind
        return (ends and not before & common) or (begins and not behind & common)
