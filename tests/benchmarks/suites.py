"""What the comparisons measure: public sets beside the repository, and the suites of the package."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from audit.expand import expand
from audit.importers import read_public
from audit.importers.suite_text import write_suite
from audit.loader import load_suite
from audit.pairs import Pair

_ROOT = Path(__file__).resolve().parents[2]


def public_pairs(name: str, *parts: str) -> tuple[Pair, ...] | None:
    """Pairs of a public set in ``shared/data``; None where nobody has put it."""
    for folder in _ROOT.parents:
        if (source := folder.joinpath("shared", "data", *parts)).exists():
            with tempfile.TemporaryDirectory() as place:
                file = Path(place) / f"{name}.yaml"
                write_suite(read_public(name, source).suite, file)
                return expand(load_suite(file))
    return None


def quickstart(chosen: Callable[[Pair], bool] = lambda _: True) -> tuple[Pair, ...]:
    """Pairs of the quickstart."""
    return tuple(pair for pair in expand(load_suite("quickstart")) if chosen(pair))
