"""Tables with a header, as public data sets come: rows with the line that they begin at."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audit.errors import Fault, InputError
from audit.importers.imported import read_text
from audit.validate import listed


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Args:
        number: from 0, without the header.
        line: where it begins in the file, from 1.
        cells: column → text.
    """

    file: str
    number: int
    line: int
    cells: Mapping[str, str]

    def fault(self, column: str, message: str) -> Fault:
        """Make a fault in one cell."""
        return Fault(self.file, self.line, column, message)


def read_table(source: Path, columns: Sequence[str], delimiter: str) -> list[Row]:
    """Read a table.

    Args:
        source: a UTF-8 file whose first row names the columns.
        columns: those that must be there; others are kept too.
        delimiter: what stands between two cells.
    Raises:
        InputError: the file cannot be read or is empty, a column is missing, a row has other cells than the
            header, or a quotation mark is not closed.
    """
    text = io.StringIO(read_text(source), newline="")
    quoted: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(text, delimiter=delimiter, quoting=quoted, strict=True)
    rows: list[Row] = []
    faults: list[Fault] = []
    before = 0
    try:
        header = next(reader, [])
        if missing := [column for column in columns if column not in header]:
            told = f"the columns {', '.join(missing)} are missing" if header else "the file is empty"
            raise InputError.single(f"{told}; expected a header with {listed(columns)}", source, 1)
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not cells:
                continue
            row = Row(str(source), len(rows), line, dict(zip(header, cells, strict=False)))
            rows.append(row)
            if len(cells) != len(header):
                faults.append(
                    row.fault("", f"the row has {len(cells)} cells; expected {len(header)}, as the header")
                )
    except csv.Error as error:
        raise InputError.single(f"the table cannot be read: {error}", source, before + 1) from error
    if not rows:
        faults.append(Fault(str(source), 1, "", "the table has no rows"))
    if faults:
        raise InputError(faults)
    return rows
