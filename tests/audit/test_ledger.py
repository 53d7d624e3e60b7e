"""The ledger survives a kill at every byte, and says which line it cannot believe."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from audit.ledger import Entry, append, read_ledger, rewrite, text_of


def entry(number: int) -> Entry:
    digest = f"{number:064x}"
    return Entry(f"{number + 100:064x}", f"{digest}.parquet", digest, 10 + number, 8, number % 2)


ENTRIES = [entry(number) for number in range(3)]


def test_what_was_added_is_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    assert read_ledger(file) == ([], [])
    for each in ENTRIES:
        append(file, each)
    assert read_ledger(file) == (ENTRIES, [])
    assert file.read_bytes() == text_of(ENTRIES)
    rewrite(file, ENTRIES[1:])
    assert read_ledger(file) == (ENTRIES[1:], [])
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.jsonl"]


def test_a_last_line_torn_at_any_byte_is_cut_and_the_ledger_goes_on(tmp_path: Path) -> None:
    whole, file = text_of(ENTRIES), tmp_path / "ledger.jsonl"
    last = len(ENTRIES[-1].line)
    for missing in range(1, last + 1):
        file.write_bytes(whole[:-missing])
        assert read_ledger(file) == (ENTRIES[:2], [])
        append(file, ENTRIES[2])
        assert file.read_bytes() == whole


BROKEN: list[bytes] = [
    b"",
    b"\xff\xfe",
    b"[1]",
    b"{}",
    ENTRIES[1].line[:-9],
    ENTRIES[1].line.replace(b'"pairs": 8', b'"pairs": "8"').rstrip(),
    ENTRIES[1].line.replace(b'"pairs": 8', b'"pairs": true').rstrip(),
    ENTRIES[1].line.replace(b'"pairs"', b'"pears"').rstrip(),
    ENTRIES[1].line.replace(b'.parquet"', b'.pkl"').rstrip(),
    ENTRIES[1].line.replace(b'"file": "0', b'"file": "../').rstrip(),
    ENTRIES[1].line.replace(b'"file": "0', b'"file": "1').rstrip(),
    ENTRIES[1].line.replace(b'"key": "0', b'"key": "g').rstrip(),
]


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_line_costs_only_itself(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(ENTRIES[0].line + line + b"\n" + ENTRIES[2].line)
    entries, faults = read_ledger(file)
    assert entries == [ENTRIES[0], ENTRIES[2]]
    assert [str(fault) for fault in faults] == [
        f"{file}:2: not a line of a ledger; what it recorded is measured again"
    ]


@pytest.mark.parametrize("written", [0, 5])
def test_a_line_that_does_not_fit_leaves_the_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    file, write = tmp_path / "ledger.jsonl", os.write
    append(file, ENTRIES[0])

    def full(descriptor: int, content: Any) -> int:
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content[:written])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left on device"):
        append(file, ENTRIES[1])
    assert file.read_bytes() == text_of(ENTRIES[:1])
