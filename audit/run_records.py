"""The folder of records in a run folder: what was measured, so that a run that is cut goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from audit.durable import write_whole
from audit.errors import StoreError
from audit.ledger import Entry, append, read_ledger, rewrite, text_of
from audit.lock import locked
from audit.progress import Watcher

RECORDS, LEDGER, LOCK = "records", "ledger.jsonl", "lock"


class RunRecords:
    """What earlier runs into this folder measured, and what this one adds.

    Args:
        folder: of the records; it is there, and locked.
        entries: of the ledger, as far as they may be used; of one key the last counts.
        watcher: told what cannot be used.
    """

    def __init__(self, folder: Path, entries: list[Entry], watcher: Watcher) -> None:
        self._folder, self._watcher = folder, watcher
        self._known = {entry.key: entry for entry in entries}
        self._used: dict[str, Entry] = {}

    def find(self, key: str) -> bool:
        """Whether there is a sound record; one whose bytes are not those of the ledger is told, and not used."""
        entry = self._known.get(key)
        if entry is None:
            return False
        file = self._folder / entry.file
        try:
            content = file.read_bytes()
            fault = None if hashlib.sha256(content).hexdigest() == entry.sha256 else "not what was written"
        except OSError as error:
            fault = error.strerror or "cannot be read"
        if fault is None:
            return True
        self._watcher.warn(f"{file}: cannot be used ({fault}); its {entry.pairs} pairs are measured again")
        del self._known[key]
        return False

    def read(self, key: str) -> bytes:
        """Read a record that was found.

        Raises:
            StoreError: it is no longer there.
        """
        entry = self._known[key]
        try:
            content = (self._folder / entry.file).read_bytes()
        except OSError as error:
            raise StoreError(f"{self._folder / entry.file}: cannot be read ({error.strerror})") from error
        self._used[key] = entry
        return content

    def keep(self, key: str, content: bytes, ending: str, pairs: int, failed: int = 0) -> None:
        """Write a record, then its line of the ledger; both are on the disk when this returns.

        Args:
            key: of what was measured.
            content: the record.
            ending: ``parquet`` or ``json``.
            pairs, failed: measured together, and how many of them could not be.
        Raises:
            StoreError: it cannot be written; everything before it is kept.
        """
        digest = hashlib.sha256(content).hexdigest()
        entry = Entry(key, f"{digest}.{ending}", digest, len(content), pairs, failed)
        try:
            write_whole(self._folder / entry.file, content)
            append(self._folder / LEDGER, entry)
        except OSError as error:
            told = f"cannot be written ({error.strerror or error}); what was measured before is kept"
            raise StoreError(f"{self._folder}: {told}, the same command goes on with it") from error
        self._known[key] = self._used[key] = entry

    @property
    def digest(self) -> str:
        """SHA-256 of the ledger as :meth:`settle` leaves it."""
        return hashlib.sha256(text_of(self._used_entries)).hexdigest()

    @property
    def _used_entries(self) -> list[Entry]:
        """Sorted, so that the ledger tells nothing of who measured what when."""
        return [self._used[key] for key in sorted(self._used)]

    def settle(self) -> None:
        """Keep only what this run used, sorted by key; call it when the run is finished.

        Raises:
            StoreError: the ledger cannot be written; it is then as it was.
        """
        try:
            rewrite(self._folder / LEDGER, self._used_entries)
        except OSError as error:
            raise StoreError(f"{self._folder}: cannot be written ({error.strerror or error})") from error
        _sweep(self._folder, {entry.file for entry in self._used.values()})


@contextmanager
def open_records(out: Path, watcher: Watcher, *, resume: bool, finished: bool) -> Iterator[RunRecords]:
    """Open the records of a run folder, for this process alone; folders that stay empty are taken away again.

    Args:
        out: the run folder; made if it is not there.
        watcher: told of what cannot be used.
        resume: whether what is there may be used; if not it is kept all the same until the run is finished.
        finished: whether the folder holds a finished run: pairs that failed in it are then tried again.
    Raises:
        InputError: another process writes this run folder.
        StoreError: the folder cannot be written or locked.
    """
    folder = out.resolve() / RECORDS
    made = [each for each in folder.parents if not each.exists()]
    try:
        with _own(folder, out):
            try:
                entries = _entries(folder, watcher)
                usable = [each for each in entries if resume and not (finished and each.failed)]
            except OSError as error:
                raise StoreError(f"{folder}: cannot be read ({error.strerror or error})") from error
            try:
                yield RunRecords(folder, usable, watcher)
            finally:
                _take_away_if_empty(folder)
    finally:
        for each in made:
            with suppress(OSError):
                each.rmdir()


@contextmanager
def _own(folder: Path, out: Path) -> Iterator[None]:
    """Make the folder and lock it; only what fails before the block is told as the folder's fault."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder / LOCK, out))
        except OSError as error:
            with suppress(OSError):
                folder.rmdir()
            raise StoreError(f"{out}: cannot be written ({error.strerror or error})") from error
        yield


def _entries(folder: Path, watcher: Watcher) -> list[Entry]:
    """What the ledger holds; what a killed process left half-written is swept away."""
    for rest in folder.glob(".*.new"):
        rest.unlink()
    entries, faults = read_ledger(folder / LEDGER)
    for fault in faults:
        watcher.warn(str(fault))
    return entries


def _take_away_if_empty(folder: Path) -> None:
    """A run that ended before it measured anything leaves nothing behind."""
    with suppress(OSError):
        if {each.name for each in folder.iterdir()} == {LOCK}:
            (folder / LOCK).unlink()
            folder.rmdir()


def _sweep(folder: Path, used: set[str]) -> None:
    """Remove records that no line of the ledger names; one that cannot be removed does no harm."""
    for file in folder.iterdir():
        if file.name not in used and file.suffix in (".parquet", ".json"):
            with suppress(OSError):
                file.unlink()
