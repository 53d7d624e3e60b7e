"""A finished run takes the place of another whole or not at all, and the records stay where they are."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from audit.errors import StoreError
from audit.store import check_target, replacing
from tests.folders import listing


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
