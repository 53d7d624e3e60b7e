"""The run folder: written whole or not at all, read back without the model."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from audit.errors import InputError, StoreError
from audit.results import SCHEMA_VERSION, Audit

if TYPE_CHECKING:
    import pandas as pd

    from audit.records import DetailRecord

AUDIT, MANIFEST, DETAIL = "audit.json", "manifest.json", "detail"
TABLES = ("pairs", "outputs", "heads")
#: Probe that surveys the model → the table that it writes.
SURVEYS = {"patterns": "patterns", "embedding": "embeddings"}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run, read back.

    Args:
        path: the folder.
        audit: its ``audit.json``.
    """

    path: Path
    audit: Audit

    def table(self, name: str) -> pd.DataFrame:
        """Read one of ``TABLES`` or of ``SURVEYS``; raises StoreError."""
        import pandas as pd

        file = self.path / f"{name}.parquet"
        try:
            return pd.read_parquet(file)
        except FileNotFoundError as error:
            raise StoreError(f"{file}: no such table; run the audit again") from error
        except (OSError, ValueError) as error:
            raise StoreError(f"{file}: cannot be read ({_cause(error)}); run the audit again") from error

    def tables(self) -> dict[str, pd.DataFrame]:
        """Read all tables of the run, those of the surveys that it made too; raises StoreError."""
        measured = {survey.probe for survey in self.audit.coverage.surveys if survey.measured}
        surveys = [table for probe, table in SURVEYS.items() if probe in measured]
        return {name: self.table(name) for name in (*TABLES, *surveys)}


def open_run(path: Path) -> RunFolder:
    """Open a finished run.

    Raises:
        InputError: there is no ``audit.json``, or it is not one.
    """
    file = path / AUDIT
    try:
        audit = Audit.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError.single(f"no finished run here ({error.strerror}); expected {AUDIT}", file) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError.single(f"not an audit: {first['msg']}", file, path=where) from error
    major = SCHEMA_VERSION.split(".")[0]
    if audit.schema_version.split(".")[0] != major:
        raise InputError.single(
            f"written in another format (got {audit.schema_version!r}); expected {major}.x",
            file,
            path="schema_version",
        )
    return RunFolder(path, audit)


def check_target(path: Path) -> None:
    """Refuse a run folder that cannot be written, or that holds somebody else's files.

    Raises:
        InputError: before anything is measured.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError.single("is a file; expected a folder for the run", path)
        if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).exists():
            raise InputError.single("holds files that are not a run; choose another folder with --out", path)
        place = path.resolve()
        parent = next(each for each in place.parents if each.exists())
        with tempfile.TemporaryDirectory(dir=parent):
            pass
    except OSError as error:
        raise InputError.single(
            f"cannot be written ({error.strerror}); choose another --out", path
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``path`` if the block succeeds, and is gone if not.

    Whatever the block raises, the folder that was there stays whole and nothing else is left behind.

    Raises:
        StoreError: the folder cannot be written.
    """
    place = path.resolve()
    made = [each for each in place.parents if not each.exists()]
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            fresh.chmod(0o755)
            yield fresh
            _exchange(fresh, place)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({_cause(error)}); nothing was changed") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


def _exchange(fresh: Path, place: Path) -> None:
    """Put a folder in another's place; the other one comes back if that fails."""
    if not place.exists():
        fresh.rename(place)
        return
    old = fresh.with_name(f"{fresh.name}-old")
    place.rename(old)
    try:
        fresh.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write a table as Parquet."""
    frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")


def write_json(file: Path, content: dict[str, Any]) -> str:
    """Write JSON with sorted keys; return its SHA-256."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)
    return hashlib.sha256(text.encode()).hexdigest()


def write_audit(folder: Path, audit: Audit) -> None:
    """Write ``audit.json``."""
    write_json(folder / AUDIT, audit.model_dump(mode="json"))


def write_detail(folder: Path, record: DetailRecord) -> None:
    """Write the attention of one pair as ``detail/<pair_id>.npz``."""
    import numpy as np

    (folder / DETAIL).mkdir(exist_ok=True)
    np.savez_compressed(
        folder / DETAIL / f"{record.pair_id}.npz",
        stream=np.array(record.stream),
        words_a=np.array(record.words_a),
        words_b=np.array(record.words_b),
        queries=np.array(record.queries, dtype=np.int64).reshape(-1, 2),
        matches=np.array(record.matches, dtype=np.int64).reshape(-1, 2),
        weights_a=record.weights_a.astype(np.float16),
        weights_b=record.weights_b.astype(np.float16),
    )


def _cause(error: Exception) -> str:
    """What went wrong, in one line and without the file's name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__
