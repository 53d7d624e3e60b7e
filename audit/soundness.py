"""Whether what a run wrote is, byte for byte, what lies in its folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import ValidationError

from audit.agreement import departures
from audit.config import RunConfig
from audit.durable import digest_of
from audit.errors import Fault, StoreError
from audit.ledger import read_ledger
from audit.limits import DECIDED_AGAIN
from audit.renders import RENDERS, Renders, read_renders
from audit.results import Audit
from audit.run_records import LEDGER, LOCK, RECORDS
from audit.store import AUDIT, MANIFEST

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
#: A finished run leaves its lock empty.
_OF_NOTHING: Final = hashlib.sha256(b"").hexdigest()


@dataclass(slots=True)
class Account:
    """What was found out about a run folder.

    Args:
        folder: the run folder.
        checked: name → SHA-256 of every file that is as it was written.
        known: names that something vouches for, sound or not.
        faults: what is damaged, missing, or vouched for by nobody.
        notes: what could not be checked here.
    """

    folder: Path
    checked: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, name: str, message: str) -> None:
        """Tell what is wrong with a file of the folder."""
        self.faults.append(Fault(f"{self.folder}/{shown(name)}", 0, "", message))

    def check(self, name: str, wanted: str, by: str, mend: str) -> bool:
        """Compare a file with the hash that something tells of it.

        Args:
            name: of the file, inside the folder.
            wanted: its SHA-256.
            by: what tells it.
            mend: what to do if it does not fit.
        Returns:
            Whether it is sound.
        """
        self.known.add(name)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not _DIGEST.fullmatch(wanted):
            self.fault(name, f"{by} tells no hash of a file of this folder")
            return False
        try:
            found = digest_of(self.folder / name)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            self.fault(name, f"{'missing' if gone else f'cannot be read ({error.strerror})'}; {mend}")
            return False
        if found != wanted:
            self.fault(name, f"not what was written ({by} tells); {mend}")
            return False
        self.checked[name] = found
        return True


def shown(name: str) -> str:
    """A file's name in one line, whatever characters are in it."""
    return name if name.isprintable() else ascii(name)


def check_run(account: Account) -> Renders | None:
    """Check what the run itself wrote: manifest, decision, tables, details, records.

    Args:
        account: of the run folder; gets all that is found out.
    Returns:
        ``renders.json``; None where it is missing or damaged.
    """
    renders = _renders(account)
    if renders is not None:
        account.check(MANIFEST, renders.manifest, RENDERS, "run the audit again")
        account.check(AUDIT, renders.audit, RENDERS, "`evenhand gate` decides again")
    account.known |= {MANIFEST, AUDIT}
    manifest = read_manifest(account.folder)
    if manifest is None:
        if renders is None or MANIFEST in account.checked:
            account.fault(MANIFEST, "missing, or not a manifest; run the audit again")
        return renders
    files = manifest.get("files")
    if not isinstance(files, dict):
        account.fault(
            MANIFEST, "tells no hashes of the tables, as older versions wrote it; run the audit again"
        )
        files = {}
    for name, wanted in files.items():
        account.check(name, str(wanted), MANIFEST, "run the audit again")
    _check_records(account, manifest)
    _compare(account, manifest)
    return renders


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read ``manifest.json``; None if it is missing or is not one."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _renders(account: Account) -> Renders | None:
    account.known.add(RENDERS)
    try:
        found = read_renders(account.folder)
        account.checked[RENDERS] = digest_of(account.folder / RENDERS)
        return found
    except FileNotFoundError:
        told = f"missing, so that nothing vouches for {AUDIT}; `evenhand report` writes it anew"
        account.fault(RENDERS, told)
    except StoreError as error:
        account.fault(RENDERS, str(error).removeprefix(f"{account.folder / RENDERS}: "))
    return None


def _check_records(account: Account, manifest: Mapping[str, Any]) -> None:
    """The store of measured records; it may be taken away to free the space."""
    folder = account.folder / RECORDS
    made_by = manifest.get("records")
    wanted = made_by.get("ledger") if isinstance(made_by, dict) else None
    if not folder.is_dir() or not any(folder.iterdir()):
        if wanted is not None:
            account.notes.append(f"{RECORDS}/ is not there; nothing but the tables tells what was measured")
        return
    ledger = f"{RECORDS}/{LEDGER}"
    account.check(f"{RECORDS}/{LOCK}", _OF_NOTHING, "a finished run", "another process may write here")
    told = "another run was begun here and not finished, or it is damaged; run the audit again"
    if account.check(ledger, str(wanted), MANIFEST, told):
        for entry in read_ledger(account.folder / ledger)[0]:
            account.check(f"{RECORDS}/{entry.file}", entry.sha256, LEDGER, "run the audit again")


def _compare(account: Account, manifest: Mapping[str, Any]) -> None:
    """The decision must be about the run that the manifest tells of."""
    try:
        audit = Audit.model_validate_json((account.folder / AUDIT).read_bytes())
    except (OSError, ValidationError) as error:
        if AUDIT in account.checked:
            account.fault(AUDIT, f"not an audit ({str(error).splitlines()[0]})")
        return
    for told in _differences(audit, manifest):
        account.fault(AUDIT, f"{told}; run the audit again")


def _differences(audit: Audit, manifest: Mapping[str, Any]) -> Iterator[str]:
    found = audit.model_dump(mode="json")
    for name in ("model", "suites", "environment"):
        if name in manifest and found[name] != manifest[name]:
            yield f"its {name} is not that of {MANIFEST}"
    if any(limit.id == DECIDED_AGAIN for limit in audit.limits):
        return
    try:
        made_with, decided_with = (RunConfig.model_validate(each["config"]) for each in (manifest, found))
    except (ValidationError, KeyError):
        yield f"its config, or that of {MANIFEST}, is not one"
        return
    if told := departures(made_with, decided_with):
        yield f"decided otherwise than {MANIFEST} tells, and does not say so ({'; '.join(told)})"
