"""What the comparisons found, in ``figures.json``, each with the machine that it was found on."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from tests.benchmarks.machine import machine
from tests.benchmarks.page import write_page
from tests.benchmarks.timing import ENOUGH, ROUNDS, Row

FOLDER = Path(__file__).parent
FIGURES = FOLDER / "figures.json"


def read_figures() -> Row:
    """Part → its figures; empty before the first run."""
    found: Row = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    return found


def write_figures(part: str, figures: Row, peers: Row | None = None) -> None:
    """Show the figures of one part, and put them beside those of the others if enough rounds tell them."""
    found = {"figures": figures, "machine": machine(peers or {})}
    if ROUNDS >= ENOUGH:
        every = {**read_figures(), part: found}
        FIGURES.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_page(every)
    Console().print_json(data={part: found})
