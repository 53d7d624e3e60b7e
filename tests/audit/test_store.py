"""A run folder is written whole or not at all, and what cannot be read is told in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import store
from audit.errors import EvenhandError, InputError, StoreError
from audit.records import DetailRecord
from audit.results import Audit, Coverage, Gate, ModelInfo, Verdict
from audit.store import check_target, open_run, write_audit, write_detail, write_json, write_table
from tests.folders import listing

MODEL = ModelInfo(
    **{"name": "m", "family": "decoder", "architecture": "A", "dtype": "float32", "device": "cpu"},
    **{"layers": 1, "heads": 1, "parameters": 1, "vocabulary": 1, "context": 1, "bos": True},
    **{"attention_route": "r", "hashes": {}, "self_test": ()},
)
AUDIT = Audit(
    verdict=Verdict.PASS,
    model=MODEL,
    suites=(),
    config={},
    environment={"words": "naïve ☂"},
    coverage=Coverage(planned=0, measured=0, skipped=0, failed=0),
    findings=(),
    heads=(),
    gate=Gate(verdict=Verdict.PASS, checks=(), why="."),
)


def denied(*_args: Any, **_kwargs: Any) -> Any:
    raise PermissionError(13, "Permission denied", "x")


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        check_target(path)
    return str(caught.value)


def test_a_target_is_checked_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = tmp_path, tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").touch()
    (folder / "empty").mkdir()
    before = listing(folder)
    for fine in (run, folder / "empty", folder / "absent", folder / "a" / "b"):
        check_target(fine)
    assert listing(folder) == before
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("years of work", encoding="utf-8")
    assert refused(folder / "foreign") == (
        f"{folder}/foreign: holds files that are not a run; choose another folder with --out"
    )
    file = folder / "foreign" / "thesis.txt"
    assert refused(file) == f"{file}: is a file; expected a folder for the run"
    assert refused(file / "run") == f"{file}/run: cannot be written (Not a directory); choose another --out"
    monkeypatch.setattr(store.tempfile, "TemporaryDirectory", denied)
    assert refused(run) == f"{run}: cannot be written (Permission denied); choose another --out"


def test_a_target_that_may_not_even_be_looked_at_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", denied)
    assert refused(tmp_path / "run") == (
        f"{tmp_path}/run: cannot be written (Permission denied); choose another --out"
    )


def test_an_audit_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_audit(tmp_path, AUDIT)
    assert open_run(tmp_path).audit == AUDIT
    assert [path.name for path in tmp_path.iterdir()] == ["audit.json"]


def test_json_is_sorted_hashed_and_free_of_nan(tmp_path: Path) -> None:
    import hashlib

    file = tmp_path / "manifest.json"
    digest = write_json(file, {"b": 1, "a": "é"})
    assert file.read_text(encoding="utf-8") == '{\n "a": "é",\n "b": 1\n}\n'
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"a": float("nan")})
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest


def no_audit(folder: Path) -> None:
    pass


def put(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "audit.json").write_bytes(content)

    return write


def with_field(old: str, new: str) -> Callable[[Path], None]:
    text = AUDIT.model_dump_json().replace(old, new)
    return put(text.encode())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_audit, "no finished run here (No such file or directory); expected audit.json"),
        (put(b""), "not an audit: Invalid JSON: EOF while parsing a value at line 1 column 0"),
        (put(b"\xff\xfe\x00"), "not an audit: Invalid JSON: expected value at line 1 column 1"),
        (put(b"[1]"), "not an audit: Input should be an object"),
        (
            with_field('"planned":0', '"planned":0.5'),
            "coverage.planned: not an audit: "
            "Input should be a valid integer, got a number with a fractional part",
        ),
        (with_field('"schema_version"', '"schema"'), "schema: not an audit: Extra inputs are not permitted"),
    ],
)
def test_what_is_not_an_audit_is_told(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(tmp_path)
    with pytest.raises(InputError) as caught:
        open_run(tmp_path)
    assert str(caught.value) == f"{tmp_path}/audit.json: {message}"
    assert caught.value.exit_code == 2


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        open_run(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path}/run/audit.json: no finished run here (Not a directory); expected audit.json"
    )


def test_tables_are_read_back_and_broken_ones_told(tmp_path: Path) -> None:
    write_audit(tmp_path, AUDIT)
    run = open_run(tmp_path)
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    write_table(tmp_path, "pairs", frame)
    assert run.table("pairs").isna().to_numpy().tolist() == frame.isna().to_numpy().tolist()
    whole = (tmp_path / "pairs.parquet").read_bytes()
    for content in (b"", b"not parquet", whole[: len(whole) // 2]):
        (tmp_path / "heads.parquet").write_bytes(content)
        assert_one_line(lambda: run.table("heads"), f"{tmp_path}/heads.parquet: cannot be read (")
    with pytest.raises(StoreError) as caught:
        run.table("outputs")
    assert str(caught.value) == f"{tmp_path}/outputs.parquet: no such table; run the audit again"
    assert caught.value.exit_code == 4


def assert_one_line(act: Callable[[], object], start: str) -> None:
    with pytest.raises(EvenhandError) as caught:
        act()
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith("); run the audit again")
    assert "\n" not in str(caught.value)


def test_details_are_kept_with_words_and_rows(tmp_path: Path) -> None:
    weights = np.full((1, 2, 1, 2), 0.5, dtype=np.float32)
    record = DetailRecord(
        "p", "self", ("The", "nurse"), ("The", "pilot"), ((1, 1),), weights, weights, ((0, 0),)
    )
    write_detail(tmp_path, record)
    with np.load(tmp_path / "detail" / "p.npz") as found:
        assert found["words_b"].tolist() == ["The", "pilot"]
        assert found["weights_a"].shape == (1, 2, 1, 2)
        assert (found["queries"].tolist(), found["matches"].tolist()) == ([[1, 1]], [[0, 0]])
    empty = DetailRecord("q", "self", (), (), (), weights[:, :, :0, :0], weights[:, :, :0, :0], ())
    write_detail(tmp_path, empty)
    with np.load(tmp_path / "detail" / "q.npz") as found:
        assert found["queries"].shape == (0, 2)
