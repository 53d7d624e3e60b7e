"""The tables of README.md, made of ``figures.json`` whenever a part has run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.bars import BARS, Bar
from tests.benchmarks.timing import Row

PAGE = Path(__file__).parent / "README.md"
START, END = "<!-- figures -->", "<!-- end of figures -->"
_MACHINE = (
    "date",
    "processor",
    "cores",
    "flags",
    "threads",
    "rounds",
    "load before",
    "torch",
    "transformers",
)


def tables(every: Mapping[str, Row]) -> str:
    """Asked and got, and where it was got."""
    asked = [_line(bar, every) for bar in BARS]
    where = [_where(part, found["machine"]) for part, found in every.items()]
    head = "| work | against | asked | got | kept | limit here |\n|---|---|---|---|---|---|"
    names = f"| part | {' | '.join(_MACHINE)} | peers |\n|{'---|' * (len(_MACHINE) + 2)}"
    return "\n".join([head, *asked, "", names, *where])


def write_page(every: Mapping[str, Row]) -> None:
    """Put the tables where the page has its marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{START}\n{tables(every)}\n{END}{after}", encoding="utf-8")


def _line(bar: Bar, every: Mapping[str, Row]) -> str:
    asked, found = f"{bar.side} {bar.bound:g}{bar.unit}", bar.found(every)
    limit = _told(bar.allowed(every), bar.unit, "–")
    if found is None:
        return f"| {bar.work} | {bar.against} | {asked} | not measured | – | {limit} |"
    kept = "yes" if bar.holds(found["median"]) else "**no**"
    return f"| {bar.work} | {bar.against} | {asked} | {_told(found, bar.unit, '')} | {kept} | {limit} |"


def _told(found: Row | None, unit: str, nothing: str) -> str:
    """A median with its spread."""
    if found is None:
        return nothing
    told = f"{found['median']:g}{unit}"
    return f"{told} ({found['least']:g}–{found['most']:g})" if "least" in found else told


def _where(part: str, machine: Row) -> str:
    cells = [machine[name] for name in _MACHINE]
    told = [" ".join(cell) if isinstance(cell, list) else str(cell) for cell in cells]
    peers = ", ".join(
        f"{name} {found}" for name, found in machine["peers"].items() if name not in ("torch", "transformers")
    )
    return f"| {part} | {' | '.join(told)} | {peers or '–'} |"
