"""Head patterns on planted attention: each kind gets its type, chance gets none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from audit.errors import ShapeError
from audit.patterns import PATTERNS, PLACES, Survey, evenness, places
from audit.protocols import Encoding
from audit.records import PatternRecord
from audit.words import Word, words

Array = npt.NDArray[np.float64]
TEXTS = (
    "The tide rose, the tide fell, and the boats in the bay lay still. By dusk the bay was dark.",
    "Where the road ends, a gate hangs. The gate squeaks; the road does not, but the hinge does.",
)


def read(text: str, *, ends: bool = False) -> tuple[str, Encoding, tuple[Word, ...]]:
    """A text behind ``<s>``, one token a word or sign, long words in two tokens; ``</s>`` at its end if asked."""
    spans: list[tuple[int, int]] = [(0, 0)]
    for found in re.finditer(r"\w+|[^\w\s]", text):
        start, end = found.span()
        spans += [(start, start + 3), (start + 3, end)] if end - start > 5 else [(start, end)]
    spans += [(0, 0)] if ends else []
    tokens = ["<s>" if i == 0 else "</s>" if s == e else text[s:e] for i, (s, e) in enumerate(spans)]
    encoding = Encoding(tuple(range(len(spans))), tuple(tokens), tuple(spans))
    return text, encoding, words(text, encoding)


def spread(words_: tuple[Word, ...], wanted: npt.NDArray[np.bool_], causal: bool) -> Array:
    """Token attention that lies evenly on the wanted words; on the first token where none is wanted."""
    size = sum(len(word.tokens) for word in words_)
    attention = np.zeros((size, size))
    for row, word in enumerate(words_):
        keys = [token for column in np.flatnonzero(wanted[row]) for token in words_[column].tokens]
        for query in word.tokens:
            seen = [key for key in keys if key <= query] if causal else keys
            attention[query, seen or [0]] = 1 / len(seen or [0])
    return attention


def surveyed(
    make: Callable[[tuple[Word, ...]], Sequence[Array]], *, causal: bool = True, ends: bool = False
) -> PatternRecord:
    """Survey heads ``[1, H]`` that ``make`` writes for each text."""
    survey = Survey(causal)
    for text in TEXTS:
        _, _, found = read(text, ends=ends)
        survey.add(np.stack(make(found))[None], found)
    return survey.record("self")


def planted(found: tuple[Word, ...], causal: bool) -> list[Array]:
    """One head for each place, written down here without the places of the module under test."""
    size = len(found)
    text = [word.text.lower() for word in found]
    letters = [not word.special and word.text[0].isalnum() for word in found]

    def where(rule: Callable[[int, int], bool]) -> npt.NDArray[np.bool_]:
        seen = [[(k <= q or not causal) and rule(q, k) for k in range(size)] for q in range(size)]
        return np.array(seen)

    rules = (
        lambda q, k: k == q - 1,
        lambda q, k: k == q + 1,
        lambda q, k: k == q,
        lambda q, k: k != q and letters[k] and text[k] == text[q],
        lambda q, k: k == 0,
        lambda q, k: k not in (0, q) and not letters[k],
    )
    return [spread(found, where(rule), causal) for rule in rules]


@pytest.mark.parametrize(("causal", "ends"), [(True, False), (False, True)], ids=["decoder", "encoder"])
def test_every_planted_kind_gets_its_type(causal: bool, ends: bool) -> None:
    record = surveyed(lambda found: planted(found, causal), causal=causal, ends=ends)
    expected = list(PLACES)
    if causal:  # nothing is to the right of a decoder's word: its planted head looks at the first token
        expected[PLACES.index("next_word")] = "first_token"
    assert record.types[0].tolist() == expected
    assert record.scores[0] == pytest.approx(np.ones(len(PLACES)), abs=0.12)
    assert np.isnan(record.mass["next_word"]).all() == causal


@pytest.mark.parametrize("causal", [True, False])
def test_even_attention_is_a_bag_of_words_and_nothing_else(causal: bool) -> None:
    def even(found: tuple[Word, ...]) -> list[Array]:
        size = sum(len(word.tokens) for word in found)
        visible = np.tri(size) if causal else np.ones((size, size))
        return [visible / visible.sum(axis=1, keepdims=True)]

    record = surveyed(even, causal=causal)
    assert record.types.tolist() == [["bag_of_words"]]
    assert record.scores.tolist() == [[1.0]]
    for name in PLACES:
        if name != "next_word" or not causal:
            assert record.excess[name] == pytest.approx(0.0, abs=1e-12)


def test_half_here_and_half_there_is_mixed() -> None:
    def halves(found: tuple[Word, ...]) -> list[Array]:
        previous, _, own, _, first, _ = planted(found, causal=True)
        return [(previous + own) / 2, 0.8 * first + 0.2 * own, 0.3 * previous + 0.3 * own + 0.4 * first]

    record = surveyed(halves)
    assert record.types.tolist() == [["mixed", "first_token", "mixed"]]
    assert (record.scores[0, [0, 2]] < 0.5).all()


def test_short_rows_fake_no_pattern() -> None:
    """Two visible words: even attention gives half of its mass to each place, and that is chance."""
    survey = Survey(causal=True)
    _, _, found = read("tide rose")
    assert [word.text for word in found] == ["<s>", "tide", "rose"]
    survey.add(np.tri(3)[None, None] / np.arange(1, 4)[:, None], found)
    record = survey.record("self")
    assert record.mass["first_token"][0, 0] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert record.excess["first_token"][0, 0] == pytest.approx(0.0, abs=1e-12)
    assert record.types.tolist() == [["mixed"]]


def test_the_excess_is_what_the_paper_and_pencil_say() -> None:
    """`<s> rain fell`: the row of *fell* gives .5 to *rain*; chance there is 1/3: (.5 - 1/3) / (1 - 1/3)."""
    survey = Survey(causal=True)
    _, _, found = read("rain fell")
    attention = np.array([[1, 0, 0], [0.9, 0.1, 0], [0.3, 0.5, 0.2]])
    survey.add(attention[None, None], found)
    record = survey.record("self")
    assert record.mass["previous_word"][0, 0] == pytest.approx(0.5)
    assert record.excess["previous_word"][0, 0] == pytest.approx(0.25)
    # rows of rain and fell: (.9 + .3) / 2 against (1/2 + 1/3) / 2
    assert record.excess["first_token"][0, 0] == pytest.approx((0.6 - 5 / 12) / (1 - 5 / 12))


def test_the_first_token_and_the_words_own_row_count_for_no_other_place() -> None:
    _, _, found = read("Sea, sea, and sea.")
    masks = places(found, causal=True)
    assert not any(masks[name][:, 0].any() for name in PLACES if name != "first_token")
    assert not any(mask[0].any() for mask in masks.values())
    texts = [word.text for word in found]
    row = texts.index("and")
    assert [texts[k] for k in np.flatnonzero(masks["punctuation"][row])] == [",", ","]
    last = len(texts) - 1 - texts[::-1].index("sea")
    assert [texts[k] for k in np.flatnonzero(masks["same_word"][last])] == ["Sea", "sea"]


def test_evenness_is_entropy_over_content_words_times_their_share() -> None:
    content = np.array([[False, True, True, True]])
    assert evenness(np.array([[0.4, 0.2, 0.2, 0.2]]), content) == pytest.approx(0.6)
    entropy = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)) / math.log(3)
    assert evenness(np.array([[0.2, 0.4, 0.2, 0.2]]), content) == pytest.approx(0.8 * entropy)
    assert evenness(
        np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]), content.repeat(2, 0)
    ).tolist() == [0, 0]


def test_pieces_of_a_word_count_as_one_word() -> None:
    """*harbour* in two tokens: attention to either is attention to the word before *lay*."""
    _, encoding, found = read("harbour lay")
    assert encoding.tokens == ("<s>", "har", "bour", "lay")
    survey = Survey(causal=True)
    rows = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.25, 0.25, 0], [0.2, 0.5, 0.3, 0]])
    survey.add(rows[None, None], found)
    record = survey.record("self")
    assert record.mass["previous_word"][0, 0] == pytest.approx(0.8)
    assert record.mass["current_word"][0, 0] == pytest.approx((0.5 + 0.0) / 2)


def test_wrong_shapes_and_empty_surveys_are_told() -> None:
    _, _, found = read("rain fell")
    with pytest.raises(ShapeError, match=r"^weights have shape \[1, 1, 2, 2\]; expected 3 × 3 tokens$"):
        Survey(causal=True).add(np.ones((1, 1, 2, 2)), found)
    with pytest.raises(ShapeError, match=r"^no text was surveyed; expected at least one$"):
        Survey(causal=True).record("self")
    assert (*PLACES, "bag_of_words") == PATTERNS
