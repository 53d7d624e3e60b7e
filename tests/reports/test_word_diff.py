"""Marking the words that differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audit.results.visible import visible
from reports.word_diff import Swap, compare_words, merge

TEXTS = st.text(alphabet="ab .\n'é", max_size=30)


@given(TEXTS, TEXTS)
def test_segments_give_the_texts_back(a: str, b: str) -> None:
    segments = compare_words(a, b)
    assert ["".join(part.text for part in side) for side in segments] == [a, b]


@given(TEXTS)
def test_equal_texts_have_no_difference(text: str) -> None:
    assert not any(part.differs for side in compare_words(text, text) for part in side)


def test_words_are_whole() -> None:
    assert merge("She is there", "He is there") == (Swap("She", "He"), Swap(" is there", " is there"))


def test_differences_with_a_space_between_are_one() -> None:
    assert merge("red car.", "old bus.") == (Swap("red car", "old bus"), Swap(".", "."))


def test_direction_overrides_are_spelled_out() -> None:
    assert visible("a\u202eb\u2066\x00\n") == "a[U+202E]b[U+2066][U+0000]\n"


def test_words_of_other_scripts_are_whole() -> None:
    assert merge("她说", "他说") == (Swap("她", "他"), Swap("说", "说"))
    assert merge("הָרוֹפְאָה שאלה", "הָאָחוֹת שאלה")[0] == Swap("הָרוֹפְאָה", "הָאָחוֹת")
