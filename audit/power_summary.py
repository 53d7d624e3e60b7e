"""What a suite can find and what it would take, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.power import GROWTHS, Design, Growth
from audit.power_plan import Need, Reach

_WAYS: dict[Growth, str] = {
    "templates": "more templates",
    "items": "more items",
    "both": "more of both",
}


def print_power(needs: Sequence[Need], source: str, power: float) -> None:
    """One block for each threshold: what is found now, and every way to reach it."""
    console = Console(highlight=False)
    console.print()
    console.print(f"Effects that are found with a chance of {power:.0%}; variances from {source}.")
    if not needs:
        console.print("The config has no check that applies to this suite: there is no threshold to reach.")
    for need in needs:
        console.print()
        console.print(f"{need.check}  {need.suite} {'/'.join(need.contrast)}: {need.measure}", style="bold")
        if need.reach is None:
            console.print(f"  undecided: {need.reason}")
            continue
        reached = need.reach.detectable <= need.threshold
        told = f"  threshold {need.threshold:.3g}, found from {need.reach.detectable:.3g} on (level {need.alpha:.2g}): "
        mark = ("reached", "green") if reached else ("not reached", "yellow")
        console.print(Text.assemble(told, mark))
        if not reached:
            console.print(_ways(need.reach))


def _ways(reach: Reach) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "templates", "items", "pairs"):
        table.add_column(title, justify="right" if title else "left")
    rows: list[tuple[str, Design | None]] = [("  the suite now", reach.now)]
    rows += [(f"  with {_WAYS[growth]}", reach.designs[growth]) for growth in GROWTHS]
    for name, design in rows:
        if design is None:
            table.add_row(name, "impossible")
        else:
            pairs = design.units * reach.pairs_per_unit
            table.add_row(name, f"{design.templates}", f"{design.items}", f"{pairs}")
    return table


def power_json(needs: Sequence[Need], source: str, power: float) -> str:
    """The same as one line of JSON, for machines; designs that do not exist are null."""
    return json.dumps(
        {"power": power, "variances_from": source, "needs": [asdict(need) for need in needs]},
        ensure_ascii=False,
    )
