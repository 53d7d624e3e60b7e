"""Words of one text are matched to words of the other; pooling neither loses nor makes attention."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.align import Alignment, align, match_rows, pool_keys, pool_queries
from audit.diff import jensen_shannon
from audit.errors import ShapeError
from audit.pairs import Span, Text
from audit.protocols import Encoding
from audit.words import Word, words
from tests.audit.simulated import tokenise

FAST = settings(max_examples=60, deadline=None)
VOCABULARY = ["the", "nurse", "doctor", "asked", "gave", "question", "answer", "old", "café", "больной"]


def text(string: str, *swapped: str) -> Text:
    """A text whose arm wrote the given substrings, found in order."""
    spans, at = [], 0
    for part in swapped:
        start = string.index(part, at)
        at = start + len(part)
        spans.append((start, at))
    return Text(arm="x", group="g", text=string, swap=tuple(spans))


def named(found: tuple[Word, ...]) -> list[str]:
    """The words' texts without surrounding spaces."""
    return [word.text.strip() for word in found]


def tokens_of(found: tuple[Word, ...]) -> list[int]:
    """All tokens of all words, in order of the words."""
    return [token for word in found for token in word.tokens]


@pytest.mark.parametrize("pieces", [("The", "nur", "se", "smiled"), ("The", " nur", "se", " smiled")])
def test_sub_tokens_form_one_word_whether_or_not_offsets_hold_the_space(pieces: tuple[str, ...]) -> None:
    found = words("The nurse smiled", tokenise("The nurse smiled", *pieces))
    assert named(found) == ["The", "nurse", "smiled"]
    assert [word.tokens for word in found] == [(0,), (1, 2), (3,)]
    assert not any(word.special for word in found)


def test_punctuation_is_a_word_where_the_tokenizer_separates_it() -> None:
    found = words("The nurse, tired.", tokenise("The nurse, tired.", "The", " nurse", ",", " tired", "."))
    assert named(found) == ["The", "nurse", ",", "tired", "."]


def test_punctuation_stays_with_its_token_where_the_tokenizer_does_not() -> None:
    found = words("The nurse.", tokenise("The nurse.", "The", " nurse."))
    assert tokens_of(found) == [0, 1]
    assert len(found) == 2


def test_special_tokens_are_words_of_their_own() -> None:
    found = words("She left", tokenise("She left", "", "She", " left", ""))
    assert [word.special for word in found] == [True, False, False, True]
    assert [word.tokens for word in found] == [(0,), (1,), (2,), (3,)]


def test_bytes_of_one_character_belong_to_one_word() -> None:
    string = "I 🙂 you"
    offsets = ((0, 1), (1, 3), (2, 3), (2, 3), (3, 7))
    found = words(string, Encoding(tuple(range(5)), ("I", "?", "?", "?", " you"), offsets))
    assert [word.tokens for word in found] == [(0,), (1, 2, 3), (4,)]


@pytest.mark.parametrize(
    ("string", "pieces", "expected"),
    [
        ("un cafe\u0301s noir", ("un", " cafe", "\u0301", "s", " noir"), [(0,), (1, 2, 3), (4,)]),
        ("डॉक्टर ने कहा", ("डॉ", "क्टर", " ने", " कहा"), [(0, 1), (2,), (3,)]),
        ("הרופא שאל את האחות", ("הרו", "פא", " שאל", " את", " האחות"), [(0, 1), (2,), (3,), (4,)]),
        ("سألت الطبيبة", ("سألت", " الط", "بيبة"), [(0,), (1, 2)]),
        ("Ärztinnen grüßen", ("Ä", "rzt", "innen", " gr", "üßen"), [(0, 1, 2), (3, 4)]),
    ],
    ids=["combining accent", "devanagari", "hebrew", "arabic", "german"],
)
def test_words_of_other_scripts_are_whole(
    string: str, pieces: tuple[str, ...], expected: list[tuple[int, ...]]
) -> None:
    assert [word.tokens for word in words(string, tokenise(string, *pieces))] == expected


@FAST
@given(
    string=st.text(st.sampled_from("ab cñ,.'-\n\t🙂医生שά\u0301"), min_size=1, max_size=24),
    cuts=st.sets(st.integers(1, 23)),
    special=st.booleans(),
    overlap=st.booleans(),
)
def test_every_token_belongs_to_exactly_one_word(
    string: str, cuts: set[int], special: bool, overlap: bool
) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(string)), len(string)]
    offsets = [(max(0, start - overlap), end) for start, end in itertools.pairwise(edges)]
    offsets = [(0, 0), *offsets, (0, 0)] if special else offsets
    encoding = Encoding(tuple(range(len(offsets))), ("?",) * len(offsets), tuple(offsets))
    assert sorted(tokens_of(words(string, encoding))) == list(range(len(offsets)))


