"""From a suite to aligned words: candidates in each other, arms that write alike, spaces, Unicode forms, marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.align import align
from audit.errors import InputError
from audit.expand import expand
from audit.mentions import alone
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, SEP, Pair, Text
from audit.records import HeadRecord
from audit.tables import Tables
from tests.audit.cut_texts import encode, write
from tests.audit.suite_text import ARMS, HEAD, loaded, told


def only(folder: Path, text: str) -> Pair:
    (pair,) = expand(loaded(folder, HEAD + text))
    return pair


def named(text: Text) -> dict[str, str]:
    return {name: text.text[slice(*span)] for name, span in text.mentions.items()}


def swaps(pair: Pair) -> list[list[str]]:
    return [[text.text[slice(*span)] for span in text.swap] for text in (pair.a, pair.b)]


NESTED = """\
pairs:
  - id: nested
    she: "The doctor's assistant called the doctor when she"
    he: "The doctor's assistant called the doctor when he"
    mentions: {pronoun: [she, he], candidates: [doctor, doctor's assistant]}
"""


def test_candidates_may_contain_each_other(tmp_path: Path) -> None:
    pair = only(tmp_path, ARMS + NESTED)
    for text, word in ((pair.a, "she"), (pair.b, "he")):
        assert named(text) == {PRONOUN: word, CANDIDATE_1: "doctor", CANDIDATE_2: "doctor's assistant"}
        assert text.mentions[CANDIDATE_1][0] == text.text.rindex("doctor")


def test_a_candidate_that_is_there_twice_by_itself_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the mention 'doctor' is in the text 2 times"):
        only(tmp_path, ARMS + NESTED.replace("The doctor's", "A doctor saw the doctor's"))
    assert alone("her friend and her", "her", ["her friend", "her"]) == ((15, 18),)


def test_an_arms_slot_that_both_arms_fill_alike_is_no_swap(tmp_path: Path) -> None:
    arms = """\
arms:
  - {id: she, group: female, slots: {adverb: "now ", pronoun: she, be: is}}
  - {id: he, group: male, slots: {adverb: "now ", pronoun: he, be: is}}
  - {id: they, group: neutral, slots: {adverb: "now ", pronoun: they, be: are}}
templates:
  - {id: t, text: "And {adverb}{pronoun} {be} here", mentions: {pronoun: "{pronoun}"}}
"""
    found = {pair.contrast: swaps(pair) for pair in expand(loaded(tmp_path, HEAD + arms))}
    assert found == {
        ("she", "he"): [["she"], ["he"]],
        ("she", "they"): [["she", "is"], ["they", "are"]],
        ("he", "they"): [["he", "is"], ["they", "are"]],
    }


def test_spaces_at_the_ends_of_what_an_arm_writes_are_no_part_of_it(tmp_path: Path) -> None:
    text = """\
arms:
  - {id: b, group: black, slots: {who: "Black "}}
  - {id: w, group: white, slots: {who: "white "}}
templates:
  - {id: t, text: "The {who}nurse", mentions: {pronoun: "{who}"}}
"""
    pair = only(tmp_path, text)
    assert swaps(pair) == [["Black"], ["white"]]
    assert named(pair.a) == {PRONOUN: "Black"}


def test_another_unicode_form_is_told(tmp_path: Path) -> None:
    text = (
        NESTED.replace("doctor]", "x")
        .replace("called the doctor", "called Jose\u0301")
        .replace("[doctor, doctor's assistant]", "[José, assistant]")
    )
    with pytest.raises(InputError) as refused:
        only(tmp_path, ARMS + text)
    assert (
        told(refused.value, tmp_path)
        .splitlines()[0]
        .endswith(
            "expected it exactly once; the text spells it in another Unicode form (NFC or NFD): write both alike"
        )
    )


@pytest.mark.parametrize(
    ("stretches", "arms", "kind", "expected"),
    [
        (["", "'s here"], ("she", "he"), "demo", [("she", "he"), ("'s", "'s"), ("here", "here")]),
        (
            ["Then ", " asked Emily"],
            ("Emily", "Lakisha"),
            "demo",
            [("Then", "Then"), ("Emily", "Lakisha"), ("asked", "asked"), ("Emily", "Emily")],
        ),
        (
            ["The ", " saw a person"],
            ("person who uses a wheelchair", "athlete"),
            "demo",
            [
                ("The", "The"),
                ("person who uses a wheelchair", "athlete"),
                ("saw", "saw"),
                ("a", "a"),
                ("person", "person"),
            ],
        ),
        (
            ["“", ",” she said"],
            ("Her", "His"),
            "whitespace",
            [("“Her,”", "“His,”"), ("she", "she"), ("said", "said")],
        ),
        (["وال", " هنا"], ("طبيبة", "طبيب"), "demo", [("والطبيبة", "والطبيب"), ("هنا", "هنا")]),
        (["un étudiant", "."], ("e", ""), "demo", [("un", "un"), ("étudiante", "étudiant"), (".", ".")]),
        (["a ", " b"], ("👩🏽‍⚕️", "👨‍⚕️"), "demo", [("a", "a"), ("👩🏽‍⚕️", "👨‍⚕️"), ("b", "b")]),
        (
            ["Is ", " [MASK]?" + SEP + "yes"],
            ("she", "he"),
            "word-piece",
            [
                *(("[CLS]", "[CLS]"), ("Is", "Is"), ("she", "he"), ("[MASK]", "[MASK]"), ("?", "?")),
                *(("[SEP]", "[SEP]"), ("yes", "yes"), ("[SEP]", "[SEP]")),
            ],
        ),
    ],
)
def test_words_by_hand(
    stretches: list[str], arms: tuple[str, str], kind: str, expected: list[tuple[str, str]]
) -> None:
    a, b = (write(stretches, [arm]) for arm in arms)
    found = align(a, encode(kind, a.text), b, encode(kind, b.text))
    assert [(found.words_a[i].text, found.words_b[j].text) for i, j in found.matches] == expected
    assert len(found.swapped) == 1
    assert (found.unaligned_a, found.unaligned_b) == ((), ())


def test_words_are_counted_once_however_many_streams_read_them(tmp_path: Path) -> None:
    pair = only(tmp_path, ARMS + NESTED)
    tables = Tables([pair])
    measures = {"jsd": np.zeros((1, 1))}
    tables.add(HeadRecord(pair.pair_id, stream, measures, {}, 3) for stream in ("encoder", "cross"))
    assert tables.unaligned_words == 3
