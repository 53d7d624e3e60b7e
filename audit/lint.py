"""Finds what ruins minimal pairs, before a model is asked."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.errors import Fault, InputError
from audit.expand import expand
from audit.frames import Frame, frames
from audit.lint_texts import TEXT_RULES, Rule, Severity, Told, at_pair
from audit.loader import LoadedSuite
from audit.pairs import CANDIDATE_1, PRONOUN, Pair

#: Templates and items that the two-factor test needs to see anything (methods 6).
FEWEST_LEVELS = 20


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """One thing that lint found; its text is ``file:line: path: severity: message``."""

    fault: Fault
    severity: Severity
    rule: str

    def __str__(self) -> str:
        told = f"{self.severity}: {self.fault.message}"
        return str(Fault(self.fault.file, self.fault.line, self.fault.path, told))


def lint(loaded: LoadedSuite) -> list[LintFinding]:
    """Find every fault of a suite that loads, in the order of the file.

    An *error* makes the pairs unusable; a *warning* makes them weaker or needs a look.
    """
    try:
        pairs = expand(loaded)
    except InputError as error:
        return sorted(LintFinding(fault, "error", "expands") for fault in error.faults)
    found = {
        LintFinding(fault, severity, rule)
        for rule, check in _RULES.items()
        for severity, fault in check(loaded, pairs)
    }
    return sorted(found)


def _missing_mentions(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    if loaded.suite.task != "coreference":
        return
    for pair in pairs:
        partly = (PRONOUN in pair.a.mentions) != (CANDIDATE_1 in pair.a.mentions)
        if (
            pair.kind == "treatment"
            and pair.gold is None
            and (partly or (not pair.a.mentions and pair.completions is None))
        ):
            told = "nothing can be scored; expected the mentions 'pronoun' and 'candidates', or completions"
            yield "warning", at_pair(pair, told)


def _unflaggable(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    """Heads are tested only where a directed pair has a pronoun, candidates and completions."""
    treatments = [pair for pair in pairs if pair.kind == "treatment"]
    if loaded.suite.task != "coreference" or not treatments:
        return
    needed = {PRONOUN, CANDIDATE_1}
    if not any(pair.directed and needed <= set(pair.a.mentions) and pair.completions for pair in treatments):
        told = (
            "no head can be tested: no pair has the mentions 'pronoun' and 'candidates', a stereotype and completions; "
            "a check of flagged heads stays undecided"
        )
        yield "warning", loaded.document.fault(("suite",), told)


def _orders(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    orders: dict[object, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if CANDIDATE_1 in pair.a.mentions:
            orders[(pair.control, pair.unit, pair.contrast)].append(pair)
    for same in orders.values():
        if {pair.order for pair in same} != {0, 1}:
            told = "candidates in one order only, which cannot be told from a bias; expected both orders"
            yield "warning", at_pair(same[0], told)


def _levels(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    contrasts: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.kind == "treatment":
            contrasts[pair.contrast].append(pair)
    for contrast, same in contrasts.items():
        for noun, count in (
            ("templates", len({pair.cluster for pair in same})),
            ("items", len({pair.item for pair in same})),
        ):
            if count < FEWEST_LEVELS:
                told = f"too few {noun} for the contrast {contrast[0]}–{contrast[1]} (got {count})"
                yield (
                    "warning",
                    at_pair(same[0], f"{told}; expected at least {FEWEST_LEVELS} to see an effect"),
                )


def _controls(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    if pairs and all(pair.kind == "treatment" for pair in pairs):
        mark = loaded.where(("suite",))
        told = (
            "there are no controls; expected pairs in which the swap has no direction, to compare heads with"
        )
        yield "warning", Fault(mark.file, mark.line, "", told)


def _duplicates(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    seen: dict[tuple[str, str], str] = {}
    for pair in pairs:
        texts = (pair.a.text, pair.b.text)
        if texts in seen:
            yield "warning", at_pair(pair, f"the pair '{pair.pair_id}' has the same texts as '{seen[texts]}'")
        seen.setdefault(texts, pair.pair_id)


def _overlapping_items(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    for name, items in loaded.suite.items.items():
        counts = Counter(member for item in items for member in item.members)
        for member, count in counts.items():
            if count > 1:
                told = f"'{member}' is in {count} items of '{name}'; expected items without common members"
                yield "warning", loaded.document.fault(("items", name), told)


def _small_sets(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    """The smallest two-sided p of a permutation test is 2 / C(X + Y, X)."""
    for index, one in enumerate(loaded.suite.associations):
        sizes = [len(words) for words in one.targets.values()]
        smallest = 2 / math.comb(sum(sizes), sizes[0])
        if smallest > 0.05:
            told = f"sets of {sizes[0]} and {sizes[1]} target words cannot show anything (p is at least {smallest:.2g})"
            path = ("associations", index, "targets")
            yield "warning", loaded.document.fault(path, f"{told}; expected at least 4 words each")


def _balance(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    squares: dict[object, list[Frame]] = defaultdict(list)
    for frame in frames(loaded.suite):
        if frame.per_template:
            squares[frame.square].append(frame)
    for square in squares.values():
        first, given = square[0], len(square) * (square[0].per_template or 0)
        if given % len(first.items):
            told = f"items are used unequally often ({given} places for {len(first.items)} items)"
            yield "warning", loaded.document.fault(first.pick_path, f"{told}; expected a multiple")


_RULES: dict[str, Rule] = {
    "missing-mention": _missing_mentions,
    "unflaggable": _unflaggable,
    "orders": _orders,
    "levels": _levels,
    "balance": _balance,
    "controls": _controls,
    "duplicate": _duplicates,
    "overlapping-items": _overlapping_items,
    "small-sets": _small_sets,
    **TEXT_RULES,
}
