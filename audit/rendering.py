"""A finished run → files of other formats in its folder, each kept by its hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from audit.durable import digest_of
from audit.errors import InputError, StoreError
from audit.protocols import Report, SignedReport
from audit.renders import RENDERS, known_renders, record_renders
from audit.soundness import Account, check_run
from audit.store import AUDIT, RunFolder


def render_all(run: RunFolder, reports: Mapping[str, Report], key: Path | None) -> list[Path]:
    """Render a run in several formats, those that can be signed last.

    Args:
        run: a finished run.
        reports: name → renderer.
        key: private key for those that can be signed; None to sign nothing.
    Returns:
        The files written.
    Raises:
        InputError: there is a key, and nothing to sign or it cannot be used.
        StoreError: the folder cannot be written, or what would be signed is not what the run wrote.
    """
    signing = {name: each for name, each in reports.items() if isinstance(each, SignedReport)}
    if key is not None:
        if not signing:
            told = f"{', '.join(reports)} cannot be signed; expected --format in-toto"
            raise InputError.single(told, path="--sign")
        _check_before_signing(run, key)
    works: dict[str, Callable[[Path], list[Path]]] = {
        name: partial(_rendered, each, run) for name, each in reports.items() if name not in signing
    }
    for name, each in signing.items():
        works[name] = partial(_rendered, each, run) if key is None else partial(_signed, each, run, key)
    return _render(run, works)


def _rendered(report: Report, run: RunFolder, folder: Path) -> list[Path]:
    return report.render(folder, run.audit)


def _signed(report: SignedReport, run: RunFolder, key: Path, folder: Path) -> list[Path]:
    return report.sign(folder, run.audit, key)


def _render(run: RunFolder, works: Mapping[str, Callable[[Path], list[Path]]]) -> list[Path]:
    made: list[Path] = []
    try:
        known_renders(run.path).write(run.path)
        audit = digest_of(run.path / AUDIT)
        for name, work in works.items():
            files = work(run.path)
            record_renders(run.path, name, audit, files)
            made += files
    except OSError as error:
        raise StoreError(f"{run.path}: cannot be written ({error.strerror})") from error
    return made


def _check_before_signing(run: RunFolder, key: Path) -> None:
    """Nobody should put a name to what was damaged since.

    Raises:
        InputError: the key cannot be used.
        StoreError: with every file that is not what the run wrote.
    """
    from audit.dsse import private_key

    private_key(key)
    if not (run.path / RENDERS).exists():
        _render(run, {})
    account = Account(run.path)
    check_run(account)
    if account.faults:
        told = "\n".join(map(str, sorted(account.faults)))
        raise StoreError(f"{told}\n{run.path}: not signed, since it is not what the run wrote")
