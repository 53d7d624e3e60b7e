"""The run folder: written whole or not at all, read back without the model."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from audit.durable import digest_of, json_bytes, sync_folder, sync_tree, write_whole
from audit.errors import InputError, StoreError
from audit.renders import Renders
from audit.results import SCHEMA_VERSION, Audit
from audit.run_records import LOCK, RECORDS

if TYPE_CHECKING:
    import pandas as pd

    from audit.head_table import HeadTable
    from audit.records import DetailRecord

AUDIT, MANIFEST, DETAIL = "audit.json", "manifest.json", "detail"
#: What a finished run is made in, and where what it replaces lies for a moment; both inside the run folder.
_FRESH, _OLD = ".new", ".old"
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

    def heads(self) -> HeadTable:
        """Read ``heads.parquet`` by measures; raises StoreError."""
        from audit.head_rows import read_heads

        return read_heads(self.path / "heads.parquet")

    @property
    def table_names(self) -> tuple[str, ...]:
        """All tables of the run, those of the surveys that it made too."""
        measured = {survey.probe for survey in self.audit.coverage.surveys if survey.measured}
        return (*TABLES, *(table for probe, table in SURVEYS.items() if probe in measured))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Read all tables but the heads'; raises StoreError."""
        return {name: self.table(name) for name in self.table_names if name != "heads"}


def open_run(path: Path) -> RunFolder:
    """Open a finished run.

    Raises:
        InputError: there is no ``audit.json``, or it is not one.
    """
    file = path / AUDIT
    try:
        audit = Audit.model_validate_json(file.read_bytes())
    except OSError as error:
        if isinstance(error, FileNotFoundError) and (path / RECORDS / LOCK).exists():
            told = f"an unfinished run ({AUDIT} is written last); start it again, it goes on where it was cut"
        else:
            told = f"no finished run here ({error.strerror}); expected {AUDIT}"
        raise InputError.single(told, file) from error
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
        if path.is_dir() and not _is_run(path) and any(map(_holds_anything, path.iterdir())):
            raise InputError.single("holds files that are not a run; choose another folder with --out", path)
        place = path.resolve()
        nearest = next(each for each in (place, *place.parents) if each.exists())
        with tempfile.TemporaryDirectory(dir=nearest):
            pass
    except OSError as error:
        raise InputError.single(
            f"cannot be written ({error.strerror}); choose another --out", path
        ) from error


def _is_run(path: Path) -> bool:
    """A run, finished or not."""
    return (path / MANIFEST).exists() or (path / RECORDS / LOCK).exists()


def _holds_anything(entry: Path) -> bool:
    """Empty folders are nobody's work; a run that was killed at once leaves some."""
    return not entry.is_dir() or any(entry.iterdir())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty folder whose content takes the place of what is in ``path`` if the block succeeds.

    The records stay where they are. Whatever the block raises, what was there stays whole and nothing else is left
    behind. ``audit.json`` goes first and comes last: a process that is killed in between leaves an unfinished run.

    Raises:
        StoreError: the folder cannot be written.
    """
    place = path.resolve()
    made = [each for each in (place, *place.parents) if not each.exists()]
    try:
        fresh, old = place / _FRESH, place / _OLD
        try:
            for each in (fresh, old):
                shutil.rmtree(each, ignore_errors=True)
            fresh.mkdir(parents=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            yield fresh
            sync_tree(fresh)
            _exchange(fresh, place, old)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({_cause(error)}); nothing was changed") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except BaseException:
        for each in made:
            with suppress(OSError):
                each.rmdir()
        raise


def _exchange(fresh: Path, place: Path, old: Path) -> None:
    """Put a folder's entries in the place of others; these come back if that fails."""
    old.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for source, target in ((place, old), (fresh, place)):
            names = [each.name for each in source.iterdir() if each.name not in (_FRESH, _OLD, RECORDS)]
            for name in sorted(names, key=lambda name: (name == AUDIT) == (source == fresh)):
                moved.append((source / name, target / name))
                (source / name).rename(target / name)
        sync_folder(place)
    except BaseException:
        for source, target in reversed(moved):
            if target.exists():
                target.rename(source)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_run(
    out: Path,
    tables: Mapping[str, pd.DataFrame],
    heads: Iterator[pd.DataFrame],
    add_details: Callable[[Path], None],
    manifest: dict[str, Any],
    audit: Audit,
) -> None:
    """Write a run folder: whole, or not at all.

    Args:
        out: the folder.
        tables: by name, all but the heads'.
        heads: ``heads.parquet`` in portions, at least one.
        add_details: writes the attention of the top pairs into the folder that it is given.
        manifest: gets, as ``files``, the SHA-256 of every table and detail.
        audit: the result.
    Raises:
        StoreError: it cannot be written; what was there before is whole.
    """
    with replacing(out) as folder:
        for name, table in tables.items():
            write_table(folder, name, table)
        write_portions(folder, "heads", heads)
        add_details(folder)
        files = {
            file.relative_to(folder).as_posix(): digest_of(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        made_by = write_json(folder / MANIFEST, {**manifest, "files": files})
        Renders(write_audit(folder, audit), made_by, {}).write(folder)


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write a table as Parquet."""
    frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")


def write_portions(folder: Path, name: str, portions: Iterator[pd.DataFrame]) -> None:
    """Write a table as Parquet, one row group for each portion; there is at least one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = next(portions)
    schema = pa.Schema.from_pandas(first, preserve_index=False)
    with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer:
        for portion in chain([first], portions):
            writer.write_table(pa.Table.from_pandas(portion, schema, preserve_index=False))


def write_json(file: Path, content: dict[str, Any]) -> str:
    """Write JSON with sorted keys; return its SHA-256."""
    text = json_bytes(content)
    write_whole(file, text)
    return hashlib.sha256(text).hexdigest()


def write_audit(folder: Path, audit: Audit) -> str:
    """Write ``audit.json``; return its SHA-256."""
    return write_json(folder / AUDIT, audit.model_dump(mode="json"))


def write_detail(folder: Path, record: DetailRecord) -> None:
    """Write the attention of one pair as ``detail/<pair_id>.npz``."""
    import numpy as np

    from audit.kept_attention import arrays_of

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
        **arrays_of(record.streams, record.why_no_whole),  # type: ignore[arg-type]  # no array is called allow_pickle
    )


def _cause(error: Exception) -> str:
    """What went wrong, in one line and without the file's name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__
