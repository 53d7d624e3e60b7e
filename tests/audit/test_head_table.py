"""Head measures by columns: from a frame, a file, and the spool of a run, all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from audit.config import RunConfig
from audit.errors import ShapeError, StoreError
from audit.head_rows import head_table, read_heads
from audit.head_spool import HeadSpool, SpooledHeads
from audit.head_table import HeadTable, PartOfHeads, values_of
from audit.heads import analyse_heads
from audit.records import HEAD_MEASURES, HeadRecord, Stream
from audit.store import write_portions, write_table
from audit.tables import Tables
from tests.audit.fakes import pair
from tests.audit.simulated import CARRIER, simulate

#: suite, pair and the streams that were measured of it.
MEASURED: dict[str, tuple[str, tuple[Stream, ...]]] = {
    "q2": ("names", ("encoder", "cross")),
    "p2": ("jobs", ("encoder",)),
    "q1": ("names", ("cross",)),
    "p1": ("jobs", ("encoder", "cross")),
}
SHAPES = {"encoder": (2, 3), "cross": (1, 4)}


def records() -> Iterator[HeadRecord]:
    rng = np.random.default_rng(0)
    for pair_id, (_, streams) in MEASURED.items():
        for stream in streams:
            bias, jsd = rng.normal(0, 1, (2, *SHAPES[stream]))
            bias[0, 1] = np.nan
            yield HeadRecord(pair_id, stream, {"bias": bias, "jsd": jsd})
            if pair_id != "p2":
                yield HeadRecord(pair_id, stream, {"nie": rng.normal(0, 1, SHAPES[stream])})


def tables() -> Tables:
    made = Tables([pair(pair_id, suite=suite) for pair_id, (suite, _) in MEASURED.items()])
    made.add(records())
    return made


def in_row_groups(frame: pd.DataFrame, folder: Path, rows: int) -> HeadTable:
    write_portions(folder, "heads", (frame[at : at + rows] for at in range(0, len(frame), rows)))
    assert pq.ParquetFile(folder / "heads.parquet").num_row_groups == -(-len(frame) // rows)
    return read_heads(folder / "heads.parquet")


def check(found: HeadTable, expected: pd.DataFrame) -> None:
    """Every number is where a look-up in the rows finds it."""
    assert [(s.suite, s.stream) for s in found.sections] == sorted(product(("jobs", "names"), SHAPES))
    keys = ["suite", "stream", "pair_id", "layer", "head"]
    rows = zip(*(expected[name].tolist() for name in keys), strict=True)
    by_key = dict(zip(rows, expected[[*HEAD_MEASURES]].to_numpy(), strict=True))
    seen = 0
    for section in found.sections:
        assert list(zip(section.layer, section.head, strict=True)) == list(np.ndindex(SHAPES[section.stream]))
        for number, measure in enumerate(HEAD_MEASURES):
            values = found.values(section, measure)
            assert values.dtype == np.float64
            assert values.shape == (len(section.pair_ids), len(section.layer))
            for row, name in enumerate(section.pair_ids):
                for column, place in enumerate(zip(section.layer, section.head, strict=True)):
                    cell = by_key[section.suite, section.stream, name, *place][number]
                    assert values[row, column] == cell or (np.isnan(cell) and np.isnan(values[row, column]))
                    seen += 1
    assert seen == len(expected) * len(HEAD_MEASURES)


def test_a_spool_holds_what_was_measured() -> None:
    check(tables().head_table(), tables().heads())
    of = {(s.suite, s.stream): s.pair_ids for s in tables().head_table().sections}
    assert of["names", "cross"] == ("q2", "q1")
    assert of["jobs", "encoder"] == ("p2", "p1")


@pytest.mark.parametrize("rows", [1, 5, 6, 10, 1000])
def test_a_file_is_read_in_whatever_row_groups(rows: int, tmp_path: Path) -> None:
    frame = tables().heads()
    check(in_row_groups(frame, tmp_path, rows), frame)


@pytest.mark.parametrize("seed", range(5))
def test_rows_may_come_in_any_order(seed: int, tmp_path: Path) -> None:
    frame = tables().heads()
    shuffled = frame.sample(frac=1, random_state=seed, ignore_index=True)
    check(head_table(shuffled), frame)
    check(in_row_groups(shuffled, tmp_path, 7), frame)


def test_heads_that_were_not_measured_are_undefined_not_absent() -> None:
    frame = tables().heads()
    table = head_table(frame[~((frame["pair_id"] == "p1") & (frame["layer"] == 1))])
    (section,) = [s for s in table.sections if (s.suite, s.stream) == ("jobs", "encoder")]
    values = table.values(section, "jsd")
    assert np.isnan(values[section.pair_ids.index("p1")]).tolist() == [False] * 3 + [True] * 3
    assert not np.isnan(values[section.pair_ids.index("p2")]).any()


def test_a_measure_that_is_no_column_is_undefined_throughout(tmp_path: Path) -> None:
    frame = tables().heads().drop(columns="nde")
    for table in (head_table(frame), in_row_groups(frame, tmp_path, 9)):
        assert np.isnan(table.values(table.sections[0], "nde")).all()


def test_pairs_are_found_in_the_order_in_which_they_are_asked_for() -> None:
    table = tables().head_table()
    (section,) = [s for s in table.sections if (s.suite, s.stream) == ("names", "cross")]
    whole = table.values(section, "jsd")
    found = values_of(table, section, "jsd", ["q1", "nobody", "q2", "q1"])
    np.testing.assert_array_equal(found[[0, 2, 3]], whole[[1, 0, 1]])
    assert np.isnan(found[1]).all()
    part = PartOfHeads(table, {"q1", "p2"})
    assert [(s.suite, s.stream, s.pair_ids) for s in part.sections] == [
        ("jobs", "encoder", ("p2",)),
        ("names", "cross", ("q1",)),
    ]
    np.testing.assert_array_equal(part.values(part.sections[1], "jsd"), whole[1:])


def test_statistics_are_those_of_the_frame_bit_for_bit(tmp_path: Path) -> None:
    made = simulate({(0, 0): CARRIER}, seed=3)
    expected = analyse_heads(made.pairs, made.heads, RunConfig())
    assert analyse_heads(made.pairs, in_row_groups(made.heads, tmp_path, 1000), RunConfig()) == expected
    columns = [name for name in HEAD_MEASURES if name in made.heads]
    spool = HeadSpool()
    for name, rows in made.heads.groupby("pair_id", sort=False):
        layers, heads = rows["layer"].max() + 1, rows["head"].max() + 1
        measures = {each: rows[each].to_numpy(dtype=np.float64).reshape(layers, heads) for each in columns}
        spool.add(str(name), HeadRecord(str(name), "self", measures))
    suites = dict(zip(made.pairs["pair_id"], made.pairs["suite"], strict=True))
    assert analyse_heads(made.pairs, SpooledHeads(spool, suites), RunConfig()) == expected


# --- the file -----------------------------------------------------------------------------------------


def test_a_table_written_in_portions_reads_like_one_that_is_written_whole(tmp_path: Path) -> None:
    frame = tables().heads()
    write_table(tmp_path, "whole", frame)
    in_row_groups(frame, tmp_path, 6)
    one, other = (pq.read_schema(tmp_path / f"{name}.parquet") for name in ("whole", "heads"))
    assert one.equals(other, check_metadata=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "heads.parquet"), frame)


def test_portions_are_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tables().heads()
    monkeypatch.setattr("audit.head_frames.ROWS_AT_ONCE", 8)
    portions = [*tables().head_frames()]
    assert [len(portion) for portion in portions] == [10, 10, 10]
    pd.testing.assert_frame_equal(pd.concat(portions, ignore_index=True), whole)


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no such table"), (b"PAR1", "cannot be read ("), (b"", "cannot be read (")],
)
def test_a_file_that_is_none_is_told(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "heads.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StoreError, match="run the audit again") as caught:
        read_heads(file)
    assert str(caught.value).startswith(f"{file}: {why}")


def test_a_damaged_column_and_a_missing_one_are_told(tmp_path: Path) -> None:
    frame, file = tables().heads(), tmp_path / "heads.parquet"
    table = in_row_groups(frame, tmp_path, 1000)
    chunk = pq.ParquetFile(file).metadata.row_group(0).column(list(frame).index("jsd"))
    content = bytearray(file.read_bytes())
    start = chunk.data_page_offset
    content[start : start + chunk.total_compressed_size // 2] = b"\xff" * (chunk.total_compressed_size // 2)
    file.write_bytes(bytes(content))
    table = read_heads(file)
    with pytest.raises(StoreError, match="run the audit again"):
        table.values(table.sections[0], "jsd")
    write_table(tmp_path, "heads", frame.drop(columns="stream"))
    with pytest.raises(StoreError, match="cannot be read"):
        read_heads(file)


# --- the spool ----------------------------------------------------------------------------------------


def one(measures: dict[str, float], shape: tuple[int, int] = (1, 2)) -> HeadRecord:
    return HeadRecord("p", "self", {name: np.full(shape, value) for name, value in measures.items()})


def read(spool: HeadSpool, measure: str) -> list[float]:
    table = SpooledHeads(spool, {"p": "jobs"})
    return table.values(table.sections[0], measure)[0].tolist() if table.sections else []


def test_of_two_records_the_last_counts_and_a_dropped_pair_is_gone() -> None:
    spool = HeadSpool()
    spool.add("p", one({"jsd": 1.0, "bias": 2.0}))
    spool.add("p", one({"nie": 3.0, "jsd": 4.0}))
    assert [read(spool, name) for name in ("jsd", "bias", "nie")] == [[4, 4], [2, 2], [3, 3]]
    assert np.isnan(read(spool, "nde")).all()
    spool.drop("p")
    assert (read(spool, "jsd"), spool.streams("p")) == ([], ())


def test_heads_of_another_shape_are_refused() -> None:
    spool = HeadSpool()
    spool.add("p", one({"jsd": 1.0}))
    with pytest.raises(ShapeError) as caught:
        spool.add("q", one({"jsd": 1.0}, (2, 2)))
    assert str(caught.value) == "pair q, self, jsd: heads of shape [2, 2]; expected [1, 2], as before"


def test_a_spool_leaves_no_file_and_gives_its_place_back(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    spool = HeadSpool(tmp_path)
    spool.add("p", one({"jsd": 1.0}))
    assert [*tmp_path.iterdir()] == []
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    spool.close()
    spool.close()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    spool = HeadSpool(tmp_path)
    with pytest.raises(StoreError) as caught:
        spool.add("p", one({"jsd": 1.0}))
    assert str(caught.value) == (
        f"{tmp_path}: cannot be written (No space left on device); what was measured before is kept"
    )


def test_writes_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole(fd, data[:5], at))
    spool = HeadSpool()
    spool.add("p", one({"jsd": 1.5, "bias": 2.5}))
    assert (read(spool, "jsd"), read(spool, "bias")) == ([1.5, 1.5], [2.5, 2.5])


def test_a_file_without_rows_has_no_sections(tmp_path: Path) -> None:
    write_portions(tmp_path, "heads", Tables([]).head_frames())
    assert list(read_heads(tmp_path / "heads.parquet").sections) == []
