"""What an importer hands over: a suite, and an account of every row that it read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audit.errors import Fault, InputError
from audit.suite import Suite


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that no pair was made of.

    Args:
        row: number from 0 in the data set's own file, without the header.
        reason: why; the same words for all rows that were left out alike.
    """

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A data set that was read.

    Args:
        suite: the suite that it makes.
        rows: rows that were read.
        left_out: rows of which no pair was made.
        notes: what else the user should know, such as a file that was not there.
    """

    suite: Suite
    rows: int
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def account(self) -> str:
        """Every row in one line: ``1508 rows read, 1507 pairs kept, 1 row left out (1 …)``."""
        pairs = sum(len(pair.texts) * (len(pair.texts) - 1) // 2 for pair in self.suite.pairs)
        rows = f"{_count(self.rows, 'row')} read, {_count(pairs, 'pair')} kept"
        told = f"{rows}, {_count(len(self.left_out), 'row')} left out"
        reasons = Counter(row.reason for row in self.left_out)
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        return "; ".join((f"{told} ({listed})" if listed else told, *self.notes))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Importer(Protocol):
    """Reads one public format: raises InputError with every fault of the files."""

    def __call__(self, source: Path) -> Imported:
        """Read the data set's own file or folder."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text file, with where it stands."""

    file: str
    number: int
    text: str

    def fault(self, message: str, path: str = "") -> Fault:
        """Make a fault at this line."""
        return Fault(self.file, self.number, path, message)


def read_text(source: Path) -> str:
    """Read a UTF-8 file (with or without a byte order mark).

    Raises:
        InputError: it cannot be read, or is no UTF-8 text.
    """
    try:
        return source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError.single((error.strerror or str(error)).lower(), source) from error
    except UnicodeDecodeError as error:
        line = source.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError.single("the file is not UTF-8 text", source, line) from error


def lines_of(source: Path) -> Iterator[Line]:
    """The lines of a text file that are not empty."""
    for number, text in enumerate(read_text(source).splitlines(), start=1):
        if text.strip():
            yield Line(str(source), number, text)