def test_identical_texts_match_word_by_word() -> None:
    one, encoding = text("The nurse left."), tokenise("The nurse left.", "", "The", " nurse", " left", ".")
    found = align(one, encoding, one, encoding)
    assert found.matches == tuple((i, i) for i in range(5))
    assert (found.swapped, found.unaligned_a, found.unaligned_b) == ((), (), ())


def test_a_swapped_word_may_have_another_number_of_tokens() -> None:
    a, b = text("The doctor left", "doctor"), text("The physician left", "physician")
    found = align(
        a,
        tokenise(a.text, "", "The", " doctor", " left"),
        b,
        tokenise(b.text, "", "The", " phy", "sic", "ian", " left"),
    )
    assert found.matches == ((0, 0), (1, 1), (2, 2), (3, 3))
    assert found.swapped == ((2, 2),)
    assert found.words_b[2].tokens == (2, 3, 4)


def test_a_swap_of_several_words_is_one_word() -> None:
    a, b = text("Then the old man left", "the old man"), text("Then she left", "she")
    found = align(
        a,
        tokenise(a.text, "Then", " the", " old", " man", " left"),
        b,
        tokenise(b.text, "Then", " she", " left"),
    )
    assert found.matches == ((0, 0), (1, 1), (2, 2))
    assert found.swapped == ((1, 1),)
    assert found.words_a[1].tokens == (1, 2, 3)
    assert found.words_a[1].text.strip() == "the old man"
    assert (found.unaligned_a, found.unaligned_b) == ((), ())


def test_nouns_that_change_places_match_by_place_not_by_spelling() -> None:
    a = text("The doctor asked the nurse", "doctor", "nurse")
    b = text("The nurse asked the doctor", "nurse", "doctor")
    found = align(a, tokenise(a.text, *a.text.split()), b, tokenise(b.text, *b.text.split()))
    assert found.matches == tuple((i, i) for i in range(5))
    assert found.swapped == ((1, 1), (4, 4))


def test_a_swapped_word_never_matches_its_spelling_elsewhere() -> None:
    a, b = text("she said she left", "she"), text("he said she left", "he")
    found = align(a, tokenise(a.text, *a.text.split()), b, tokenise(b.text, *b.text.split()))
    assert found.matches == tuple((i, i) for i in range(4))
    assert found.swapped == ((0, 0),)


def test_words_without_a_partner_are_counted() -> None:
    a, b = text("The nurse left"), text("The nurse really just left")
    found = align(a, tokenise(a.text, *a.text.split()), b, tokenise(b.text, *b.text.split()))
    assert found.matches == ((0, 0), (1, 1), (2, 4))
    assert (found.unaligned_a, found.unaligned_b) == ((), (2, 3))


def test_a_swap_inside_a_token_takes_the_whole_token() -> None:
    a, b = text("Doctor, come", "Doctor"), text("Nurse, come", "Nurse")
    found = align(a, tokenise(a.text, "Doctor,", " come"), b, tokenise(b.text, "Nurse,", " come"))
    assert found.swapped == ((0, 0),)
    assert found.matches == ((0, 0), (1, 1))


def test_an_arm_that_writes_nothing_leaves_the_others_words_unaligned() -> None:
    a = Text(arm="x", group="g", text="The nurse left", swap=((4, 4),))
    b = text("The Black nurse left", "Black")
    found = align(a, tokenise(a.text, *a.text.split()), b, tokenise(b.text, *b.text.split()))
    assert found.matches == ((0, 0), (1, 2), (2, 3))
    assert found.unaligned_b == (1,)


def test_a_script_without_spaces_still_has_words() -> None:
    a, b = text("她说医生走了", "她"), text("他说医生走了", "他")
    found = align(
        a,
        tokenise(a.text, "她", "说", "医生", "走", "了"),
        b,
        tokenise(b.text, "他", "说", "医生", "走", "了"),
    )
    assert found.swapped == ((0, 0),)
    assert found.words_a[0].tokens == (0,)
    assert found.matches == tuple((i, i) for i in range(5))


def test_right_to_left_text_aligns_in_logical_order() -> None:
    a, b = text("הרופאה שאלה", "הרופאה"), text("האחות שאלה", "האחות")
    found = align(a, tokenise(a.text, "הרו", "פאה", " שאלה"), b, tokenise(b.text, "האחות", " שאלה"))
    assert found.matches == ((0, 0), (1, 1))
    assert found.swapped == ((0, 0),)


