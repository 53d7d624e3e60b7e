"""CSV tables: all rows, numbers as numbers, nothing computed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.results import Audit
from reports.spreadsheet import CsvReport, as_csv, harmless
from tests.reports.edge_runs import EDGES, Edge, write_edge

Runs = dict[str, tuple[Path, Audit]]


def tables(folder: Path, audit: Audit) -> dict[str, pd.DataFrame]:
    paths = CsvReport().render(folder, audit)
    assert [path.parent.name for path in paths] == ["csv"] * 4
    return {path.stem: pd.read_csv(path, encoding="utf-8-sig") for path in paths}


def test_all_that_was_found_is_there(runs: Runs, tmp_path: Path) -> None:
    audit = write_edge(tmp_path, "all failed")
    found = tables(tmp_path, audit)
    assert {name: len(table) for name, table in found.items()} == {
        **{"checks": 2, "findings": len(audit.findings), "heads": len(audit.heads), "pairs": 6}
    }
    heads = found["heads"]
    assert list(heads["bias.estimate"]) == [head.bias.estimate for head in audit.heads]
    assert list(heads["label"]) == [head.label for head in audit.heads]
    assert list(heads["flagged"]) == ["yes" if head.flagged else "no" for head in audit.heads]
    assert set(heads["contrast"]) == {"she; he"}
    assert list(found["checks"]["estimate.ci_low"].dropna()) == [audit.gate.checks[1].estimate.ci_low]
    assert found["pairs"]["total_effect"].notna().all()
    assert set(found["pairs"]["line"]) == {12}
    assert found["pairs"]["anchor"][0] == f"pair-gender-occupation-{found['pairs']['pair_id'][0]}"


def test_what_is_undefined_is_empty_with_its_reason(runs: Runs, tmp_path: Path) -> None:
    found = tables(tmp_path, write_edge(tmp_path, "all failed"))["findings"]
    row = found[(found["measure"] == "pct_stereotype") & (found["control"] == "same-group")].iloc[0]
    assert pd.isna(row["estimate"])
    assert row["reason"] == "the suite ties neither text to an arm"


@pytest.mark.parametrize("edge", EDGES)
def test_all_four_are_there_at_the_edges(edge: Edge, tmp_path: Path) -> None:
    found = tables(tmp_path, write_edge(tmp_path, edge))
    assert list(found) == ["checks", "findings", "heads", "pairs"]
    assert all(len(table.columns) > 5 for table in found.values())


def test_an_empty_audit_has_titles(runs: Runs, tmp_path: Path) -> None:
    assert {len(table) for table in tables(tmp_path, runs["empty"][1]).values()} == {0}


@given(st.lists(st.text(), min_size=1))
def test_no_text_is_a_formula_and_no_cell_is_split(texts: list[str]) -> None:
    content = as_csv([texts])
    assert content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert row == [harmless(text) for text in texts]
    assert not any(cell.lstrip()[:1] in tuple("=+-@＝＋－＠") for cell in row)
    assert not any(cell[:1] in ("\t", "\r", "\n") for cell in row)


@given(st.one_of(st.floats(allow_nan=False), st.integers()))
def test_numbers_stay_numbers(value: float) -> None:
    ((cell,),) = csv.reader(io.StringIO(as_csv([[value]]).decode("utf-8-sig")))
    assert float(cell) == float(value)


def test_a_cell_is_no_longer_than_a_spreadsheet_takes() -> None:
    assert len(harmless("w" * 50_000)) == 32_001
