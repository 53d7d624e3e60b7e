"""The strongest heads of a pair and the strongest pairs of a head, against a slow way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from audit.results import Audit
from reports.folder import read_folder
from reports.head_groups import head_groups
from reports.head_pages import estimate_lines, head_pages
from reports.pair_heads import HEADS_OF_A_PAIR, PAIRS_OF_A_HEAD, pair_heads
from tests.reports.test_pair_columns import unpacked

Runs = dict[str, tuple[Path, Audit]]
SUITE = "gender-occupation"


def test_the_strongest_heads_of_every_pair(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    rows = pd.read_parquet(runs["fail"][0] / "heads.parquet")
    found = pair_heads(run).of_pair
    assert len(found) == rows["pair_id"].nunique() == 12
    for (suite, name), heads in found.items():
        own = rows[(rows["pair_id"] == name) & (rows["suite"] == suite)]
        top = own.reindex(own["bias"].abs().sort_values(ascending=False).index)[:HEADS_OF_A_PAIR]
        assert [head.name for head in heads] == [f"{r.layer}-{r.head}" for r in top.itertuples()]
        assert [head.bias for head in heads] == top["bias"].tolist()
        assert [head.nie for head in heads] == top["nie"].tolist()


def test_the_strongest_pairs_of_every_head(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    rows = pd.read_parquet(runs["fail"][0] / "heads.parquet")
    found = pair_heads(run).of_head
    assert len(found) == 270
    for layer, head in ((0, 0), (15, 7), (29, 8)):
        own = rows[(rows["layer"] == layer) & (rows["head"] == head)]
        top = own.reindex(own["bias"].abs().sort_values(ascending=False).index)[:PAIRS_OF_A_HEAD]
        pairs = found[SUITE, ("she", "he"), "self", layer, head]
        assert [pair.pair_id for pair in pairs] == top["pair_id"].tolist()
        assert [pair.bias for pair in pairs] == top["bias"].tolist()


def test_without_a_table_there_is_nothing(runs: Runs) -> None:
    assert pair_heads(read_folder(*runs["empty"])) == ({}, {})


def test_undefined_biases_are_no_strength(runs: Runs, tmp_path: Path) -> None:
    folder, audit = runs["fail"]
    rows = pd.read_parquet(folder / "heads.parquet").assign(bias=float("nan"))
    rows.to_parquet(tmp_path / "heads.parquet")
    found = pair_heads(replace(read_folder(folder, audit), path=tmp_path))
    assert found.of_pair == {}
    assert set(found.of_head.values()) == {()}


def test_the_page_of_a_head_tells_every_estimate(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    groups = head_groups(run.audit.heads)
    (group,) = unpacked(head_pages(run, groups, pair_heads(run)))
    assert group["prefix"] == "head-gender-occupation-she-he-"
    assert len(group["heads"]) == 270
    page = group["heads"]["15-7"]
    finding = next(head for head in run.audit.heads if (head.layer, head.head) == (15, 7))
    assert page["label"] == "carries"
    assert page["reasons"] == list(finding.reasons)
    lines = {line[0]: line for line in page["estimates"]}
    assert lines["Signed bias, from the swapped word"][1] == f"+{finding.bias.estimate:.3f}"
    assert lines["Signed bias, from the swapped word"][3] == "99.95 %"
    assert lines["Causal effect (NIE, nats), from the last word"][7].startswith("not measured: causal effect")
    assert len(page["pairs"]) == PAIRS_OF_A_HEAD
    assert all(anchor.startswith("pair-gender-occupation-") for anchor, _, _ in page["pairs"])


def test_what_was_never_estimated_is_left_out(runs: Runs) -> None:
    finding = runs["fail"][1].heads[0]
    names = [line.name for line in estimate_lines(finding)]
    assert "Coreference accuracy" not in names
    assert "Total variation" not in names
    known = finding.model_copy(update={"total_variation": 0.25})
    assert estimate_lines(known)[-1][:2] == ("Total variation", "0.250")


@pytest.mark.parametrize("sample", ["error", "empty"])
def test_runs_without_heads_have_no_pages(runs: Runs, sample: str) -> None:
    run = read_folder(*runs[sample])
    assert unpacked(head_pages(run, head_groups(run.audit.heads), pair_heads(run))) == []
