"""Alignment holds whatever the script, the swaps and the tokenizer: checked character by character.

Loading the demo model's tokenizer takes about ten seconds, once.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.align import Alignment, align, match_rows, pool_keys, pool_queries
from audit.diff import jensen_shannon
from audit.pairs import Text
from audit.protocols import Encoding
from audit.words import Word
from tests.audit.cut_texts import KINDS, STRETCHES, SWAPS, encode, tokenizer, write

FEW = settings(max_examples=30, deadline=None)
kinds = pytest.mark.parametrize("kind", KINDS)


@st.composite
def written(draw: st.DrawFn) -> tuple[Text, Text]:
    """Two texts alike but for one to three swaps, anywhere, next to each other and at the ends too."""
    count = draw(st.integers(1, 3))
    stretch = st.lists(st.sampled_from(STRETCHES), max_size=3).map("".join)
    between = draw(st.lists(stretch, min_size=count + 1, max_size=count + 1))
    sides = [draw(st.lists(st.sampled_from(SWAPS), min_size=count, max_size=count)) for _ in "ab"]
    return write(between, sides[0]), write(between, sides[1])


def aligned(kind: str, a: Text, b: Text) -> tuple[Alignment, Encoding, Encoding]:
    one, two = encode(kind, a.text), encode(kind, b.text)
    return align(a, one, b, two), one, two


def tokens_of(words: tuple[Word, ...]) -> list[int]:
    return sorted(token for word in words for token in word.tokens)


def in_swap(text: Text, word: Word) -> bool:
    return any(
        letters(text.text[max(word.span[0], start) : min(word.span[1], end)]) for start, end in text.swap
    )


def letters(text: str) -> str:
    return "".join(text.split())


@kinds
@FEW
@given(texts=written())
def test_every_word_is_matched_once_in_order_or_counted(kind: str, texts: tuple[Text, Text]) -> None:
    found, *encodings = aligned(kind, *texts)
    sides = ((found.words_a, found.unaligned_a, 0), (found.words_b, found.unaligned_b, 1))
    for (words, unaligned, side), encoding in zip(sides, encodings, strict=True):
        assert tokens_of(words) == list(range(len(encoding.ids)))
        matched = [match[side] for match in found.matches]
        assert all(left < right for left, right in pairwise(matched))
        assert sorted([*matched, *unaligned]) == list(range(len(words)))
        assert all(
            left.span[1] <= right.span[0] for left, right in pairwise(w for w in words if not w.special)
        )


@kinds
@FEW
@given(texts=written())
def test_equal_text_is_matched_and_swaps_are_matched_to_each_other(
    kind: str, texts: tuple[Text, Text]
) -> None:
    a, b = texts
    found, *_ = aligned(kind, a, b)
    assert set(found.swapped) <= set(found.matches)
    for i, j in found.matches:
        one, two = found.words_a[i], found.words_b[j]
        if (i, j) not in found.swapped:
            assert (one.special, letters(one.text)) == (two.special, letters(two.text))
            assert not in_swap(a, one)
            assert not in_swap(b, two)
    for text, words, unaligned in (
        (a, found.words_a, found.unaligned_a),
        (b, found.words_b, found.unaligned_b),
    ):
        # What has no partner was written by one arm alone, or is nothing but spaces.
        alone = [words[i] for i in unaligned if letters(words[i].text)]
        assert all(in_swap(text, word) for word in alone)
        assert len(alone) <= sum(not letters(o) or not letters(t) for o, t in _written(a, b))


def _written(a: Text, b: Text) -> list[tuple[str, str]]:
    return [(a.text[slice(*one)], b.text[slice(*two)]) for one, two in zip(a.swap, b.swap, strict=True)]


@kinds
@FEW
@given(texts=written())
def test_exchanging_the_texts_mirrors_the_alignment(kind: str, texts: tuple[Text, Text]) -> None:
    a, b = texts
    found, back = aligned(kind, a, b)[0], aligned(kind, b, a)[0]
    assert back == Alignment(
        found.words_b,
        found.words_a,
        tuple((j, i) for i, j in found.matches),
        tuple((j, i) for i, j in found.swapped),
        found.unaligned_b,
        found.unaligned_a,
    )


@kinds
@FEW
@given(texts=written(), seed=st.integers(0, 10**6))
def test_identical_texts_match_fully_and_diverge_by_exactly_nothing(
    kind: str, texts: tuple[Text, Text], seed: int
) -> None:
    one, _ = texts
    found, encoding, _ = aligned(kind, one, one)
    assert found.matches == tuple((i, i) for i in range(len(found.words_a)))
    assert (found.unaligned_a, found.unaligned_b) == ((), ())
    rows = pool_keys(attention(seed, 2, 3, len(encoding.ids)), found.words_a)
    assert np.all(jensen_shannon(*match_rows(rows, rows, found)) == 0)


@kinds
@FEW
@given(texts=written(), seed=st.integers(0, 10**6))
def test_pooled_rows_sum_to_one_and_unaligned_words_are_in_the_last_bin(
    kind: str, texts: tuple[Text, Text], seed: int
) -> None:
    found, *encodings = aligned(kind, *texts)
    pooled, whole = [], []
    for side, encoding in enumerate(encodings):
        words = (found.words_a, found.words_b)[side]
        weights = attention(seed + side, 2, len(encoding.ids), len(encoding.ids))
        whole.append(pool_queries(weights, [words[match[side]].tokens for match in found.matches]))
        pooled.append(pool_keys(whole[-1], words))
    matched = match_rows(pooled[0], pooled[1], found)
    for side, rows in enumerate(matched):
        words = (found.words_a, found.words_b)[side]
        alone = [t for i in (found.unaligned_a, found.unaligned_b)[side] for t in words[i].tokens]
        np.testing.assert_allclose(rows.sum(-1), 1)
        np.testing.assert_allclose(rows[..., -1], whole[side][..., alone].sum(-1), atol=1e-12)


@kinds
@FEW
@given(texts=written())
def test_tokens_that_share_a_character_are_in_one_word(kind: str, texts: tuple[Text, Text]) -> None:
    found, encoding, _ = aligned(kind, *texts)
    home = {token: word for word in found.words_a for token in word.tokens}
    owner: dict[int, Word] = {}
    for token, (start, end) in enumerate(encoding.offsets):
        for place in range(start, end):
            if not texts[0].text[place].isspace():
                assert owner.setdefault(place, home[token]) is home[token]


@kinds
@pytest.mark.parametrize(
    "text", ["Lakisha left", "The  医 left", " she", "a \n\u200fb", "\u00a0x", "e\u0301 "]
)
def test_only_special_tokens_have_no_character(kind: str, text: str) -> None:
    encoding = encode(kind, text)
    special = set(tokenizer(kind).all_special_ids)
    for token, name, (start, end) in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True):
        assert 0 <= start <= end <= len(text)
        assert (start == end) == (token in special and name in ("[CLS]", "[SEP]"))


def attention(seed: int, *shape: int) -> np.ndarray:
    """Random rows that sum to 1."""
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])
