"""Reading a finished run: what is missing is empty, what is damaged is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from audit.errors import StoreError
from audit.results import Audit
from reports.folder import read_detail, read_folder

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