def cut(parts: list[str], points: list[int], spaced: bool) -> Encoding:
    """Tokenise space-joined parts, each of them cut once; tokens may hold the space before them."""
    offsets: list[Span] = []
    at = 0
    for part, point in zip(parts, points, strict=False):
        middle = at + point % len(part)
        start = at - (spaced and at > 0)
        ends = [(start, middle), (middle, at + len(part))] if middle > at else [(start, at + len(part))]
        offsets += ends
        at += len(part) + 1
    return Encoding(tuple(range(len(offsets))), ("?",) * len(offsets), tuple(offsets))


@st.composite
def swaps(draw: st.DrawFn) -> tuple[Text, Encoding, Text, Encoding, int]:
    """Two texts of distinct words, alike but for one word, each cut into tokens at random."""
    shared = draw(st.lists(st.sampled_from(VOCABULARY), min_size=2, max_size=8, unique=True))
    place = draw(st.integers(0, len(shared) - 1))

    def side(arm: str) -> tuple[Text, Encoding]:
        parts = [*shared[:place], arm, *shared[place:]]
        points = draw(st.lists(st.integers(0, 9), min_size=9, max_size=9))
        written = " ".join(parts)
        start = len(" ".join([*shared[:place], ""])) if place else 0
        span = (start, start + len(arm))
        return Text("x", "g", written, (span,)), cut(parts, points, draw(st.booleans()))

    return *side("she"), *side("nonbinary"), place


@FAST
@given(swaps())
def test_one_swap_is_found_and_exchanging_the_texts_transposes(
    case: tuple[Text, Encoding, Text, Encoding, int],
) -> None:
    a, encoding_a, b, encoding_b, place = case
    found, back = align(a, encoding_a, b, encoding_b), align(b, encoding_b, a, encoding_a)
    assert found.swapped == ((place, place),)
    assert found.matches == tuple((i, i) for i in range(len(found.words_a)))
    assert back.matches == tuple((j, i) for i, j in found.matches)
    assert (back.unaligned_a, back.unaligned_b) == (found.unaligned_b, found.unaligned_a)


def attention(seed: int, *shape: int) -> np.ndarray:
    """Random rows that sum to 1."""
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])


def test_keys_are_summed_and_queries_are_averaged() -> None:
    found = words("The nurse left", tokenise("The nurse left", "The", " nur", "se", " left"))
    weights = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.0, 0.5, 0.5, 0.0]])
    np.testing.assert_allclose(pool_keys(weights, found), [[0.1, 0.5, 0.4], [0.4, 0.5, 0.1], [0, 1, 0]])
    pooled = pool_queries(weights, [(0,), (1, 2)])
    np.testing.assert_allclose(pooled, [[0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.35, 0.05]])


@FAST
@given(swaps(), st.integers(0, 10**6))
def test_pooled_rows_still_sum_to_one(case: tuple[Text, Encoding, Text, Encoding, int], seed: int) -> None:
    a, encoding_a, b, encoding_b, _ = case
    found = align(a, encoding_a, b, encoding_b)
    p = pool_keys(attention(seed, 2, 3, 4, len(encoding_a.ids)), found.words_a)
    q = pool_keys(attention(seed + 1, 2, 3, 4, len(encoding_b.ids)), found.words_b)
    for rows in match_rows(p, q, found):
        assert rows.shape == (2, 3, 4, len(found.matches) + 1)
        np.testing.assert_allclose(rows.sum(-1), 1)
        np.testing.assert_allclose(rows[..., -1], 0, atol=1e-12)


def test_unaligned_mass_goes_to_one_last_bin() -> None:
    found = Alignment(
        words_a=(), words_b=(), matches=((0, 0), (2, 1)), swapped=(), unaligned_a=(1,), unaligned_b=(2, 3)
    )
    p, q = match_rows(np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.2, 0.3, 0.4]), found)
    np.testing.assert_allclose(p, [0.2, 0.5, 0.3])
    np.testing.assert_allclose(q, [0.1, 0.2, 0.7])


def test_identical_texts_and_rows_diverge_by_exactly_nothing() -> None:
    one, encoding = text("The nurse left"), tokenise("The nurse left", "", "The", " nur", "se", " left")
    found = align(one, encoding, one, encoding)
    rows = pool_keys(attention(3, 5, 6, 5), found.words_a)
    assert np.all(jensen_shannon(*match_rows(rows, rows, found)) == 0)


def test_rows_of_the_wrong_width_are_refused() -> None:
    found = Alignment(words_a=(), words_b=(), matches=((0, 0),), swapped=(), unaligned_a=(), unaligned_b=(1,))
    with pytest.raises(ShapeError):
        match_rows(np.ones(3) / 3, np.ones(2) / 2, found)


@pytest.mark.parametrize("groups", [[(0,), ()], [(0, 3)], [(-1,)]])
def test_query_rows_that_are_not_there_are_refused(groups: list[tuple[int, ...]]) -> None:
    with pytest.raises(ShapeError):
        pool_queries(np.ones((3, 2)) / 2, groups)
