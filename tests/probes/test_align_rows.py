"""The rows that are read, whatever the tokenizer: what is compared, and that mentions are the same in either text."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.config import RunConfig
from audit.coreference import token_indices
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.protocols import Encoding, HeadChoice
from probes.attention import AttentionProbe
from probes.model import LoadedModel
from probes.preparation import prepare
from probes.rows import RowPlan, plan_rows
from tests.audit.cut_texts import KINDS, STRETCHES, SWAPS, encode, write
from tests.probes import tiny

FEW = settings(max_examples=30, deadline=None)


def planned(kind: str, pair: Pair, family: str = "decoder") -> RowPlan:
    """The rows of a pair in a model of which only the tokenizer matters."""
    known = {text.text: encode(kind, text.text) for text in (pair.a, pair.b)}
    return planned_with(known, pair, family)


def planned_with(known: dict[str, Encoding], pair: Pair, family: str) -> RowPlan:
    stub = SimpleNamespace(
        encode=known.__getitem__,
        family=family,
        head="causal-lm" if family == "decoder" else "none",
        last_read=lambda ids: len(ids) - 1,
        classifies_at_start=False,
    )
    return plan_rows(cast(LoadedModel, cast(Any, stub)), pair)


def pair_of(a: Text, b: Text) -> Pair:
    return replace(tiny.pair(), a=a, b=b, completions=None)


def at(texts: Text, **words: str) -> Text:
    """Name the first place of some words."""
    spans = {
        name: (texts.text.index(word), texts.text.index(word) + len(word)) for name, word in words.items()
    }
    return replace(texts, mentions=spans)


@st.composite
def named(draw: st.DrawFn) -> Pair:
    """Two candidates, what is between them, and a swap; the first swap names the pronoun."""
    nouns = draw(
        st.lists(
            st.sampled_from(["医生", "护士", "doctor", "nurse", "רופא", "หมอ"]),
            min_size=2,
            max_size=2,
            unique=True,
        )
    )
    gaps = [draw(st.sampled_from(STRETCHES)) for _ in range(4)]
    before = gaps[0] + nouns[0] + gaps[1] + nouns[1] + gaps[2]
    sides = []
    for word in draw(st.lists(st.sampled_from([swap for swap in SWAPS if swap]), min_size=2, max_size=2)):
        one = write([before, gaps[3]], [word])
        starts = len(gaps[0]), len(gaps[0] + nouns[0] + gaps[1])
        spans = [(start, start + len(noun)) for start, noun in zip(starts, nouns, strict=True)]
        sides.append(
            replace(one, mentions={PRONOUN: one.swap[0], CANDIDATE_1: spans[0], CANDIDATE_2: spans[1]})
        )
    return pair_of(*sides)


def spelled(text: str, encoding: Encoding, tokens: tuple[int, ...]) -> str:
    places = {place for token in tokens for place in range(*encoding.offsets[token])}
    return "".join(text[place] for place in sorted(places)).strip()


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(pair=named())
def test_candidates_are_the_same_characters_in_either_text(kind: str, pair: Pair) -> None:
    plan = planned(kind, pair)
    for name, mention in (("first", CANDIDATE_1), ("second", CANDIDATE_2)):
        tokens = [getattr(read, name) for read in (plan.a, plan.b)]
        for read, own in zip((plan.a, plan.b), tokens, strict=True):
            assert {*token_indices(read.text.mentions[mention], read.encoding)} <= {*own}
        texts = [
            spelled(r.text.text, r.encoding, own) for r, own in zip((plan.a, plan.b), tokens, strict=True)
        ]
        # What a token covers together with the swapped word differs as that does.
        if not any({*own} & {*read.pronoun} for read, own in zip((plan.a, plan.b), tokens, strict=True)):
            assert "".join(texts[0].split()) == "".join(texts[1].split())


@pytest.mark.parametrize("family", ["decoder", "encoder"])
@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(pair=named())
def test_exchanging_the_texts_mirrors_the_rows(kind: str, family: str, pair: Pair) -> None:
    found = planned(kind, pair, family)
    back = planned(kind, replace(pair, a=pair.b, b=pair.a), family)
    assert back.queries == tuple((b, a) for a, b in found.queries)
    assert (back.a, back.b) == (found.b, found.a)


def test_a_candidate_that_one_text_cuts_elsewhere_is_read_with_its_neighbour_in_both() -> None:
    a = at(Text("x", "g", "医生说护士他", ((5, 6),)), pronoun="他", candidate_1="医生", candidate_2="护士")
    b = at(Text("x", "g", "医生说护士她", ((5, 6),)), pronoun="她", candidate_1="医生", candidate_2="护士")
    cut_a = Encoding((1, 2, 3, 4), ("医生", "说", "护士", "他"), ((0, 2), (2, 3), (3, 5), (5, 6)))
    cut_b = Encoding((5, 6, 7, 8), ("医", "生说", "护士", "她"), ((0, 1), (1, 3), (3, 5), (5, 6)))
    plan = planned_with({a.text: cut_a, b.text: cut_b}, pair_of(a, b), "decoder")
    assert (plan.a.first, plan.b.first) == ((0, 1), (0, 1))
    assert (plan.a.second, plan.b.second) == ((2,), (2,))


def test_a_decoder_compares_nothing_before_a_swap_that_one_arm_leaves_out() -> None:
    a, b = write(["The ", "nurse left"], [""]), write(["The ", "nurse left"], ["Black "])
    plan = planned("whitespace", pair_of(a, b))
    assert plan.queries == (((1,), (2,)), ((2,), (3,)))


def test_a_suffix_that_one_arm_leaves_out_is_compared_with_its_word() -> None:
    a, b = write(["un étudiant", " parle"], [""]), write(["un étudiant", " parle"], ["e"])
    plan = planned("whitespace", pair_of(a, b))
    assert plan.alignment.swapped == ((1, 1),)
    assert plan.queries == (((1,), (1,)), ((2,), (2,)))


def test_rows_are_not_exchanged_where_tokens_have_moved() -> None:
    model = tiny.decoder()
    a = write(["The ", " asked the ", " . She"], ["nurse", "hairdresser"])
    b = write(["The ", " asked the ", " . She"], ["hairdresser", "nurse"])
    pairs = [
        replace(tiny.pair(), a=at(one, pronoun="She"), b=at(two, pronoun="She")) for one, two in ((a, b),)
    ]
    assert len(model.encode(a.text).ids) == len(model.encode(b.text).ids)
    _, reasons = prepare(model, pairs)
    assert reasons == {
        "p": "attention rows cannot be exchanged: the texts differ in other tokens than the swapped words'"
    }


def test_texts_that_differ_in_spaces_alone_have_no_rows_to_exchange() -> None:
    pair = tiny.pair()
    a, b = (
        replace(text, text=words, swap=()) for text, words in ((pair.a, "She said"), (pair.b, "She  said"))
    )
    assert prepare(tiny.decoder(), [replace(pair, a=a, b=b)])[1] == {
        "p": "attention rows cannot be exchanged: the texts differ in nothing but spaces"
    }


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        (("plum", "ber"), None),
        (("hair", "hairdresser"), "one token is part of both candidates"),
        (("nurse", "She"), "one token is part of the pronoun and of a candidate"),
    ],
)
def test_tokens_that_are_part_of_two_mentions_are_not_scored(
    candidates: tuple[str, str], reason: str | None
) -> None:
    texts = [
        at(text, pronoun=word, candidate_1=candidates[0], candidate_2=candidates[1].replace("She", word))
        for text, word in (
            (write(["The hairdresser told the plumber a nurse ", ""], [word]), word) for word in ("She", "He")
        )
    ]
    pair = replace(pair_of(*texts), directed=True)
    (record,) = AttentionProbe().measure(tiny.decoder(), [pair], RunConfig(), HeadChoice())
    assert record.reasons.get("bias") == reason
    assert ("bias" in record.measures) == (reason is None)
    assert np.isfinite(record.measures["jsd"]).all()
