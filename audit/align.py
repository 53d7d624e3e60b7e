"""Words of one text ↔ words of the other, and attention pooled from tokens to words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from audit.common_words import common_words
from audit.errors import ShapeError
from audit.pairs import Text
from audit.protocols import Encoding
from audit.words import Word, words

Array = npt.NDArray[np.float64]
Match = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Words of two texts and which of them belong together.

    Args:
        words_a, words_b: the words; all words of one swapped span are one word here, with what a token
            of either text covers together with it.
        matches: word indices `(a, b)`, increasing in both.
        swapped: the matches that are swapped spans.
        unaligned_a, unaligned_b: words without a partner.
    """

    words_a: tuple[Word, ...]
    words_b: tuple[Word, ...]
    matches: tuple[Match, ...]
    swapped: tuple[Match, ...]
    unaligned_a: tuple[int, ...]
    unaligned_b: tuple[int, ...]


def align(a: Text, encoding_a: Encoding, b: Text, encoding_b: Encoding) -> Alignment:
    """Align two texts: swapped spans with each other, the words between them where they are equal.

    Words that the tokens of the two texts part in different places are one word in both. Exchanging the
    texts mirrors the alignment.

    Args:
        a, b: the texts; the i-th swapped span of one belongs to the i-th of the other.
        encoding_a, encoding_b: their tokens.
    Returns:
        The alignment; what has no partner is listed, nothing is dropped.
    """
    in_a, in_b = common_words(a, words(a.text, encoding_a), b, words(b.text, encoding_b))
    words_a, swaps_a, words_b, swaps_b = in_a.words, in_a.swaps, in_b.words, in_b.swaps
    swapped = tuple(_increasing(zip(swaps_a, swaps_b, strict=False)))
    matches: list[Match] = []
    for before, after in pairwise([(-1, -1), *swapped, (len(words_a), len(words_b))]):
        between = (range(before[0] + 1, after[0]), range(before[1] + 1, after[1]))
        free_a = [index for index in between[0] if index not in swaps_a]
        free_b = [index for index in between[1] if index not in swaps_b]
        matches += _equal(words_a, free_a, words_b, free_b)
        matches += [after] if after in swapped else []
    return Alignment(
        words_a,
        words_b,
        tuple(matches),
        swapped,
        tuple(sorted(set(range(len(words_a))) - {i for i, _ in matches})),
        tuple(sorted(set(range(len(words_b))) - {j for _, j in matches})),
    )


def pool_keys(weights: Array, words: Sequence[Word]) -> Array:
    """Sum attention over the tokens of each word, so that a row still sums to 1.

    Args:
        weights: `[..., K]` attention to tokens.
        words: W words that share out all K tokens.
    Returns:
        `[..., W]`.
    Raises:
        ShapeError: the words are not those of these keys.
    """
    weights = np.asarray(weights, dtype=np.float64)
    keys = weights.shape[-1] if weights.ndim else 0
    tokens = [token for word in words for token in word.tokens]
    if sorted(tokens) != list(range(keys)):
        raise ShapeError(
            f"{len(tokens)} tokens in words, {keys} keys; expected every key in exactly one word"
        )
    return _sums(weights, [word.tokens for word in words])


def pool_queries(weights: Array, groups: Sequence[Sequence[int]]) -> Array:
    """Average attention over the query tokens of each word.

    Args:
        weights: `[..., Q, K]` attention.
        groups: for each of G words, its query rows.
    Returns:
        `[..., G, K]`; rows that summed to 1 still do.
    Raises:
        ShapeError: a group is empty or names a row that is not there.
    """
    weights = np.asarray(weights, dtype=np.float64)
    rows = weights.shape[-2] if weights.ndim > 1 else 0
    for group in groups:
        if not len(group) or min(group) < 0 or max(group) >= rows:
            raise ShapeError(f"query rows {list(group)} of {rows}; expected at least one row that is there")
    if not len(groups):
        return np.zeros((*weights.shape[:-2], 0, weights.shape[-1]))
    sums = np.swapaxes(_sums(np.swapaxes(weights, -1, -2), groups), -1, -2)
    return sums / np.array([len(group) for group in groups], dtype=np.float64)[:, None]


def _sums(values: Array, groups: Sequence[Sequence[int]]) -> Array:
    """`[..., K]` → `[..., G]`: the sum over each group of places; 0 over a group without any."""
    places = [place for group in groups for place in group]
    taken = np.take(values, places, axis=-1)
    if all(len(group) == 1 for group in groups):
        return np.asarray(taken)
    sizes = np.array([len(group) for group in groups])
    filled = np.flatnonzero(sizes)
    sums = np.zeros((*values.shape[:-1], len(groups)))
    if len(filled):
        starts = (np.cumsum(sizes) - sizes)[filled]
        sums[..., filled] = np.add.reduceat(taken, starts, axis=-1)
    return sums


def match_rows(p: Array, q: Array, alignment: Alignment) -> tuple[Array, Array]:
    """Bring two rows over words to the same bins: aligned words, then one bin for everything else.

    Args:
        p: `[..., Wa]` attention to the words of text a.
        q: `[..., Wb]` attention to the words of text b.
        alignment: of the two texts, with M matches.
    Returns:
        Twice `[..., M+1]`; the last bin holds the unaligned mass.
    Raises:
        ShapeError: a row is not over the words of its text.
    """
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    for row, unaligned in ((p, alignment.unaligned_a), (q, alignment.unaligned_b)):
        expected = len(alignment.matches) + len(unaligned)
        if row.shape[-1:] != (expected,):
            raise ShapeError(f"a row has shape {list(row.shape)}; expected {expected} words")
    return (
        _binned(p, [i for i, _ in alignment.matches], alignment.unaligned_a),
        _binned(q, [j for _, j in alignment.matches], alignment.unaligned_b),
    )


def _binned(row: Array, matched: Sequence[int], others: Sequence[int]) -> Array:
    other = row[..., list(others)].sum(axis=-1, keepdims=True)
    return np.concatenate([row[..., list(matched)], other], axis=-1)


def _increasing(matches: Iterator[Match]) -> Iterator[Match]:
    """Matches of words that are there, in order; a word that holds two swapped spans counts once."""
    last = (-1, -1)
    for match in matches:
        if match[0] > last[0] and match[1] > last[1]:
            yield match
            last = match


def _equal(
    words_a: Sequence[Word], free_a: Sequence[int], words_b: Sequence[Word], free_b: Sequence[int]
) -> list[Match]:
    """Equal words in order; the smaller sequence leads, so that the result does not depend on the sides."""
    keys_a, keys_b = [_key(words_a[i]) for i in free_a], [_key(words_b[j]) for j in free_b]
    mirrored = keys_a > keys_b
    first, second = (keys_b, keys_a) if mirrored else (keys_a, keys_b)
    found: list[Match] = []
    for block in SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks():
        steps = ((block.a + step, block.b + step) for step in range(block.size))
        found += [(j, i) if mirrored else (i, j) for i, j in steps]
    return [(free_a[i], free_b[j]) for i, j in found]


def _key(word: Word) -> tuple[bool, str]:
    """What equal words have in common, however wide the spaces within them are."""
    return word.special, "".join(word.text.split()) or word.text
