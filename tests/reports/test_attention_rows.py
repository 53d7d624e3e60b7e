"""Attention of both texts, word by word."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from reports.attention_view import attention_view, looks_at
from reports.figures.attention_rows import align_rows, attention_info, attention_svg
from reports.folder import Detail
from tests.reports.sample_run import head_findings

SVG = "{http://www.w3.org/2000/svg}"
WORDS_A = ("The", "flight", "attendant", "met", "Bob", ".", "She")
WORDS_B = ("The", "flight", "attendant", "met", "old", "Bob", ".", "He")
MATCHES = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (5, 6), (6, 7))


@pytest.fixture
def detail() -> Detail:
    a, b = np.full((1, 2, 1, 7), 0.05, np.float32), np.full((1, 2, 1, 8), 0.05, np.float32)
    a[0, 1, 0, :3] = (0.3, 0.1, 0.4)
    b[0, 1, 0, 5] = 0.65
    return Detail("p", "self", WORDS_A, WORDS_B, ((6, 7),), a, b, MATCHES)


def test_rows_align_words_and_keep_those_without_a_partner(detail: Detail) -> None:
    rows = align_rows(detail, ("flight attendant", "Bob"))
    assert [row.name for row in rows] == [*WORDS_A[:4], "old", "Bob", ".", "She / He"]
    assert [row.candidate for row in rows] == [0, 1, 1, 0, 0, 2, 0, 0]
    assert (rows[4].index_a, rows[4].index_b) == (None, 4)


def test_no_difference_where_a_text_lacks_the_word(detail: Detail) -> None:
    info = attention_info(detail, align_rows(detail, None), 0, 1, 0)
    assert info.weights_a[4] is None
    assert info.differences[4] is None
    assert info.differences[2] == pytest.approx(0.35)


def test_candidate_mass_sums_over_the_words_of_a_candidate(detail: Detail) -> None:
    info = attention_info(detail, align_rows(detail, ("flight attendant", "Bob")), 0, 1, 0)
    assert info.candidate_mass(1) == pytest.approx((0.5, 0.1))
    assert info.candidate_mass(2) == pytest.approx((0.05, 0.65))


def test_view_says_who_looks_at_whom(detail: Detail) -> None:
    view = attention_view(detail, (), ("flight attendant", "Bob"))
    assert view.looks is not None
    assert [(look.query, look.at) for look in view.looks] == [("She", "flight attendant"), ("He", "Bob")]
    assert (view.heads[0].layer, view.heads[0].head, view.labelled) == (0, 1, False)
    assert view.queries == ("the swapped word (She / He)",)
    assert view.data["weights"][0][0][0][4] is None


def test_view_names_no_candidate_that_is_not_in_the_text(detail: Detail) -> None:
    assert attention_view(detail, (), ("pilot", "Bob")).looks is None


def test_view_offers_the_labelled_heads_most_serious_first() -> None:
    heads = head_findings(np.random.default_rng(0), flagged=True)
    weights = np.full((30, 9, 1, 7), 1 / 7, np.float32)
    detail = Detail("p", "self", WORDS_A, WORDS_A, ((6, 6),), weights, weights, ((6, 6),))
    view = attention_view(detail, heads, None)
    assert view.heads[0].name == "15-7 (carries)"
    assert [head.label for head in view.heads].count("carries") == 3
    assert {head.label for head in view.heads} == {"carries", "opposes", "moves", "acts"}


def test_nearly_no_attention_looks_at_neither() -> None:
    assert looks_at(0.004, 0.005, ("a", "b")) == "neither"


def test_nearly_equal_attention_looks_at_both() -> None:
    assert looks_at(0.064, 0.061, ("a", "b")) == "both alike"
    assert looks_at(0.02, 0.03, ("a", "b")) == "b"


def test_svg_has_three_bars_a_row_and_escapes_words(detail: Detail) -> None:
    hostile = Detail("p", "self", ("<b>&", *WORDS_A[1:]), WORDS_B, *_rest(detail))
    rows = align_rows(hostile, None)
    text = str(attention_svg(attention_info(hostile, rows, 0, 1, 0)))
    bars = [rect for rect in ET.fromstring(text).findall(f"{SVG}rect") if rect.get("data-bar")]
    assert len(bars) == 3 * len(rows)
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;" in text


def _rest(detail: Detail) -> tuple[object, ...]:
    return detail.queries, detail.weights_a, detail.weights_b, detail.matches


def test_the_report_finds_candidates_that_contain_each_other() -> None:
    words = ("The", "doctor", "'", "s", "assistant", "called", "the", "doctor")
    weights = np.zeros((1, 1, 1, len(words)), dtype=np.float32)
    matches = tuple((i, i) for i in range(len(words)))
    detail = Detail("p", "self", words, words, ((7, 7),), weights, weights, matches)
    marks = [row.candidate for row in align_rows(detail, ("doctor", "doctor's assistant"))]
    assert marks == [0, 2, 2, 2, 2, 0, 0, 1]
