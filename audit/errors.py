"""Every error that a user of evenhand can meet, and the exit code it ends with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong in a file: ``file:line: path: message``.

    Args:
        file: the file as the user named it; empty when there is none.
        line: line number from 1; 0 when there is none.
        path: where inside the document (``templates[2].text``); may be empty.
        message: ``what is wrong (got VALUE); expected WHAT; hint``.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = self.file if not self.line else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.path, self.message) if part)


class EvenhandError(Exception):
    """Base of all errors that are told to the user in one line, without a traceback."""

    exit_code = 2


class InputError(EvenhandError):
    """A suite, a config or an argument is wrong; carries every fault that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def single(cls, message: str, file: str | Path = "", line: int = 0, path: str = "") -> InputError:
        """Make an error of one fault."""
        return cls([Fault(str(file), line, path, message)])


class ModelError(EvenhandError):
    """A model cannot be found, loaded, or measured exactly."""


class ShapeError(EvenhandError, ValueError):
    """Two arrays that must match do not."""


class MeasurementError(EvenhandError):
    """A measurement was attempted and failed (NaN logits, out of memory, …)."""

    exit_code = 4


class StoreError(EvenhandError):
    """A run folder cannot be read or written."""

    exit_code = 4
