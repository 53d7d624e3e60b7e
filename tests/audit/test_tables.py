"""The three tables: columns and types as the contract has them, nulls where something is undefined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.pairs import Pair
from audit.records import HEAD_MEASURES, DetailRecord, HeadRecord, OutputRecord, PairRecord, Stream
from audit.results import Reason
from audit.store import write_table
from audit.tables import Tables
from tests.audit.fakes import pair

PAIR_COLUMNS = [
    *("suite", "pair_id", "source_row", "axis", "kind", "control", "cluster", "item", "order", "directed"),
    *("arm_a", "arm_b", "group_a", "group_b", "text_a", "text_b", "tokens_a", "tokens_b"),
    *("completion_1", "completion_2", "candidate_1", "candidate_2", "gold", "attributes", "task", "file"),
    *("line", "status", "reason"),
]
OUTPUT_COLUMNS = ["suite", "pair_id", "source_row", "arm", "measure", "value", "text"]
HEAD_COLUMNS = [
    *("suite", "pair_id", "stream", "layer", "head"),
    *("jsd", "total_variation", "value_weighted", "coref_a", "coref_b", "coref_a_next", "coref_b_next"),
    *("mass_a", "mass_b", "bias", "bias_next", "nie", "nde", "nie_next", "nde_next"),
    *("zero", "mean", "uniform", "zero_next", "mean_next", "uniform_next"),
]
WHOLE_NUMBERS = {"source_row", "order", "line", "layer", "head"}


def filled() -> Tables:
    pairs = [pair("p1", source_row=4), pair("p2", kind="control", arms=("Monday", "Tuesday")), pair("p3")]
    tables = Tables(pairs)
    tables.add([PairRecord("p1", "measured", None, ("a", " b"), ("a", " c"))])
    tables.add([PairRecord("p2", "skipped", "too long"), PairRecord("p3", "measured")])
    tables.add(
        [
            OutputRecord("p3", "he", "generation", 3.0, "said no"),
            OutputRecord("p1", "she", "log_likelihood", -12.5),
            OutputRecord("p1", "he", "log_likelihood", None, reason="no BOS"),
        ]
    )
    grid = np.arange(6, dtype=np.float64).reshape(2, 3)
    tables.add([HeadRecord("p3", "self", {"jsd": grid}, {"bias": "undirected"}, unaligned_words=2)])
    tables.add([HeadRecord("p1", "self", {"jsd": grid, "bias": np.full((2, 3), np.nan)}, unaligned_words=1)])
    tables.add([HeadRecord("p1", "self", {"nie": grid * 2})])
    return tables


def parquet(folder: Path, name: str, frame: pd.DataFrame) -> pa.Table:
    write_table(folder, name, frame)
    return pq.read_table(folder / f"{name}.parquet")


def kind(table: pa.Table, column: str) -> str:
    of = table.schema.field(column).type
    if pa.types.is_string(of) or pa.types.is_large_string(of):
        return "text"
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return "list"
    return str(of)


@pytest.mark.parametrize("tables", [filled(), Tables([])], ids=["filled", "empty"])
def test_columns_and_types_are_those_of_the_contract(tables: Tables, tmp_path: Path) -> None:
    pairs = parquet(tmp_path, "pairs", tables.pairs())
    assert pairs.column_names == PAIR_COLUMNS
    lists = {"tokens_a", "tokens_b"} if len(pairs) else set()
    for column in {*PAIR_COLUMNS} - {"tokens_a", "tokens_b", "directed", *WHOLE_NUMBERS}:
        assert kind(pairs, column) == "text", column
    assert all(kind(pairs, column) == "list" for column in lists)
    assert kind(pairs, "directed") == "bool"
    outputs = parquet(tmp_path, "outputs", tables.outputs())
    assert outputs.column_names == OUTPUT_COLUMNS
    assert kind(outputs, "value") == "double"
    assert all(kind(outputs, c) == "text" for c in ("suite", "pair_id", "arm", "measure", "text"))
    heads = parquet(tmp_path, "heads", tables.heads())
    assert heads.column_names == HEAD_COLUMNS
    assert HEAD_COLUMNS[5:] == list(HEAD_MEASURES)
    assert all(kind(heads, c) == "text" for c in ("suite", "pair_id", "stream"))
    assert all(kind(heads, c) == "double" for c in HEAD_MEASURES)
    for table in (pairs, outputs, heads):
        assert all(kind(table, c) == "int64" for c in WHOLE_NUMBERS & {*table.column_names})


def test_undefined_values_are_null_and_never_nan(tmp_path: Path) -> None:
    tables = filled()
    pairs = parquet(tmp_path, "pairs", tables.pairs()).to_pylist()
    assert [row["source_row"] for row in pairs] == [4, None, None]
    assert [row["control"] for row in pairs] == [None, "neutral", None]
    assert [row["reason"] for row in pairs] == [None, "too long", None]
    assert [row["completion_1"] for row in pairs] == [" pilot", None, " pilot"]
    outputs = parquet(tmp_path, "outputs", tables.outputs()).to_pylist()
    assert [row["value"] for row in outputs] == [-12.5, None, 3.0]
    assert [row["text"] for row in outputs] == [None, None, "said no"]
    heads = parquet(tmp_path, "heads", tables.heads())
    for table in (heads, parquet(tmp_path, "outputs", tables.outputs())):
        for column in table.columns:
            if pa.types.is_floating(column.type):
                assert not any(value != value for value in column.to_pylist())
    assert heads["bias"].null_count == len(heads)
    assert heads["nie"].null_count == 6


def test_pairs_keep_their_order_tokens_and_words() -> None:
    frame = filled().pairs()
    assert frame["pair_id"].tolist() == ["p1", "p2", "p3"]
    assert frame["tokens_a"].tolist() == [["a", " b"], [], []]
    first = frame.iloc[0]
    assert (first["candidate_1"], first["candidate_2"], first["completion_2"]) == ("nurse", "pilot", " nurse")
    assert (first["text_a"], first["text_b"]) == ("nurse met pilot : she said", "nurse met pilot : he said")
    assert (first["group_a"], first["group_b"], first["file"], first["line"]) == (
        "female",
        "male",
        "jobs.yaml",
        7,
    )


def test_a_pair_of_a_public_set_carries_what_the_set_says_of_it() -> None:
    plain = pair("p1", source_row=4)
    own = replace(
        plain,
        b=replace(plain.b, source_row=7),
        gold="pilot",
        attributes={"bls_pct_female": 40.34, "label": "é"},
    )
    tables = Tables([own])
    tables.add([OutputRecord("p1", arm, "log_likelihood", -1.0) for arm in ("she", "he")])
    row = tables.pairs().iloc[0]
    assert (row["source_row"], row["gold"]) == (4, "pilot")
    assert row["attributes"] == '{"bls_pct_female": 40.34, "label": "é"}'
    assert tables.outputs()["source_row"].tolist() == [4, 7]


def test_rows_follow_the_order_of_the_suite_and_carry_its_rows() -> None:
    tables = filled()
    assert tables.outputs()[["pair_id", "arm"]].to_numpy().tolist() == [
        ["p1", "she"],
        ["p1", "he"],
        ["p3", "he"],
    ]
    assert tables.outputs()["source_row"].tolist()[:2] == [4, 4]
    heads = tables.heads()
    assert heads["pair_id"].tolist() == ["p1"] * 6 + ["p3"] * 6
    assert heads["layer"].tolist()[:6] == [0, 0, 0, 1, 1, 1]
    assert heads["head"].tolist()[:6] == [0, 1, 2, 0, 1, 2]
    assert heads["jsd"].tolist()[:6] == [0, 1, 2, 3, 4, 5]
    assert heads["nie"].tolist()[:6] == [0, 2, 4, 6, 8, 10]


def test_reasons_are_gathered_with_their_pairs() -> None:
    tables = filled()
    assert tables.unaligned_words == 3
    assert tables.reasons() == (
        Reason(reason="bias: undirected", count=1, pair_ids=("p3",)),
        Reason(reason="log_likelihood: no BOS", count=1, pair_ids=("p1",)),
    )


def test_a_pair_measured_twice_counts_once() -> None:
    tables = Tables([pair("p1")])
    for _ in range(2):
        tables.add([HeadRecord("p1", "self", {"jsd": np.zeros((1, 1))}, {"bias": "x"}, unaligned_words=2)])
    assert (len(tables.heads()), tables.unaligned_words, tables.reasons()[0].count) == (1, 2, 1)


def test_a_dropped_pair_leaves_nothing_but_its_row() -> None:
    tables = filled()
    tables.drop("p1")
    tables.drop("p3")
    assert len(tables.outputs()) == len(tables.heads()) == 0
    assert (tables.reasons(), tables.unaligned_words) == ((), 0)
    assert tables.pairs()["pair_id"].tolist() == ["p1", "p2", "p3"]


def test_a_pair_without_a_word_on_it_failed() -> None:
    row = Tables([pair("p1")]).pairs().iloc[0]
    assert (row["status"], row["reason"]) == ("failed", "not measured: the run ended early")


def test_streams_are_kept_apart_and_details_refused() -> None:
    tables = Tables([pair("p1")])
    streams: tuple[Stream, ...] = ("cross", "self")
    for stream in streams:
        tables.add([HeadRecord("p1", stream, {"jsd": np.ones((1, 1))})])
    assert tables.heads()["stream"].tolist() == ["self", "cross"]
    weights = np.zeros((1, 1, 1, 1), dtype=np.float32)
    with pytest.raises(TypeError, match=r"^details are written to the run folder, not into tables$"):
        tables.add([DetailRecord("p1", "self", (), (), (), weights, weights, ())])


def test_every_mention_may_be_absent() -> None:
    from dataclasses import replace

    bare = pair("p1")
    bare = replace(bare, a=replace(bare.a, mentions={}), b=replace(bare.b, mentions={}))
    frame = Tables([bare]).pairs()
    assert frame[["candidate_1", "candidate_2"]].isna().all().all()


def test_two_suites_fill_one_table() -> None:
    pairs: list[Pair] = [pair("p1"), pair("q1", suite="names")]
    tables = Tables(pairs)
    tables.add([OutputRecord("q1", "she", "m", 1.0), OutputRecord("p1", "she", "m", 2.0)])
    assert tables.outputs()[["suite", "pair_id"]].to_numpy().tolist() == [["jobs", "p1"], ["names", "q1"]]
