"""The table of all pairs: packed for the script, and the worst ones for readers without it."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import pandas as pd
from markupsafe import Markup

from reports.folder import FinishedRun
from reports.packed import packed
from reports.pair_cards import anchor
from reports.pair_columns import BETWEEN, CLOSE, OPEN, Columns, pair_columns
from reports.pair_heads import PairHeads
from reports.word_diff import Swap, merge

#: Pairs that stand in the page as a plain table.
MOST_PLAIN: Final = 200
#: Characters that texts of the model are cut to, one after the other, until the budget holds.
_CUTS: Final = (600, 300, 150, 60, 0)


class PlainPair(NamedTuple):
    """One pair of the plain table."""

    anchor: str
    pair: Any
    prompt: tuple[Swap, ...]
    effect: float | None


class PairTable(NamedTuple):
    """All pairs as the page holds them.

    Args:
        total: how many there are.
        data: the columns, packed.
        cut: characters that longer texts of the model were cut to; None where none was cut.
        worst: the plain table: what was not measured first, then the largest total effects in either direction.
    """

    total: int
    data: Markup
    cut: int | None
    worst: tuple[PlainPair, ...]


def pair_table(run: FinishedRun, effects: pd.Series[float], heads: PairHeads, *, budget: int) -> PairTable:
    """Prepare the table.

    Args:
        run: the run folder.
        effects: total effects by pair id.
        heads: the strongest heads of every pair.
        budget: letters that the packed pairs may take; texts of the model are cut until they do.
    """
    pairs = run.pairs[run.pairs["pair_id"].notna()]
    data, cut = _within(pair_columns(pairs, run.outputs, effects, heads), budget)
    return PairTable(len(pairs), data, cut, worst_pairs(pairs, effects))


def worst_pairs(pairs: pd.DataFrame, effects: pd.Series[float]) -> tuple[PlainPair, ...]:
    """Choose the pairs of the plain table.

    Args:
        pairs: rows of ``pairs.parquet``.
        effects: total effects by pair id.
    Returns:
        At most ``MOST_PLAIN``.
    """
    size = effects.reindex(pairs["pair_id"].astype(str)).abs().to_numpy()
    failed = pairs["status"].eq("failed").fillna(False).to_numpy(dtype=bool)
    order = pd.DataFrame({"failed": failed, "size": size}).sort_values(
        ["failed", "size"], ascending=False, kind="stable", na_position="last"
    )
    chosen = pairs.iloc[order.index[:MOST_PLAIN]].astype(object)
    rows: list[Any] = list(chosen.where(chosen.notna(), None).itertuples(index=False))
    return tuple(
        PlainPair(
            anchor(row.suite, row.pair_id),
            row,
            merge(row.text_a or "", row.text_b or ""),
            float(effects[row.pair_id]) if row.pair_id in effects.index else None,
        )
        for row in rows
    )


def _within(columns: Columns, budget: int) -> tuple[Markup, int | None]:
    """Pack the columns; where that is too much, with texts of the model cut shorter and shorter."""
    whole = packed(columns)
    if len(whole) <= budget:
        return whole, None
    for cut in _CUTS:
        texts = [
            {**text, "merged": [shortened(each, cut) for each in text["merged"]]} for text in columns["texts"]
        ]
        tried = packed({**columns, "texts": texts if cut else []})
        if len(tried) <= budget:
            return tried, cut
    # Prompts alone are too much: pairs keep their numbers.
    bare = {
        **columns,
        "texts": [],
        "heads": [],
        "prompt": [shortened(each, 120) for each in columns["prompt"]],
    }
    return packed(bare), 0


def shortened(merged: str | None, most: int) -> str | None:
    r"""Cut two texts that are laid over each other, each to some characters, and say so by an ellipsis.

    >>> shortened("one \x01two\x02three\x03 four", 6)
    'one \x01tw…\x02th…\x03'
    """
    if merged is None or len(merged) <= most:
        return merged
    kept, room = [], [most, most]
    for common, a, b in _PARTS.findall(merged):
        if common:
            left = max(room)
            kept.append(common if len(common) <= left else f"{common[:left]}…")
        else:
            kept.append(f"{OPEN}{_cut(a, room[0])}{BETWEEN}{_cut(b, room[1])}{CLOSE}")
        room = [room[0] - len(common or a), room[1] - len(common or b)]
        if max(room) <= 0:
            break
    return "".join(kept)


_PARTS: Final = re.compile(f"([^{OPEN}]+)|{OPEN}([^{BETWEEN}]*){BETWEEN}([^{CLOSE}]*){CLOSE}")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(most, 0)]}…"
