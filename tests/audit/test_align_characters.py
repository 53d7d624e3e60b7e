"""Words in all scripts: marks stay with their letter, emoji are whole, what differs does not depend on the side."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.characters import pieces
from audit.mentions import differing_spans, spans_of_words, whole_words

FAST = settings(max_examples=100, deadline=None)
NURSE = "👩🏽‍⚕️"
#: Letters and signs of many scripts, with marks that belong to what stands before them.
ANYTHING = st.text(
    st.sampled_from("ab C_9ßé\u0301'-.,\n\u200d👩⚕\ufe0f🇫🇷שׁא\u05b8لَ\u200f她医เธอ็ำडॉ"), max_size=16
)
#: Few words that recur, where what differs can be told in more than one way.
RECURRING = st.lists(st.sampled_from(["a", "b", "c"]), max_size=7).map(" ".join)


def cut(text: str, spans: tuple[tuple[int, int], ...]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("she's her,", ["she", "'", "s", "her", ","]),
        ("«Elle» well-paid", ["«", "Elle", "»", "well", "-", "paid"]),
        ("Zoe\u0308 großer", ["Zoe\u0308", "großer"]),
        ("\u0301a", ["\u0301", "a"]),
        ("הָרוֹפְאָה שָׁאֲלָה", ["הָרוֹפְאָה", "שָׁאֲלָה"]),
        ("سَأَلَت والطبيبة", ["سَأَلَت", "والطبيبة"]),
        ("می‌خواهد", ["می‌خواهد"]),
        ("नर्स ने नर्सें", ["नर्स", "ने", "नर्सें"]),
        ("她是医生。", ["她", "是", "医", "生", "。"]),
        ("時々サラ", ["時", "々", "サ", "ラ"]),
        ("เธอเป็นหมอ", ["เธ", "อ", "เป็", "น", "ห", "ม", "อ"]),
        ("ทำ", ["ทำ"]),
        (f"A {NURSE}left 👩👨", ["A", NURSE, "left", "👩", "👨"]),
        ("🇫🇷🇩🇪🇮", ["🇫🇷", "🇩🇪", "🇮"]),
        ("a \u200fb", ["a", "\u200f", "b"]),
    ],
)
def test_words_of_all_scripts(text: str, expected: list[str]) -> None:
    assert cut(text, spans_of_words(text)) == expected


@FAST
@given(ANYTHING)
def test_pieces_are_numbered_in_order_and_marks_never_stand_alone(text: str) -> None:
    numbers = pieces(text)
    assert all(right - left in (0, 1) for left, right in pairwise((-1, *numbers)))
    assert "".join(cut(text, spans_of_words(text))) == "".join(text.split())
    for place in range(1, len(text)):
        if unicodedata.combining(text[place]) and not text[place - 1].isspace():
            assert numbers[place] == numbers[place - 1]


@pytest.mark.parametrize(
    ("text", "words", "count"),
    [
        ("नर्सें आईं, नर्स आई", "नर्स", 1),
        ("הָרוֹפְאָה", "הָרוֹ", 0),
        ("הרופא והרופאה", "הרופא", 1),
        ("والطبيبة", "الطبيبة", 0),
        ("سأل الطبيبُ الطبيب", "الطبيب", 1),
        ("医生Emily走了", "Emily", 1),
        ("เขาเห็นเขา", "เขา", 2),
        (f"the {NURSE}", "👩", 0),
        (f"the {NURSE}", NURSE, 1),
        ("Straße, Strasse", "Strasse", 1),
    ],
)
def test_whole_words_end_where_their_script_ends_them(text: str, words: str, count: int) -> None:
    assert len(whole_words(text, words)) == count


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("她说医生走了。", "他说医生走了。", (["她"], ["他"])),
        ("那个医生来了", "那个护士来了", (["医生"], ["护士"])),
        ("เธอเป็นหมอ", "เขาเป็นหมอ", (["เธอ"], ["เขา"])),
        ("הָרוֹפְאָה שָׁאֲלָה", "הָאָחוֹת שָׁאֲלָה", (["הָרוֹפְאָה"], ["הָאָחוֹת"])),
        ("A 👩🏽‍⚕️ left", "A 👨🏽‍⚕️ left", (["👩🏽‍⚕️"], ["👨🏽‍⚕️"])),
        ("She's here", "He's here", (["She"], ["He"])),
        (
            "The person who uses a wheelchair asked a person",
            "The athlete asked a person",
            (["person who uses a wheelchair"], ["athlete"]),
        ),
    ],
)
def test_what_differs_is_whole_words(a: str, b: str, expected: tuple[list[str], list[str]]) -> None:
    spans_a, spans_b = differing_spans(a, b)
    assert (cut(a, spans_a), cut(b, spans_b)) == expected


@FAST
@given(ANYTHING | RECURRING, ANYTHING | RECURRING)
def test_what_differs_does_not_depend_on_the_side(a: str, b: str) -> None:
    assert differing_spans(b, a) == differing_spans(a, b)[::-1]
    spans_a, spans_b = differing_spans(a, b)
    words = [spans_of_words(text) for text in (a, b)]
    kept = [
        [text[s:e] for s, e in of if not any(left <= s and e <= right for left, right in spans)]
        for text, of, spans in ((a, words[0], spans_a), (b, words[1], spans_b))
    ]
    assert kept[0] == kept[1]
