"""Batches are a pure function of suite, tokenizer and batch size; what does not fit is skipped and told."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from audit.pairs import Pair
from audit.planning import DEFAULT_BATCH, plan
from tests.audit.fakes import FakeModel, pair

ARMS = (("she", "he"), ("Monday", "Tuesday"))


@st.composite
def suites(draw: st.DrawFn) -> list[Pair]:
    count = draw(st.integers(0, 40))
    return [
        pair(
            f"p{number}",
            suite=draw(st.sampled_from(["jobs", "names"])),
            arms=draw(st.sampled_from(ARMS)),
            more=" x" * draw(st.integers(0, 8)),
        )
        for number in range(count)
    ]


def length(one: Pair) -> int:
    return len(one.a.text.split())


@given(suites(), st.integers(1, 7) | st.none(), st.integers(6, 16))
def test_batches_hold_every_pair_that_fits_once(pairs: list[Pair], size: int | None, window: int) -> None:
    planned = plan(pairs, FakeModel(window), size)
    assert planned == plan(pairs, FakeModel(window), size)
    batched = [one.pair_id for batch in planned.batches for one in batch]
    assert sorted(batched) == sorted(one.pair_id for one in pairs if length(one) <= window)
    assert all(0 < len(batch) <= (size or DEFAULT_BATCH) for batch in planned.batches)
    for batch in planned.batches:
        assert len({(one.suite, one.contrast) for one in batch}) == 1
        assert [length(one) for one in batch] == sorted(length(one) for one in batch)
    assert [record.pair_id for record in planned.records] == [one.pair_id for one in pairs]


@given(suites())
def test_no_batch_mixes_lengths_that_another_batch_separates(pairs: list[Pair]) -> None:
    batches = plan(pairs, FakeModel(), 4).batches
    for before, after in pairwise(batches):
        if (before[0].suite, before[0].contrast) == (after[0].suite, after[0].contrast):
            assert length(before[-1]) <= length(after[0])
            assert len(before) == 4


def test_a_pair_longer_than_the_window_is_skipped_with_its_reason() -> None:
    pairs = [pair("short"), pair("long", more=" x x x")]
    planned = plan(pairs, FakeModel(max_length=6), None)
    assert [[one.pair_id for one in batch] for batch in planned.batches] == [["short"]]
    short, long = planned.records
    assert (short.status, short.reason) == ("measured", None)
    assert (long.status, long.reason) == (
        "skipped",
        "longer than the context window (9 tokens, the model takes 6)",
    )
    assert long.tokens_b == ("nurse", "met", "pilot", ":", "he", "said", "x", "x", "x")


def test_the_longer_text_of_a_pair_counts() -> None:
    planned = plan([pair("p", arms=("she", "he or they"))], FakeModel(max_length=7), None)
    assert planned.records[0].status == "skipped"
    assert plan([pair("p", arms=("she", "he or they"))], FakeModel(max_length=8), None).batches
