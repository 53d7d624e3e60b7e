"""Results of single draws, one line each, so that a calibration that was cut short goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

FOLDER = Path(__file__).parent
FIGURES = FOLDER / "figures.json"
Row = dict[str, Any]


def drawn(part: str, keys: Iterable[str], draw: Callable[[str], Row]) -> list[Row]:
    """Results of all keys, in order; those that are not in the part's ledger are drawn and added to it."""
    file = FOLDER / "work" / f"{part}.jsonl"
    file.parent.mkdir(exist_ok=True)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    known = {row["key"]: row for row in map(json.loads, lines)}
    rows = []
    for key in keys:
        if key not in known:
            known[key] = {"key": key, **draw(key)}
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(known[key]) + "\n")
        rows.append(known[key])
    return rows


def write_figures(part: str, figures: Row) -> None:
    """Put the figures of one part beside those of the others, and show them."""
    every = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    every[part] = figures
    FIGURES.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    Console().print_json(data={part: figures})
