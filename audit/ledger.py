"""The truth about what was measured: one line per record, appended when its file lies whole on the disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from audit.durable import write_whole
from audit.errors import Fault

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[0-9a-f]{64}\.(parquet|json)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    Args:
        key: of what was measured, from :mod:`audit.batch_key`.
        file: its name in the folder of records: the SHA-256 of its bytes, with an ending.
        sha256: of the file.
        size: of the file, in bytes.
        pairs: how many were measured together.
        failed: how many of them could not be measured.
    """

    key: str
    file: str
    sha256: str
    size: int
    pairs: int
    failed: int

    @property
    def line(self) -> bytes:
        """The entry as it stands in the ledger."""
        return json.dumps(asdict(self), sort_keys=True).encode() + b"\n"


def read_ledger(file: Path) -> tuple[list[Entry], list[Fault]]:
    """Read a ledger; a last line without its end, as a killed process leaves it, is cut off.

    Returns:
        Its entries in order, and a fault for each other line that is not one.
    Raises:
        OSError: it cannot be read, or not be mended.
    """
    content = file.read_bytes() if file.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(file, len(whole))
    entries, faults = [], []
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        entry = _entry(line)
        if entry is None:
            told = "not a line of a ledger; what it recorded is measured again"
            faults.append(Fault(str(file), number, "", told))
        else:
            entries.append(entry)
    return entries, faults


def append(file: Path, entry: Entry) -> None:
    """Add an entry and bring it to the disk.

    Raises:
        OSError: it cannot be written; the ledger is then as it was.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, entry.line) < len(entry.line):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def text_of(entries: Iterable[Entry]) -> bytes:
    """A ledger of these entries alone."""
    return b"".join(entry.line for entry in entries)


def rewrite(file: Path, entries: Iterable[Entry]) -> None:
    """Put a ledger of these entries alone in the old one's place; raises OSError."""
    write_whole(file, text_of(entries))


def _entry(line: bytes) -> Entry | None:
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or {*found} != {field.name for field in fields(Entry)}:
        return None
    texts = [found[name] for name in ("key", "file", "sha256")]
    counts = [found[name] for name in ("size", "pairs", "failed")]
    if not all(isinstance(text, str) for text in texts) or not all(type(count) is int for count in counts):
        return None
    entry = Entry(**found)
    sound = _DIGEST.fullmatch(entry.key) and _FILE.fullmatch(entry.file) and entry.file[:64] == entry.sha256
    return entry if sound else None
