"""What a self-check found, for people and for machines."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.flagging import SEVERITY
from audit.results import Label
from audit.selfcheck import LEVEL, MOST_FALSE, PLANTED, Bar, Outcome

_STYLES = {"shown": "green", "holds here": "green", "missed": "bold red"}
_PARTS: dict[Label, str] = {
    "carries": "carrier",
    "opposes": "opposer",
    "moves": "mover",
    "acts": "actor",
    "none": "no part",
}


def print_selfcheck(outcome: Outcome) -> None:
    """Verdict, what each planted part was called, and every bar with its bound."""
    console = Console(highlight=False)
    models = outcome.null.false.trials
    mark = (" HOLDS ", "bold white on dark_green") if outcome.holds else (" MISSED ", "bold white on red3")
    console.print()
    console.print(Text.assemble(mark, f"  {models} models with planted heads, {models} without"))
    console.print(_why(outcome))
    console.print()
    console.print(_labels(outcome))
    console.print()
    console.print(_bars(outcome))


def _why(outcome: Outcome) -> str:
    missed = [bar.what for bar in outcome.bars if bar.standing == "missed"]
    if missed:
        return f"Missed: {'; '.join(missed)}."
    if all(bar.standing == "shown" for bar in outcome.bars):
        return f"Every bar holds, by one-sided {LEVEL:.0%} bounds."
    needed = models_needed()
    return (
        f"Every bar holds in this sample. It is too small to prove that: with no false flag at all it takes {needed} "
        f"models of either kind (--seeds {needed})."
    )


def models_needed() -> int:
    """Models after which no false flag at all bounds their share: smallest n with `1 - (1-L)^(1/n) ≤ limit`."""
    count = 1
    while 1 - (1 - LEVEL) ** (1 / count) > MOST_FALSE:
        count += 1
    return count


def _labels(outcome: Outcome) -> Table:
    """Rows: what was planted; columns: what the audit said."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("planted")
    for title in ("heads", *SEVERITY, "right"):
        table.add_column(title, justify="right")
    for true in (*PLANTED, "none"):
        named = outcome.planted.named(true)
        counts = (outcome.planted.labels.get((true, given), 0) for given in SEVERITY)
        table.add_row(_PARTS[true], str(named.trials), *map(str, counts), f"{named.value:.1%}")
    return table


def _bars(outcome: Outcome) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title, side in (
        ("", "left"),
        ("found", "right"),
        (f"{LEVEL:.0%} bound", "right"),
        ("bar", "right"),
        ("", "left"),
    ):
        table.add_column(title, justify="right" if side == "right" else "left")
    for bar in outcome.bars:
        sign = "≥" if bar.least else "≤"
        table.add_row(
            bar.what,
            f"{bar.share.count} of {bar.share.trials}",
            f"{sign} {bar.bound:.3f}",
            f"{sign} {bar.limit:g}",
            Text(bar.standing, style=_STYLES[bar.standing]),
        )
    return table


def selfcheck_json(outcome: Outcome) -> str:
    """The outcome as one line of JSON, for machines."""
    return json.dumps(
        {
            "holds": outcome.holds,
            "dose": outcome.dose,
            "models": outcome.null.false.trials,
            "false_discovery_rate": outcome.planted.false_discoveries,
            "bars": [_bar(bar) for bar in outcome.bars],
            "labels": [
                {"planted": true, "named": given, "heads": count}
                for (true, given), count in sorted(outcome.planted.labels.items())
            ],
        },
        ensure_ascii=False,
    )


def _bar(bar: Bar) -> dict[str, str | int | float]:
    return {
        "what": bar.what,
        "count": bar.share.count,
        "trials": bar.share.trials,
        "bound": bar.bound,
        "limit": bar.limit,
        "standing": bar.standing,
    }
