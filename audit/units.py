"""Pairs → order-balanced units, the grain at which everything is tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from audit.cluster_moments import level_codes
from audit.sign_flips import Flips, flipped
from audit.statistics import Fit, two_way

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Units:
    """Pairs of one template × item (two arms × two orders of the candidates) taken together.

    Args:
        pairs: `[P]` row numbers of the pairs in their table.
        of: `[P]` the unit of each pair, 0 to U - 1.
        clusters, items: `[U]` template and item of each unit.
    """

    pairs: Indices
    of: Indices
    clusters: tuple[str, ...]
    items: tuple[str, ...]

    def means(self, values: Array) -> Array:
        """Average the pairs of each unit.

        Args:
            values: `[P, M]` one row per pair, in the order of `pairs`.
        Returns:
            `[U, M]`; NaN where a pair of the unit is.
        """
        count = len(self.clusters)
        member = sparse.csr_array(
            (np.ones(len(self.of)), (self.of, np.arange(len(self.of)))), (count, len(self.of))
        )
        return np.asarray(member @ values) / np.bincount(self.of, minlength=count)[:, None]

    @property
    def recur(self) -> bool:
        """Whether any template or item is that of more than one unit."""
        return min(len(set(self.clusters)), len(set(self.items))) < len(self.clusters)

    def fit(self, values: Array, flips: Flips | None = None) -> tuple[Fit, npt.NDArray[np.int64]]:
        """Average the pairs of each unit and fit the units' means, both factors random.

        Args:
            values: `[P, M]` one row per pair, in the order of `pairs`; a unit with a NaN is left out.
            flips: makes p where no template and no item recurs; None keeps the p of t there too.
        Returns:
            The fit over M measures, and `[M]` the pairs behind each.
        """
        means, size = self.means(values), np.bincount(self.of, minlength=len(self.clusters))
        defined = ~np.isnan(means)
        kept = np.flatnonzero(defined.any(axis=1))
        levels = ([labels[unit] for unit in kept] for labels in (self.clusters, self.items))
        fit = two_way(means[kept], *levels)
        if flips is not None and not self.recur:
            fit = flipped(fit, means[kept], flips)
        return fit, size @ defined

    def level_sums(self, values: Array) -> tuple[tuple[tuple[str, str], ...], Array]:
        """Residuals of the units' means, summed over every level of either factor.

        Args:
            values: `[P, M]` one row per pair, in the order of `pairs`.
        Returns:
            `[R]` factor and name of the levels, and `[R, M]` the sums; what is NaN counts as 0.
        """
        means = self.means(values)
        present = ~np.isnan(means)
        n = np.maximum(present.sum(axis=0), 1)
        residuals = np.where(present, means - np.where(present, means, 0.0).sum(axis=0) / n, 0.0)
        names: list[tuple[str, str]] = []
        sums: list[Array] = []
        for factor, levels in (("template", self.clusters), ("item", self.items)):
            codes = level_codes(levels)
            member = sparse.csr_array(
                (np.ones(len(codes)), (codes, np.arange(len(codes)))),
                (codes.max(initial=-1) + 1, len(codes)),
            )
            names += [(factor, name) for name in dict.fromkeys(levels)]
            sums.append(np.asarray(member @ residuals))
        return tuple(names), np.concatenate(sums)


def balanced_units(pairs: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> Units:
    """Group the chosen pairs by template and item, leaving out units of which a pair was not measured.

    The order of the candidates moves attention more than most biases do, so half a unit is no unit.

    Args:
        pairs: ``pairs.parquet``, of one suite.
        chosen: `[rows]` which pairs to take.
    Returns:
        The complete units.
    """
    rows = np.flatnonzero(chosen)
    table = pairs.iloc[rows]
    key = table[["control", "arm_a", "arm_b", "cluster", "item"]].astype(object).fillna("")
    codes = key.groupby(list(key.columns), sort=True).ngroup().to_numpy()
    broken = codes[(table["status"] != "measured").to_numpy(dtype=bool)]
    whole = ~np.isin(codes, broken)
    _, first, of = np.unique(codes[whole], return_index=True, return_inverse=True)
    kept = table[whole].iloc[first]
    labels = (tuple(str(label) for label in kept[name]) for name in ("cluster", "item"))
    return Units(rows[whole], of.astype(np.intp), *labels)
