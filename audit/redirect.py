"""True nulls out of measured pairs: directions that mean nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from audit.head_fits import ROWS, is_same_swap


def redirect(
    pairs: pd.DataFrame, heads: pd.DataFrame, direction: Mapping[str, int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a null: turn the signed measures of each item by a direction that means nothing.

    The same direction holds in all templates, since the item is a random factor. Control pairs with
    the treatment's swap (same-group candidates) become treatments, `b = ½ (coref_a - coref_b)`.

    Args:
        pairs: ``pairs.parquet``.
        heads: ``heads.parquet``.
        direction: item → +1 or -1; pairs of other items are left out of the null.
    Returns:
        New tables of pairs and heads.
    """
    same = is_same_swap(pairs)
    kept = pairs["item"].isin(list(direction)).to_numpy(dtype=bool)
    null = pairs[kept].copy()
    null.loc[same[kept], "kind"] = "treatment"
    null.loc[same[kept], "directed"] = True
    sign = dict(zip(_keys(null), null["item"].map(dict(direction)), strict=True))
    undirected = set(_keys(pairs[kept & same]))
    keys = _keys(heads)
    table = heads[np.array([key in sign for key in keys], dtype=bool)].copy()
    keys = [key for key in keys if key in sign]
    turn = np.array([sign[key] for key in keys], dtype=np.float64)
    fresh = np.array([key in undirected for key in keys], dtype=bool)
    for row in ROWS:
        leaning = (table[f"coref_a{row}"] - table[f"coref_b{row}"]) / 2
        table[f"bias{row}"] = np.where(fresh, leaning, table[f"bias{row}"]) * turn
        for effect in ("nie", "nde", "zero", "mean", "uniform"):
            table[effect + row] *= turn
    return null, table


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["suite"], table["pair_id"], strict=True))
