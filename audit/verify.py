"""Whether a run folder is what a run, a decision and its reports wrote: every hash, every signature."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.attestation import MODEL, SIGNED, UNSIGNED, Attestation, read_attestation
from audit.durable import digest_of
from audit.errors import Fault, InputError, StoreError
from audit.loader import suite_digest
from audit.renders import RENDERS, Renders
from audit.run_records import LOCK, RECORDS
from audit.soundness import Account, check_run, read_manifest, shown
from audit.store import AUDIT, MANIFEST

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a run folder.

    Args:
        faults: what is damaged, missing or not signed as it should be; none if all is sound.
        notes: what could not be checked here.
        files: how many files are as they were written.
        manifest: SHA-256 of ``manifest.json``; None if it is missing or damaged.
        signed: the envelopes whose signature holds.
    """

    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    files: int
    manifest: str | None
    signed: tuple[str, ...]


def verify(folder: Path, key: Path | None = None) -> Verified:
    """Check every hash and signature of a run folder again; nothing is written.

    Args:
        folder: a finished run.
        key: the public key of whom the run must be signed by (PEM); None if signatures are only to be in order.
    Returns:
        All faults, in the order of the files' names, and what could not be checked.
    Raises:
        InputError: there is no finished run, or the key cannot be used.
    """
    known_key = _key(key)
    _find(folder)
    account = Account(folder)
    renders = check_run(account)
    if renders is not None:
        _check_renders(account, renders)
    manifest = read_manifest(folder) or {}
    _check_suites(account, manifest)
    signed = _check_signatures(account, manifest, renders, known_key)
    complete = renders is not None and isinstance(manifest.get("files"), dict)
    foreign = "written by no run and no report" if complete else "no hash of this file is known"
    for name in sorted({*_files(folder)} - account.known):
        account.fault(name, foreign)
    checked = account.checked
    return Verified(
        tuple(sorted(account.faults)), tuple(account.notes), len(checked), checked.get(MANIFEST), signed
    )


def _key(file: Path | None) -> Ed25519PublicKey | None:
    from audit.dsse import public_key

    return None if file is None else public_key(file)


def _find(folder: Path) -> None:
    """A folder without both of a run's main files is not a damaged run, but none."""
    if any((folder / name).exists() for name in (AUDIT, MANIFEST)):
        return
    unfinished = (folder / RECORDS / LOCK).exists()
    told = "an unfinished run; start it again, it goes on where it was cut"
    raise InputError.single(told if unfinished else f"no finished run here; expected {AUDIT}", folder)


def _files(folder: Path) -> Iterator[str]:
    """Names of all files, hidden ones and links to folders too."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *links):
            yield Path(place, name).relative_to(folder).as_posix()


def _check_renders(account: Account, renders: Renders) -> None:
    for name, render in renders.files.items():
        again = f"`evenhand report --format {shown(render.format)}` renders it again"
        if account.check(name, render.sha256, RENDERS, again) and render.audit != renders.audit:
            account.fault(name, f"made from another {AUDIT} than this one; {again}")


def _check_suites(account: Account, manifest: Mapping[str, Any]) -> None:
    """Suites lie outside the folder; where they are not at hand, their hash stays unchecked."""
    suites = manifest.get("suites")
    for suite in suites if isinstance(suites, list) else ():
        if not isinstance(suite, dict):
            continue
        file, wanted = str(suite.get("file")), suite.get("sha256")
        found = suite_digest(file)
        if found == wanted:
            continue
        if found is None or (not Path(file).is_file() and _made_with(manifest) != version("evenhand")):
            told = f"{shown(file)} is not here; whether it is the suite that was run is not checked"
            account.notes.append(told)
        else:
            told = "not the suite that was run; it was changed since"
            account.faults.append(Fault(shown(file), 0, "", told))


def _made_with(manifest: Mapping[str, Any]) -> str | None:
    """The version of evenhand that made a run, whose built-in suites may differ from those of this one."""
    try:
        return str(manifest["environment"]["versions"]["evenhand"])
    except (KeyError, TypeError):
        return None


def _check_signatures(
    account: Account, manifest: Mapping[str, Any], renders: Renders | None, key: Ed25519PublicKey | None
) -> tuple[str, ...]:
    """Every statement must be about this run, and one must be signed with the key if there is one."""
    signed = []
    for ending in (SIGNED, UNSIGNED):
        for file in sorted(account.folder.glob(f"*{ending}")):
            try:
                attestation = read_attestation(file)
            except StoreError as error:
                account.fault(file.name, str(error).removeprefix(f"{file}: "))
                continue
            told = [*_untrue(account, manifest, attestation)]
            if key is not None and attestation.envelope is not None:
                if attestation.envelope.signed_by(key):
                    signed += [] if told else [file.name]
                    account.notes += _unsigned_renders(renders, attestation, file.name)
                else:
                    told.append("not signed with this key")
            for each in told:
                account.fault(file.name, each)
            if attestation.envelope is None:
                account.notes.append(f"{file.name} is not signed")
            elif key is None:
                account.notes.append(
                    f"who signed {file.name} is not checked; --key tells whose signature it must be"
                )
    if key is not None and not any(account.folder.glob(f"*{SIGNED}")):
        missing = "missing; `evenhand report --format in-toto --sign KEY` signs the run"
        account.fault(f"test-result{SIGNED}", missing)
    return tuple(signed)


def _unsigned_renders(renders: Renders | None, attestation: Attestation, name: str) -> list[str]:
    """What was rendered after the run was signed: anybody could have put it there."""
    made = {} if renders is None else renders.files
    return [
        f"{shown(each)} is not signed: it was rendered after {name}"
        for each in made
        if each not in attestation.subjects and not each.endswith((SIGNED, UNSIGNED))
    ]


def _untrue(account: Account, manifest: Mapping[str, Any], attestation: Attestation) -> Iterator[str]:
    """What a statement says otherwise than the folder, but for files of which a fault is told already."""
    info = manifest.get("model")
    hashes = info.get("hashes") if isinstance(info, dict) else None
    model = {
        f"{MODEL}{name}": digest for name, digest in (hashes if isinstance(hashes, dict) else {}).items()
    }
    here = (
        name for name in attestation.subjects if name in account.known and (account.folder / name).is_file()
    )
    found = {**{name: digest_of(account.folder / name) for name in here}, **model}
    told_of = {fault.file for fault in account.faults}
    for name, digest in attestation.subjects.items():
        if found.get(name) != digest and f"{account.folder}/{shown(name)}" not in told_of:
            yield f"is about another {shown(name)} than this one"
    for name in (MANIFEST, AUDIT, *model):
        if name not in attestation.subjects:
            yield f"says nothing of {name}"
