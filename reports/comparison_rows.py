"""Changes between two runs in plain words: what pages and pull requests show of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from audit.results import Estimate
from audit.results.comparison import Change, Changed, Comparison, HeadChange, OutputChange
from reports.numbers import has_interval, p_value
from reports.wording import interval, measure_of, quantity, unit_name

#: What each outcome is called, and what it means.
CHANGES: Final[dict[Change, tuple[str, str]]] = {
    "worse": ("worse", "more bias than before, by magnitude"),
    "shifted": ("shifted", "another value than before; not shown to be larger or smaller by magnitude"),
    "better": ("better", "less bias than before, by magnitude"),
    "unchanged": ("no change shown", "a change may be there that these pairs cannot show"),
    "unmeasured": ("not compared", "not measured in both runs"),
}
#: Measures of heads, and the word that they are read from.
_HEAD_MEASURES: Final[dict[str, tuple[str, str]]] = {
    "bias": ("signed bias", "from the swapped word"),
    "bias_next": ("signed bias", "from the last word"),
    "nie": ("causal effect", "from the swapped word"),
    "nie_next": ("causal effect", "from the last word"),
}


class Written(NamedTuple):
    """A number and its interval; nothing where there is no interval."""

    value: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.interval})" if self.interval else self.value


class ChangeRow(NamedTuple):
    """One measure in both runs, written out.

    Args:
        change: what became of it.
        name, note: the measure, and what to add to it.
        where: suite and contrast.
        before, after, difference, size: written out.
        p: of the size.
        reason: why there is no change.
    """

    change: Change
    name: str
    note: str
    where: str
    before: Written
    after: Written
    difference: Written
    size: Written
    p: str
    reason: str | None

    @property
    def word(self) -> str:
        """What became of it, in a word or two."""
        return CHANGES[self.change][0]


def output_row(one: OutputChange) -> ChangeRow:
    """Write out one output measure."""
    measure = measure_of(one.measure)
    unit = unit_name(one.measure, 0.0)
    note = ", ".join(part for part in (one.group, f"in {unit}" if unit else None) if part)
    before, after = (_written(one.measure, side, measure.signed) for side in (one.before, one.after))
    return _row(one, (measure.name, note), (before, after), one.size.p)


def head_row(one: HeadChange) -> ChangeRow:
    """Write out one measure of one head."""
    name, word = _HEAD_MEASURES[one.measure]
    labels = (
        one.label_after if one.label_before == one.label_after else f"{one.label_before} → {one.label_after}"
    )
    unit = ", in nats" if one.measure.startswith("nie") else ""
    stream = "" if one.stream in ("self", "decoder") else f"{one.stream} "
    note = f"{word}{unit}; {labels}"
    before, after = (Written(quantity(one.measure, side, signed=True)) for side in (one.before, one.after))
    title = f"{stream}head {one.layer}-{one.head}: {name}"
    return _row(one, (title, note), (before, after), one.size.p_adjusted)


def _row(one: Changed, named: tuple[str, str], sides: tuple[Written, Written], p: float | None) -> ChangeRow:
    return ChangeRow(
        one.change,
        *named,
        f"{one.suite}: {' against '.join(one.contrast)}",
        *sides,
        _written(one.measure, one.difference, signed=True),
        _written(one.measure, one.size, signed=True),
        p_value(p),
        one.size.reason,
    )


def _written(measure: str, estimate: Estimate, signed: bool) -> Written:
    told = interval(measure, estimate) if has_interval(estimate) else ""
    return Written(quantity(measure, estimate.estimate, signed=signed), told)


def shown_heads(comparison: Comparison) -> tuple[HeadChange, ...]:
    """The heads that changed, worst first."""
    return tuple(one for one in comparison.heads if one.change in ("worse", "shifted", "better"))


def counts(changes: Iterable[Changed]) -> str:
    """How many became what, such as ``2 worse, 14 no change shown``."""
    found = Counter(one.change for one in changes)
    told = [f"{found[change]:,} {word}" for change, (word, _) in CHANGES.items() if found[change]]
    return ", ".join(told) or "nothing to compare"


def headline(comparison: Comparison) -> str:
    """The comparison in one sentence."""
    worse = _worse(comparison.outputs), _worse(comparison.heads)
    better = any(one.change == "better" for one in (*comparison.outputs, *comparison.heads))
    if worse[0] or worse[1]:
        parts = [
            f"{count} {noun}{'s' if count > 1 else ''}"
            for count, noun in zip(worse, ("output measure", "head measure"), strict=True)
            if count
        ]
        return f"Worse than before: {' and '.join(parts)}."
    return (
        "Nothing got worse, and something got better."
        if better
        else "No measure is shown to be worse or better."
    )


def _worse(changes: Sequence[Changed]) -> int:
    return sum(one.change == "worse" for one in changes)
