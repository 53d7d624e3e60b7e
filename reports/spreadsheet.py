"""The audit's tables as CSV for spreadsheets: checks, findings, heads, pairs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from audit.durable import write_whole
from audit.results import Audit, CheckResult, Estimate, Finding, HeadFinding
from audit.results.visible import visible
from reports.folder import FinishedRun, read_folder
from reports.numbers import defined
from reports.pair_cards import anchor
from reports.total_effects import total_effects

Row = Sequence[object]
#: What a spreadsheet takes for the beginning of a formula, also in its wide form.
_FORMULAS: Final = tuple("=+-@＝＋－＠")
#: Characters that a spreadsheet's cell takes.
_MOST: Final = 32_000
#: Parts of an estimate that belong to a head's row; method and seed would make it unreadable.
_OF_HEADS: Final = ("estimate", "ci_low", "ci_high", "p", "n", "mde", "reason")
_PAIRS: Final = (
    *("suite", "pair_id", "kind", "control", "cluster", "item", "arm_a", "arm_b", "group_a", "group_b"),
    *("text_a", "text_b", "completion_1", "completion_2", "file", "line", "status", "reason"),
)


class CsvReport:
    """Writes ``csv/checks.csv``, ``findings.csv``, ``heads.csv`` and ``pairs.csv``."""

    name = "csv"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the tables into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The four files written.
        Raises:
            StoreError: a table of the run cannot be read.
        """
        tables = {
            "checks": records(CheckResult, audit.gate.checks),
            "findings": records(Finding, audit.findings),
            "heads": records(HeadFinding, audit.heads),
            "pairs": _pairs(read_folder(folder, audit)),
        }
        (folder / "csv").mkdir(exist_ok=True)
        written = []
        for name, rows in tables.items():
            path = folder / "csv" / f"{name}.csv"
            write_whole(path, as_csv(rows))
            written.append(path)
        return written


def as_csv(rows: Iterable[Row]) -> bytes:
    """Write rows as CSV that spreadsheets open as meant: UTF-8 with a byte order mark, no cell a formula.

    Args:
        rows: the titles first; numbers stay numbers, None is an empty cell.
    """
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue().encode("utf-8-sig")


def _cell(value: object) -> object:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return value
        case float():
            return repr(value) if defined(value) else ""
        case None:
            return ""
        case tuple() | list():
            return harmless("; ".join(map(str, value)))
        case _:
            return harmless(str(value))


def harmless(text: str) -> str:
    r"""Put an apostrophe before a text that a spreadsheet would compute.

    >>> harmless("=1+1"), harmless("1+1"), harmless("\tx")
    ("'=1+1", '1+1', "'\tx")
    """
    told = visible(text if len(text) <= _MOST else f"{text[:_MOST]}…")
    begins = told.lstrip().startswith(_FORMULAS) or told.startswith(("\t", "\n"))
    return f"'{told}" if begins else told


def records(kind: type[BaseModel], found: Iterable[BaseModel]) -> list[Row]:
    """One row per record, with one column per field; estimates inside take a column for each of their parts.

    Args:
        kind: of the records, also where there are none.
        found: the records.
    Returns:
        Titles, then rows.
    """
    names = list(kind.model_fields)
    inside = [name for name in names if "Estimate" in str(kind.model_fields[name].annotation)]
    parts = _OF_HEADS if kind is HeadFinding else tuple(Estimate.model_fields)
    titles = [
        title for name in names for title in ([f"{name}.{p}" for p in parts] if name in inside else [name])
    ]
    rows: list[Row] = [titles]
    for record in found:
        row: list[Any] = []
        for name in names:
            value = getattr(record, name)
            row += [getattr(value, part, None) for part in parts] if name in inside else [value]
        rows.append(row)
    return rows


def _pairs(run: FinishedRun) -> list[Row]:
    effects = total_effects(run)
    frame = run.pairs.reindex(columns=list(_PAIRS))
    plain = frame.astype(object).where(frame.notna(), None)
    rows: list[Row] = [[*_PAIRS, "total_effect", "anchor"]]
    for pair in plain.itertuples(index=False):
        effect = effects.get(pair.pair_id)
        rows.append(
            [*pair, None if effect is None else float(effect), anchor(str(pair.suite), str(pair.pair_id))]
        )
    return rows
