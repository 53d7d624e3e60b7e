"""Records in a run folder: sound ones are used, all others told; one process at a time; a full disk loses nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.errors import InputError, StoreError
from audit.progress import Watcher
from audit.run_records import RunRecords, open_records
from tests.folders import listing

KEYS = [f"{number:064x}" for number in range(4)]
ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def opened(out: Path, *, resume: bool = True, finished: bool = False) -> Iterator[RunRecords]:
    with open_records(out, Watcher(quiet=True), resume=resume, finished=finished) as records:
        yield records


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run that was cut after two records, the second with a pair that failed."""
    with opened(tmp_path / "run") as records:
        records.keep(KEYS[0], b"zero", "parquet", 8)
        records.keep(KEYS[1], b"one", "json", 8, failed=1)
    return tmp_path / "run"


def found(out: Path, **how: bool) -> list[str | None]:
    with opened(out, **how) as records:
        return [records.read(key).decode() if records.find(key) else None for key in KEYS]


def test_what_was_kept_is_found_and_read(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(out) == ["zero", "one", None, None]
    assert capsys.readouterr().err == ""
    names = {name.rsplit(".", 1)[-1] for name in listing(out / "records")}
    assert names == {"parquet", "json", "jsonl", "lock"}


def test_pairs_that_failed_in_a_finished_run_are_tried_again(out: Path) -> None:
    assert found(out, finished=True) == ["zero", None, None, None]


def test_without_resuming_nothing_is_used_and_nothing_lost(out: Path) -> None:
    with opened(out, resume=False) as records:
        assert not any(map(records.find, KEYS))
        records.keep(KEYS[0], b"anew", "parquet", 8)
    assert found(out) == ["anew", "one", None, None]


def test_a_finished_run_keeps_only_what_it_used_in_an_order_of_its_own(out: Path) -> None:
    with opened(out) as records:
        records.keep(KEYS[2], b"two", "parquet", 8)
        assert records.find(KEYS[0])
        records.read(KEYS[0])
        digest = records.digest
        records.settle()
    ledger = (out / "records" / "ledger.jsonl").read_bytes()
    import hashlib

    assert hashlib.sha256(ledger).hexdigest() == digest
    assert [json.loads(line)["key"] for line in ledger.splitlines()] == [KEYS[0], KEYS[2]]
    assert found(out) == ["zero", None, "two", None]
    assert len(listing(out / "records")) == 4


def shard(out: Path) -> Path:
    (file,) = (out / "records").glob("*.parquet")
    return file


@pytest.mark.parametrize("content", [b"", b"zer", b"zerO", b"zero\0"])
def test_a_record_whose_bytes_changed_is_told_and_not_used(
    out: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    shard(out).write_bytes(content)
    assert found(out) == [None, "one", None, None]
    assert capsys.readouterr().err == (
        f"evenhand: {shard(out)}: cannot be used (not what was written); its 8 pairs are measured again\n"
    )


def test_a_record_that_is_gone_is_told(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = shard(out)
    file.unlink()
    assert found(out) == [None, "one", None, None]
    told = f"{file}: cannot be used (No such file or directory); its 8 pairs are measured again"
    assert capsys.readouterr().err == f"evenhand: {told}\n"


def test_a_broken_line_is_told(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = out / "records" / "ledger.jsonl"
    ledger.write_bytes(b"?" + ledger.read_bytes())
    assert found(out) == [None, "one", None, None]
    told = f"{ledger}:1: not a line of a ledger; what it recorded is measured again"
    assert capsys.readouterr().err == f"evenhand: {told}\n"


def test_what_a_killed_process_left_half_written_goes(out: Path) -> None:
    (out / "records" / ".abc.parquet.new").write_bytes(b"ze")
    before = set(listing(out))
    assert found(out) == ["zero", "one", None, None]
    assert set(listing(out)) == before - {"records/.abc.parquet.new"}


def test_a_run_that_measured_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError), opened(tmp_path / "a" / "run"):
        raise ValueError
    assert listing(tmp_path) == {}
    (tmp_path / "there").mkdir()
    with opened(tmp_path / "there"):
        pass
    assert listing(tmp_path) == {"there": None}


def test_a_second_process_says_who_writes_the_folder(out: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom audit.progress import Watcher\nfrom audit.run_records import open_records\n"
        f"with open_records(Path({str(out)!r}), Watcher(), resume=True, finished=False):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        before = listing(out)
        with pytest.raises(InputError) as caught, opened(out):
            pass
        assert listing(out) == before
        told = f"another evenhand (pid {child.pid}, since TIME) is writing this run folder"
        said = re.sub(r"since [0-9T:+-]+", "since TIME", str(caught.value))
        assert said == f"{out}: {told}; wait for it, or choose another --out"
        child.kill()
    assert found(out) == ["zero", "one", None, None]


def test_two_openings_in_one_process_exclude_each_other(out: Path) -> None:
    with opened(out), pytest.raises(InputError, match="is writing this run folder"), opened(out):
        pass


@pytest.mark.parametrize("failing", ["fsync", "write"])
def test_a_full_disk_is_told_and_loses_nothing(
    out: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = listing(out)
    with opened(out) as records, monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises(StoreError) as caught:
            records.keep(KEYS[2], b"two", "parquet", 8)
    assert str(caught.value) == (
        f"{out}/records: cannot be written (No space left on device); what was measured before is kept, "
        "the same command goes on with it"
    )
    assert {name: before[name] for name in before if name != "records/lock"}.items() <= listing(out).items()
    assert found(out) == ["zero", "one", None, None]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_args: Any, **_kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(StoreError) as caught, opened(tmp_path / "run"):
        pass
    assert str(caught.value) == f"{tmp_path}/run: cannot be written (Permission denied)"
    assert listing(tmp_path) == {}
