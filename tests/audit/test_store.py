"""A run folder is written whole or not at all, and what cannot be read is told in one line."""

from __future__ import annotations

import os
import signal
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
from audit.store import check_target, open_run, replacing, write_audit, write_detail, write_json, write_table
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


def fill(folder: Path, word: str) -> None:
    (folder / "detail").mkdir()
    (folder / "detail" / "p.txt").write_text(word, encoding="utf-8")
    (folder / "manifest.json").write_text(word, encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with replacing(tmp_path / "run") as folder:
        fill(folder, "old")
    return tmp_path / "run"


def test_a_finished_block_takes_the_place(run: Path) -> None:
    assert listing(run.parent) == {
        "run": None,
        "run/detail": None,
        "run/detail/p.txt": b"old",
        "run/manifest.json": b"old",
    }
    with replacing(run) as folder:
        assert listing(run)["manifest.json"] == b"old"
        (folder / "manifest.json").write_text("new", encoding="utf-8")
    assert listing(run.parent) == {"run": None, "run/manifest.json": b"new"}
    assert oct(run.stat().st_mode & 0o777) == "0o755"


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), StoreError("x"), SystemExit(1)])
@pytest.mark.parametrize("filled", [False, True])
def test_a_block_that_raises_leaves_everything_as_it_was(
    run: Path, error: BaseException, filled: bool
) -> None:
    before = listing(run.parent)

    def block() -> None:
        with replacing(run) as folder:
            if filled:
                fill(folder, "new")
            raise error

    with pytest.raises(type(error)):
        block()
    assert listing(run.parent) == before


def test_a_block_that_cannot_write_is_told(run: Path) -> None:
    before = listing(run.parent)

    def block() -> None:
        with replacing(run) as folder:
            fill(folder, "new")
            raise OSError(28, "No space left on device", "somewhere/else")

    with pytest.raises(StoreError) as caught:
        block()
    assert str(caught.value) == f"{run}: cannot be written (No space left on device); nothing was changed"
    assert listing(run.parent) == before


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [OSError(18, "Invalid cross-device link"), KeyboardInterrupt()])
def test_the_old_run_comes_back_when_the_exchange_fails(
    run: Path, failing: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename, calls = listing(run.parent), Path.rename, 0

    def breaking(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", breaking)
    wanted = StoreError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted), replacing(run) as folder:
        fill(folder, "new")
    assert listing(run.parent) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_at_any_rename_leaves_an_old_a_new_or_an_unfinished_run(tmp_path: Path) -> None:
    """The records survive each of them, and the next run into the folder ends whole."""
    seen = set()
    for number in range(1, 9):
        place = tmp_path / str(number)
        for word in ("old", "new"):
            child = os.fork()
            if not child:  # nothing of the tests may run in it
                try:
                    write_run(place, word, number if word == "new" else 0)
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
        assert (place / "records" / "lock").read_text() == "records"
        audit, told = place / "audit.json", place / "manifest.json"
        state = audit.read_text() if audit.exists() else "unfinished"
        assert state == "unfinished" or told.read_text() == state
        seen.add(state)
        check_target(place)
        write_run(place, "again", 0)
        assert {path.name for path in place.iterdir()} == {"detail", "audit.json", "manifest.json", "records"}
        assert audit.read_text() == "again"
    assert seen == {"old", "unfinished", "new"}


def write_run(place: Path, word: str, killed_at: int) -> None:
    """Write a run; die just before one of its renames, which are six when an old run is there."""
    (place / "records").mkdir(parents=True, exist_ok=True)
    (place / "records" / "lock").write_text("records")
    rename, calls = Path.rename, 0

    def deadly(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch, replacing(place) as folder:
        fill(folder, word)
        (folder / "audit.json").write_text(word)
        patch.setattr(Path, "rename", deadly)


def test_folders_made_on_the_way_go_again(tmp_path: Path) -> None:
    def block() -> None:
        with replacing(tmp_path / "a" / "b" / "run"):
            raise ValueError

    with pytest.raises(ValueError):
        block()
    assert listing(tmp_path) == {}
    with replacing(tmp_path / "a" / "b" / "run") as folder:
        fill(folder, "new")
    assert "a/b/run/manifest.json" in listing(tmp_path)


def test_a_link_keeps_pointing_to_the_run(run: Path) -> None:
    link = run.parent / "latest"
    link.symlink_to(run)
    with replacing(link) as folder:
        (folder / "manifest.json").write_text("new", encoding="utf-8")
    assert link.is_symlink()
    assert sorted(path.name for path in run.parent.iterdir()) == ["latest", "run"]
    assert (run / "manifest.json").read_text(encoding="utf-8") == "new"


def denied(*_args: Any, **_kwargs: Any) -> Any:
    raise PermissionError(13, "Permission denied", "x")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(StoreError) as caught, replacing(tmp_path / "new" / "run"):
        pass
    assert str(caught.value) == f"{tmp_path}/new/run: cannot be written (Permission denied)"
    assert listing(tmp_path) == {}


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        check_target(path)
    return str(caught.value)


def test_a_target_is_checked_before_anything_is_measured(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run.parent
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
