"""All pairs as columns: nothing lost, texts laid over each other, numbers rounded, hostile text harmless."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.results import Audit
from audit.results.visible import visible
from reports.folder import read_folder
from reports.packed import packed
from reports.pair_columns import BETWEEN, CLOSE, OPEN, coded, laid_over, pair_columns
from reports.pair_heads import PairHeads, pair_heads
from reports.pair_table import MOST_PLAIN, pair_table, shortened, worst_pairs
from reports.total_effects import total_effects

Runs = dict[str, tuple[Path, Audit]]
MARKS = (OPEN, BETWEEN, CLOSE)


def unpacked(data: str) -> Any:
    """What the page's script reads, by another way."""
    return json.loads(zlib.decompress(base64.b64decode(data), -zlib.MAX_WBITS))


def sides(merged: str) -> tuple[str, str]:
    """Both texts of two that are laid over each other."""
    a = b = ""
    for at, part in enumerate(merged.split(OPEN)):
        if at:
            (first, rest) = part.split(BETWEEN)
            second, same = rest.split(CLOSE)
            a, b = a + first + same, b + second + same
        else:
            a, b = a + part, b + part
    return a, b


@pytest.fixture
def columns(runs: Runs) -> dict[str, Any]:
    run = read_folder(*runs["fail"])
    return pair_columns(run.pairs, run.outputs, total_effects(run), pair_heads(run))


def test_every_pair_is_there_with_its_own_numbers(runs: Runs, columns: dict[str, Any]) -> None:
    run = read_folder(*runs["fail"])
    effects = total_effects(run)
    assert columns["size"] == len(run.pairs) == 362
    assert columns["id"] == run.pairs["pair_id"].tolist()
    for at, pair in enumerate(run.pairs.itertuples()):
        assert sides(columns["prompt"][at]) == (pair.text_a, pair.text_b)
        for name in ("suite", "kind", "cluster", "arm_a", "status", "file", "reason"):
            names, codes = columns["names"][name]
            found = names[codes[at]] if codes[at] >= 0 else None
            assert found == (None if pd.isna(getattr(pair, name)) else getattr(pair, name))
        effect = effects.get(pair.pair_id)
        assert columns["effect"][at] == (None if effect is None else round(1000 * effect))


def test_values_and_texts_of_both_arms_stand_at_their_pair(runs: Runs, columns: dict[str, Any]) -> None:
    run = read_folder(*runs["fail"])
    wanted = run.outputs.set_index(["pair_id", "arm", "measure"])
    (likelihood,) = [each for each in columns["values"] if each["name"] == "Likelihood of the texts"]
    (said,) = columns["texts"]
    assert said["name"] == "What the model wrote"
    for at in (0, 5, 10, 361):
        pair = run.pairs.iloc[at]
        for side, arm in enumerate((pair["arm_a"], pair["arm_b"])):
            if pair["status"] != "measured":
                assert likelihood["sides"][side][at] is None
                assert said["merged"][at] is None
                continue
            value = wanted.loc[(pair["pair_id"], arm, "log_likelihood"), "value"]
            text = wanted.loc[(pair["pair_id"], arm, "generation"), "text"]
            assert likelihood["sides"][side][at] == round(1000 * float(value))
            assert sides(said["merged"][at])[side] == visible(str(text)).removeprefix(" ")


def test_packing_gives_back_what_went_in(columns: dict[str, Any]) -> None:
    assert unpacked(packed(columns)) == columns
    assert unpacked(packed(["half \ud83d of a pair"])) == ["half ? of a pair"]
    assert not set(packed(columns)) & set("<>&\"'")


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_texts_laid_over_each_other_come_apart_again(a: str, b: str) -> None:
    (merged,) = laid_over([a], [b])
    assert merged is not None
    assert sides(merged) == (visible(a), visible(b))


@given(st.text(max_size=40), st.text(max_size=40), st.integers(1, 20))
def test_cut_texts_are_beginnings(a: str, b: str, most: int) -> None:
    (merged,) = laid_over([a], [b])
    cut = shortened(merged, most)
    assert cut is not None
    for whole, part in zip((visible(a), visible(b)), sides(cut), strict=True):
        assert part == whole or whole.startswith(part.split("…")[0])
        assert len(part) <= len(whole) + 2


def test_a_missing_side_is_none_and_a_missing_name_has_no_place() -> None:
    assert laid_over(["a", None], [None, "b"]) == [None, None]
    assert coded(pd.Series(["b", None, "b", "a"])) == [["b", "a"], [0, -1, 0, 1]]


def test_a_tight_budget_cuts_texts_and_says_so(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    effects, none = total_effects(run), PairHeads({}, {})
    whole = pair_table(run, effects, none, budget=2_000_000)
    assert whole.cut is None
    tight = pair_table(run, effects, none, budget=len(whole.data) - 1)
    assert tight.cut is not None
    assert len(tight.data) < len(whole.data)
    assert unpacked(tight.data)["size"] == whole.total == 362


def test_failed_pairs_come_first_and_then_the_largest_effects(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    pairs = run.pairs.copy()
    pairs.loc[[50, 70], "status"] = "failed"
    effects = total_effects(run)
    worst = worst_pairs(pairs, effects)
    assert len(worst) == MOST_PLAIN == 200
    assert [row.pair.pair_id for row in worst[:2]] == pairs["pair_id"].iloc[[50, 70]].tolist()
    sizes = [abs(row.effect) for row in worst[2:] if row.effect is not None]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == effects.drop(pairs["pair_id"].iloc[[50, 70]], errors="ignore").abs().max()


def test_a_folder_without_pairs_has_an_empty_table(runs: Runs) -> None:
    run = read_folder(*runs["empty"])
    table = pair_table(run, total_effects(run), pair_heads(run), budget=2_000_000)
    assert (table.total, table.worst) == (0, ())
    assert unpacked(table.data)["size"] == 0
