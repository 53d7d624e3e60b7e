"""Reading a finished run: what is missing is empty, what is damaged is named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from audit.errors import StoreError
from audit.results import Audit
from reports.folder import read_detail, read_folder
from reports.html import render_page

Runs = dict[str, tuple[Path, Audit]]


def test_reads_what_the_runner_wrote(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    detail = run.details["seed-doctor-nurse"]
    assert len(run.pairs) == 362
    assert detail.words_a[-1] == "She"
    assert detail.weights_a.shape == (30, 9, 9, 9)
    assert detail.weights_a.sum(axis=-1) == pytest.approx(1, abs=0.01)
    assert len(run.manifest_sha256 or "") == 64


def test_reads_head_measures_of_the_asked_pairs_only(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    assert set(run.heads_of(["seed-doctor-nurse"])["pair_id"]) == {"seed-doctor-nurse"}
    assert run.heads_of([]).empty


def test_head_measures_are_found_in_every_row_group(runs: Runs, tmp_path: Path) -> None:
    folder, audit = runs["fail"]
    whole = pd.read_parquet(folder / "heads.parquet")
    names = whole["pair_id"].unique()[[3, 0, 1]].tolist()
    for groups in (50, 7, 1):
        whole.to_parquet(tmp_path / "heads.parquet", index=False, row_group_size=-(-len(whole) // groups))
        found = read_folder(tmp_path, audit).heads_of(names)
        expected = whole[whole["pair_id"].isin(names)].reset_index(drop=True).reindex(columns=found.columns)
        pd.testing.assert_frame_equal(found, expected)
    assert read_folder(tmp_path, audit).heads_of(["nobody"]).empty
    whole.drop(columns="pair_id").to_parquet(tmp_path / "heads.parquet")
    with pytest.raises(StoreError, match=r"heads\.parquet: cannot be read as a table"):
        read_folder(tmp_path, audit).heads_of(names)


def test_missing_tables_are_empty(runs: Runs) -> None:
    run = read_folder(*runs["empty"])
    assert (len(run.pairs), len(run.outputs), run.details, run.manifest_sha256) == (0, 0, {}, None)


def test_damaged_table_is_named(runs: Runs, tmp_path: Path) -> None:
    folder, audit = runs["fail"]
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "pairs.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(StoreError, match=r"pairs\.parquet: cannot be read as a table"):
        read_folder(tmp_path / "run", audit)


def test_damaged_detail_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(StoreError, match=r"p\.npz: cannot be read as kept attention"):
        read_detail(path)


@pytest.mark.parametrize(
    "name", ["manifest.json", "pairs.parquet", "outputs.parquet", "heads.parquet", "detail"]
)
def test_what_the_folder_lacks_is_said_on_the_page(runs: Runs, tmp_path: Path, name: str) -> None:
    folder, audit = runs["fail"]
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns(name))
    run = read_folder(tmp_path / "run", audit)
    assert [lacking.rstrip("/") for lacking in run.missing] == [name]
    page = render_page(run)
    assert f"This folder is incomplete: <code>{run.missing[0]}</code>" in page
    assert "not measured to be empty" in page
    assert "No pair was measured" not in page
    in_place = '<p class="missing"><strong><code>'
    assert page.count(in_place) == name.endswith(".parquet")


def test_a_whole_folder_lacks_nothing(runs: Runs) -> None:
    run = read_folder(*runs["fail"])
    assert run.missing == ()
    assert 'class="missing"' not in render_page(run)


def test_attention_that_nobody_asked_for_is_not_missing(runs: Runs, tmp_path: Path) -> None:
    folder, audit = runs["fail"]
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("detail"))
    none_asked = audit.model_copy(update={"config": {**audit.config, "detail": 0}})
    assert read_folder(tmp_path / "run", none_asked).missing == ()


def test_a_table_without_rows_is_not_missing(runs: Runs) -> None:
    run = read_folder(*runs["pass"])
    page = render_page(replace(run, pairs=run.pairs.head(0), outputs=run.outputs.head(0), details={}))
    assert "No pair was measured" in page
    assert 'class="missing"' not in page
