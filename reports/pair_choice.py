"""Which pairs the page shows, in which order, and by what they were chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

import pandas as pd

from audit.results import HeadFinding
from reports.folder import FinishedRun

#: Pairs that the page shows; the tables of the run folder hold all.
MOST_PAIRS: Final = 24

Order = Literal["bias", "effect", "table"]


class Choice(NamedTuple):
    """The pairs to show, in order.

    Args:
        rows: their rows of ``pairs.parquet``; those that the suite writes out one by one come first.
        by_hand: ids of the latter.
        order: what ranks the others: mean |signed bias|, |total effect|, or their place in the table.
        strength: pair id → mean |signed bias|, where there is one.
        heads: the head measures of the rows.
    """

    rows: tuple[Any, ...]
    by_hand: frozenset[str]
    order: Order
    strength: dict[str, float]
    heads: pd.DataFrame


def choose_pairs(run: FinishedRun, effects: pd.Series[float]) -> Choice:
    """Choose pairs written by hand, then those with kept attention, strongest first.

    These are the ones that the run chose to keep, by the same number. Where it kept no attention, the
    pairs with the largest total effects are taken instead.

    Args:
        run: the run folder.
        effects: total effects by pair id.
    Returns:
        At most ``MOST_PAIRS`` pairs.
    """
    pairs = run.pairs[run.pairs["pair_id"].notna()]
    own = written_by_hand(pairs)
    kept = pairs["pair_id"].isin(list(run.details))
    top = effects.abs().sort_values(ascending=False, kind="stable").index[:MOST_PAIRS]
    further = kept if run.details else pairs["pair_id"].isin(list(top))
    chosen = pd.concat([pairs[own].head(MOST_PAIRS), pairs[further & ~own]])
    heads = run.heads_of(list(chosen["pair_id"]))
    strength = mean_bias(heads, run.audit.heads)
    order: Order = "effect" if not run.details else "bias" if strength else "table"
    size = {"bias": strength, "effect": dict(effects.abs()), "table": {}}[order]
    by_hand = frozenset(pairs.loc[own, "pair_id"].astype(str))
    rows = list(chosen.astype(object).where(chosen.notna(), None).itertuples(index=False))
    rest = [row for row in rows if row.pair_id not in by_hand]
    rest.sort(key=lambda row: (-size.get(row.pair_id, 0.0), row.pair_id if size else ""))
    first = [row for row in rows if row.pair_id in by_hand]
    return Choice(tuple([*first, *rest][:MOST_PAIRS]), by_hand, order, strength, heads)


def written_by_hand(pairs: pd.DataFrame) -> pd.Series[bool]:
    """Tell the pairs that a suite writes out one by one from those that come from a template.

    The first of them is a cluster of its own, and another may join that cluster (the same two people in the
    other order). Ids from templates hold a full stop; those of pairs written out for two arms hold none.

    Args:
        pairs: rows of ``pairs.parquet``.
    Returns:
        A truth value per row.
    """
    ids = pairs["pair_id"].astype(str)
    own = set(ids[(pairs["cluster"] == pairs["pair_id"]).fillna(False).astype(bool)])
    return pairs["cluster"].isin(own) & ~ids.str.contains(".", regex=False)


def mean_bias(heads: pd.DataFrame, findings: Iterable[HeadFinding]) -> dict[str, float]:
    """Mean |signed bias| from the swapped word over the flagged heads; over all heads if none is flagged.

    Args:
        heads: rows of ``heads.parquet``.
        findings: all heads of the audit.
    Returns:
        Pair id → mean, 0 to 1; pairs without a bias are left out.
    """
    flagged = {(finding.layer, finding.head) for finding in findings if finding.flagged}
    if flagged:
        places = pd.MultiIndex.from_frame(heads[["layer", "head"]])
        heads = heads[places.isin(list(flagged))]
    sizes = heads["bias"].astype("float64").abs()
    return {str(name): float(size) for name, size in sizes.groupby(heads["pair_id"]).mean().dropna().items()}
