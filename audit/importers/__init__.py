"""Readers of public data sets, one format a file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from audit.errors import InputError
from audit.importers.imported import Imported, Importer
from audit.validate import hint, listed

#: Name on the command line → module and function; a module is loaded when its format is asked for.
_IMPORTERS = {
    "crows-pairs": ("crows_pairs", "read_crows_pairs"),
    "winobias": ("winobias", "read_winobias"),
    "winogender": ("winogender", "read_winogender"),
}


def names() -> tuple[str, ...]:
    """Names of the formats, sorted."""
    return tuple(sorted(_IMPORTERS))


def read_public(name: str, source: Path) -> Imported:
    """Read a public data set.

    Args:
        name: one of :func:`names`.
        source: its own file or folder, as published.
    Raises:
        InputError: an unknown name, or with every fault of the files.
    """
    if name not in _IMPORTERS:
        raise InputError.single(f"unknown data set '{name}'; expected {listed(names())}{hint(name, names())}")
    module, function = _IMPORTERS[name]
    importer: Importer = getattr(import_module(f"audit.importers.{module}"), function)
    return importer(source)
