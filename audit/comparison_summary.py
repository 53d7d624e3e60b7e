"""A comparison on a terminal, worst first; narrow ones get lines instead of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.outcomes import name_of
from audit.results import Estimate
from audit.results.comparison import Change, Changed, Comparison, HeadChange, OutputChange

#: Below this width a table breaks its numbers apart.
_NARROW = 88
_MOST_HEADS = 12
_STYLES: dict[Change, str] = {"worse": "bold red3", "shifted": "gold3", "better": "green4"}
_WORDS: dict[Change, str] = {
    "worse": "worse",
    "shifted": "shifted: not the same, and not shown to be larger or smaller",
    "better": "better",
    "unchanged": "without a change that can be shown",
    "unmeasured": "not compared",
}
_HEAD_MEASURES = {
    "bias": "signed bias, pronoun's row",
    "bias_next": "signed bias, predicting row",
    "nie": "causal effect, pronoun's row",
    "nie_next": "causal effect, predicting row",
}


def print_comparison(comparison: Comparison, width: int | None = None) -> None:
    """Say what got worse, better, or stayed.

    Args:
        comparison: of two runs.
        width: of the terminal, in characters; None for its own.
    """
    console = Console(highlight=False, width=width)
    console.print()
    console.print(Text(f"{comparison.before.model} → {comparison.after.model}", style="bold"))
    console.print(Text(f"{comparison.before.folder} → {comparison.after.folder}", style="dim"))
    for pairs in comparison.pairs:
        told = f"{pairs.suite}, {'/'.join(pairs.contrast)}: {pairs.common} pairs in both"
        console.print(Text(f"{told} (of {pairs.before} and {pairs.after})"))
    for reason in comparison.left_out:
        named = ", ".join(reason.pair_ids[:5]) + (" …" if reason.count > 5 else "")
        console.print(Text(f"left out, {reason.reason}: {reason.count} pairs ({named})", style="yellow"))
    for warning in comparison.warnings:
        console.print(Text(warning, style="yellow"))
    outputs = [output for output in comparison.outputs if output.change != "unmeasured"]
    _print_part(console, "outputs", outputs, len(comparison.outputs), comparison.outputs)
    heads = [head for head in comparison.heads if head.change not in ("unchanged", "unmeasured")]
    _print_part(console, "heads", heads[:_MOST_HEADS], len(comparison.heads), comparison.heads)
    if len(heads) > _MOST_HEADS:
        console.print(f"… and {len(heads) - _MOST_HEADS} more; --format html shows them", style="dim")
    if comparison.heads_reason:
        console.print(Text(f"heads are not compared: {comparison.heads_reason}", style="yellow"))


def _print_part(
    console: Console,
    title: str,
    shown: Sequence[OutputChange | HeadChange],
    total: int,
    counted: Iterable[Changed],
) -> None:
    if not total:
        return
    console.print()
    console.print(Text(f"{title}: {_counts(counted)}", style="bold"))
    if not shown:
        return
    if console.width < _NARROW:
        for one in shown:
            _print_lines(console, one)
    else:
        console.print(_table(shown))


def _counts(changes: Iterable[Changed]) -> str:
    found = Counter(one.change for one in changes)
    return "; ".join(f"{found[change]} {words}" for change, words in _WORDS.items() if found[change])


def _table(shown: Sequence[OutputChange | HeadChange]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "measure", "contrast", "before", "after", "difference", "by magnitude"):
        table.add_column(title, justify="right" if title in ("before", "after") else "left", overflow="fold")
    for one in shown:
        table.add_row(_mark(one), Text(_name(one)), Text(_where(one)), *_numbers(one))
    return table


def _print_lines(console: Console, one: OutputChange | HeadChange) -> None:
    before, after, difference, size = _numbers(one)
    console.print(_mark(one), Text(f"{_name(one)}, {_where(one)}"))
    console.print(Text(f"  {before} → {after}; difference {difference}; by magnitude {size}"))


def _mark(one: Changed) -> Text:
    return Text(one.change, style=_STYLES.get(one.change, "dim"))


def _name(one: OutputChange | HeadChange) -> str:
    if isinstance(one, HeadChange):
        return f"{one.layer}-{one.head} {_HEAD_MEASURES[one.measure]}"
    name = name_of(one.measure).removeprefix("the ").replace("_", " ")
    return f"{name}, {one.group}" if one.group else name


def _where(one: Changed) -> str:
    return f"{one.suite} {'/'.join(one.contrast)}"


def _numbers(one: OutputChange | HeadChange) -> tuple[str, str, str, str]:
    sides = (one.before, one.after)
    values = [side.estimate if isinstance(side, Estimate) else side for side in sides]
    before, after = ("–" if value is None else f"{value:+.3f}" for value in values)
    return before, after, _interval(one.difference), _interval(one.size)


def _interval(found: Estimate) -> str:
    if found.estimate is None:
        return found.reason or "–"
    told = f"{found.estimate:+.3f}"
    return told if found.ci_low is None else f"{told} [{found.ci_low:+.3f}, {found.ci_high:+.3f}]"
