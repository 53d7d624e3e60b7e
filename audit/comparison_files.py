"""Comparisons as files, through the door of their renderers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.errors import InputError, StoreError
from audit.registry import COMPARISONS
from audit.results.comparison import Comparison


def check_formats(formats: Sequence[str], out: Path | None) -> None:
    """Refuse unknown formats, and formats without a place for them.

    Raises:
        InputError: before anything is compared.
    """
    for name in formats:
        COMPARISONS.get(name, "--format")
    if formats and out is None:
        raise InputError.single("the files need a place; expected a folder with --out", path="--format")
    if out is not None and not formats:
        raise InputError.single(
            "nothing is written without a format; expected --format html, …", path="--out"
        )
    if out is not None and out.exists() and not out.is_dir():
        raise InputError.single("is a file; expected a folder", out)


def write_comparison(comparison: Comparison, formats: Sequence[str], out: Path | None) -> list[Path]:
    """Render a comparison.

    Args:
        comparison: of two runs.
        formats: names of renderers.
        out: the folder; it is made where it is missing.
    Returns:
        The files written.
    Raises:
        InputError: an unknown format.
        StoreError: the folder cannot be written.
    """
    if out is None:
        return []
    try:
        out.mkdir(parents=True, exist_ok=True)
        return [
            file for name in formats for file in COMPARISONS.get(name, "--format").render(out, comparison)
        ]
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror})") from error
