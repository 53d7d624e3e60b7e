"""Reading a finished run folder: the result, the tables, and the kept attention of the top pairs."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from audit.errors import StoreError
from audit.head_rows import read_heads
from audit.head_table import HeadTable
from audit.kept_attention import KeptStream, streams_of
from audit.results import Audit
from audit.store import DETAIL, MANIFEST, SURVEYS, TABLES
from reports.numbers import defined

_PAIR_COLUMNS: Final = (
    "suite",
    "pair_id",
    "axis",
    "kind",
    "control",
    "cluster",
    "item",
    "order",
    "directed",
    "arm_a",
    "arm_b",
    "group_a",
    "group_b",
    "text_a",
    "text_b",
    "completion_1",
    "completion_2",
    "candidate_1",
    "candidate_2",
    "file",
    "line",
    "status",
    "reason",
)
_OUTPUT_COLUMNS: Final = ("suite", "pair_id", "arm", "measure", "value", "text")
_HEAD_COLUMNS: Final = ("suite", "pair_id", "stream", "layer", "head", "bias", "nie", "bias_next", "nie_next")

_EMBEDDING_COLUMNS: Final = (
    "suite",
    "kind",
    "id",
    "layer",
    "contrast_a",
    "contrast_b",
    "word",
    "value",
    "against",
    "known",
)


@dataclass(frozen=True, slots=True)
class Detail:
    """Attention of one pair as the run kept it.

    Args:
        pair_id: the pair.
        stream: which attention.
        words_a, words_b: the words that the columns stand for, special tokens included.
        queries: for each kept row ``(index into words_a, index into words_b)``.
        weights_a, weights_b: ``[layers, heads, queries, words]``; rows sum to 1.
        matches: aligned word indices ``(a, b)``.
    """

    pair_id: str
    stream: str
    words_a: tuple[str, ...]
    words_b: tuple[str, ...]
    queries: tuple[tuple[int, int], ...]
    weights_a: npt.NDArray[np.float32]
    weights_b: npt.NDArray[np.float32]
    matches: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """Everything a report needs of a finished run.

    Args:
        path: the folder.
        audit: its result.
        pairs, outputs: the tables; without rows where the run wrote none.
        details: pair → kept attention.
        manifest_sha256: digest of ``manifest.json``; None where there is none.
        missing: files that a run writes and that the folder lacks. What they held is unknown, not empty.
    """

    path: Path
    audit: Audit
    pairs: pd.DataFrame
    outputs: pd.DataFrame
    details: dict[str, Detail]
    manifest_sha256: str | None
    missing: tuple[str, ...] = ()

    def lacks(self, table: str) -> bool:
        """Whether the folder lacks a table, which is not the same as a table without rows."""
        return f"{table}.parquet" in self.missing

    def streams_of(self, pair_id: str) -> tuple[tuple[KeptStream, ...], str | None]:
        """Read one pair's whole attention, or why there is none; of all pairs together it may fill the memory.

        Raises:
            StoreError: the file is damaged or incomplete.
        """
        path = self.path / DETAIL / f"{pair_id}.npz"
        with _named(path), np.load(path, allow_pickle=False) as file:
            return streams_of(file)

    def head_table(self) -> HeadTable | None:
        """Open the table of head measures, which is read by measures; None where the folder lacks it.

        Raises:
            StoreError: it cannot be read.
        """
        path = self.path / "heads.parquet"
        return read_heads(path) if path.is_file() else None

    def embeddings(self) -> pd.DataFrame:
        """Read the words of associations and projections; without rows where the run made none."""
        return _read_table(self.path / f"{SURVEYS['embedding']}.parquet", _EMBEDDING_COLUMNS)

    def heads_of(self, pair_ids: Sequence[str]) -> pd.DataFrame:
        """Read the head measures of a few pairs; the whole table stays on the disk."""
        if not pair_ids:
            return pd.DataFrame(columns=list(_HEAD_COLUMNS))
        return _read_table(self.path / "heads.parquet", _HEAD_COLUMNS, frozenset(pair_ids))


def read_folder(folder: Path, audit: Audit) -> FinishedRun:
    """Read a finished run folder.

    Args:
        folder: the run folder.
        audit: its result.
    Returns:
        The run; tables that the folder lacks have no rows and are listed as missing.
    Raises:
        StoreError: a file is there and cannot be read.
    """
    manifest = folder / MANIFEST
    details = [read_detail(path) for path in sorted((folder / DETAIL).glob("*.npz"))]
    return FinishedRun(
        folder,
        audit,
        _read_table(folder / "pairs.parquet", _PAIR_COLUMNS),
        _read_table(folder / "outputs.parquet", _OUTPUT_COLUMNS),
        {detail.pair_id: detail for detail in details},
        hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
        _missing(folder, audit),
    )


def _missing(folder: Path, audit: Audit) -> tuple[str, ...]:
    """Name what a run writes and the folder lacks; kept attention only if the run was told to keep some."""
    names = [MANIFEST, *(f"{table}.parquet" for table in TABLES)]
    lacking = [name for name in names if not (folder / name).is_file()]
    read = any(defined(head.bias.estimate) or defined(head.bias_next.estimate) for head in audit.heads)
    if read and audit.config.get("detail") and not (folder / DETAIL).is_dir():
        lacking.append(f"{DETAIL}/")
    return tuple(lacking)


def read_detail(path: Path) -> Detail:
    """Read the kept attention of one pair; the file's name is the pair's id.

    Raises:
        StoreError: the file is damaged or incomplete.
    """
    with _named(path), np.load(path, allow_pickle=False) as file:
        return Detail(
            path.stem,
            str(file["stream"]),
            tuple(map(str, file["words_a"])),
            tuple(map(str, file["words_b"])),
            _index_pairs(file["queries"]),
            file["weights_a"].astype(np.float32),
            file["weights_b"].astype(np.float32),
            _index_pairs(file["matches"]),
        )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file of kept attention that cannot be read."""
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: cannot be read as kept attention ({error})") from error


def _index_pairs(array: npt.NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in array.reshape(-1, 2))


def _read_table(path: Path, columns: Sequence[str], pair_ids: frozenset[str] | None = None) -> pd.DataFrame:
    """Read some columns, of some pairs; columns that the table lacks are empty, and so is a table that is missing."""
    if not path.is_file():
        return pd.DataFrame(columns=list(columns))
    try:
        there = set(pyarrow.parquet.read_schema(path).names)
        known = [name for name in columns if name in there]
        frame = pd.read_parquet(path, columns=known) if pair_ids is None else _rows_of(path, known, pair_ids)
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read as a table ({error})") from error
    return frame.reindex(columns=list(columns))


def _rows_of(path: Path, columns: list[str], pair_ids: frozenset[str]) -> pd.DataFrame:
    """Read the rows of some pairs, one row group after the other: there may be more rows than memory holds."""
    with pyarrow.parquet.ParquetFile(path) as file:
        found = [file.schema_arrow.empty_table().select(columns)]
        wanted = pyarrow.array(sorted(pair_ids), pyarrow.string())
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["pair_id"])["pair_id"]
            rows = pyarrow.compute.is_in(ids.cast(pyarrow.string()), value_set=wanted)
            if pyarrow.compute.any(rows).as_py():
                found.append(file.read_row_group(group, columns=columns).filter(rows))
        frame: pd.DataFrame = pyarrow.concat_tables(found).to_pandas()
        return frame
