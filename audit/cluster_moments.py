"""Moments of sums over the levels of a random factor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def level_codes(levels: Sequence[Hashable]) -> Indices:
    """Number the levels of a factor in the order in which they come: `[U]` from 0."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(level, len(seen)) for level in levels], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class ClusterMoments:
    """What one factor says about the mean of M measures.

    Args:
        variance: `[M]` of the mean with this factor random; NaN below two levels.
        levels: `[M]` levels k with a unit.
        skewness: `[M]` `γ² / k` of the sums over levels; 0 below three levels.
    """

    variance: Array
    levels: npt.NDArray[np.int64]
    skewness: Array


def cluster_moments(
    residuals: Array, present: npt.NDArray[np.bool_], codes: Indices, n: npt.NDArray[np.int64]
) -> ClusterMoments:
    """Sum residuals over the levels of a factor and take the moments of the sums.

    Args:
        residuals: `[U, M]` values less their mean; 0 where undefined.
        present: `[U, M]` whether a value is defined.
        codes: `[U]` level of each unit, from 0.
        n: `[M]` units that are defined.
    """
    units, size = len(codes), codes.max(initial=-1) + 1
    # One row per level, one column per unit: sums over the units of a level for all columns at once.
    rows = sparse.csr_array((np.ones(units), (codes, np.arange(units))), shape=(size, units))
    k = np.asarray(np.asarray(rows @ present.astype(np.float64)) > 0).sum(axis=0)
    sums = np.asarray(rows @ residuals)
    squares = (sums**2).sum(axis=0)
    variance = divide(squares, n.astype(np.float64) ** 2) * divide(k, k - 1)
    # γ² of Fisher's unbiased estimate, G1 = sqrt(k (k-1)) / (k-2) · m3 / m2^1.5, over k.
    scaled = divide((sums**3).sum(axis=0) ** 2, squares**3)
    skewness = np.where(k > 2, scaled * divide(k * (k - 1.0), (k - 2.0) ** 2), 0.0)
    return ClusterMoments(np.where(k > 1, variance, np.nan), k, np.nan_to_num(skewness))


def skewness_of_factors(template: ClusterMoments, item: ClusterMoments, both: ClusterMoments) -> Array:
    """Return `[M]` `Σ_G γ_G² / k_G` over factors that cross; where one lies within the other, of the coarser one.

    Args:
        template, item: either factor.
        both: levels of the two together.
    """
    crossed = (both.levels > template.levels) & (both.levels > item.levels)
    coarser = np.where(item.levels < template.levels, item.skewness, template.skewness)
    coarser = np.where(template.levels == 1, item.skewness, coarser)
    coarser = np.where(item.levels == 1, template.skewness, coarser)
    return np.where(crossed, template.skewness + item.skewness, coarser)


def divide(a: Array | npt.NDArray[np.int64], b: Array | npt.NDArray[np.int64]) -> Array:
    """Quotient of arrays; NaN where the divisor is 0."""
    quotient: Array = np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b != 0)
    return quotient
