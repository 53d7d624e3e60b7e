"""Corrections for many tests at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]

#: Draws of the joint null: the error of an adjusted p of .05 is about .003.
_DRAWS = 4000


def benjamini_hochberg(p: Array, m: int | None = None) -> Array:
    """Adjusted p that control the false discovery rate, `min_{j≥i} m·p_(j)/j` (Benjamini & Hochberg 1995).

    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03])).tolist()
    [0.03, 0.04, nan, 0.04]

    Args:
        p: `[M]` p values; NaN stays NaN and does not count.
        m: number of tests, where some that were made are not among `p`; default: those not NaN.
    Returns:
        `[M]` adjusted p, at most 1.
    Raises:
        ValueError: a p outside [0, 1], or m below the number of tests.
    """
    return _step_up(p, m, 1.0)


def benjamini_yekutieli(p: Array, m: int | None = None) -> Array:
    """Adjusted p that control the false discovery rate however the tests depend on each other.

    `min_{j≥i} m·c(m)·p_(j)/j`, `c(m) = Σ_{i≤m} 1/i` (Benjamini & Yekutieli 2001, theorem 1.3).

    >>> benjamini_yekutieli(np.array([0.01, 0.04, np.nan, 0.03])).round(4).tolist()
    [0.055, 0.0733, nan, 0.0733]

    Args:
        p, m: as for :func:`benjamini_hochberg`.
    Returns:
        `[M]` adjusted p, at most 1.
    Raises:
        ValueError: a p outside [0, 1], or m below the number of tests.
    """
    return _step_up(p, m, harmonic(_count(p) if m is None else m))


def harmonic(m: int) -> float:
    """`c(m) = Σ_{i≤m} 1/i`, what any dependence costs; at least 1."""
    return float((1 / np.arange(1, max(m, 1) + 1)).sum())


def _count(p: Array) -> int:
    return int((~np.isnan(p)).sum())


def _step_up(p: Array, m: int | None, factor: float) -> Array:
    p = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    m = len(known) if m is None else m
    if m < len(known) or ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError(
            f"{len(known)} p values in [0, 1] and at least as many tests (got m={m}) are expected"
        )
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * (m * factor) / np.arange(1, len(order) + 1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


@dataclass(frozen=True, slots=True)
class JointNull:
    """The smallest p of all tests, where none has an effect.

    Args:
        smallest: `[draws]` ascending.
    """

    smallest: Array

    def adjusted(self, p: Array) -> Array:
        """Single-step adjusted p, `(1 + #{draws ≤ p}) / (1 + draws)` (Westfall & Young 1993, section 2.3).

        Args:
            p: `[M]`; NaN stays NaN.
        Returns:
            `[M]`; the chance of any false rejection is at most the adjusted p.
        """
        count = np.searchsorted(self.smallest, p, side="right")
        return np.where(np.isnan(p), np.nan, (1 + count) / (1 + len(self.smallest)))

    def critical(self, alpha: float) -> float:
        """Bound that p must stay below for an adjusted p of at most alpha."""
        allowed = int(alpha * (1 + len(self.smallest))) - 1
        return float(self.smallest[allowed]) if 0 <= allowed < len(self.smallest) else 0.0


def draw_joint_null(
    scores: Array, df: npt.NDArray[np.int64], others: int, seed: int, draws: int = _DRAWS
) -> JointNull:
    """Draw the smallest p of tests that depend on each other through templates and items.

    A draw gives every template and every item one standard normal multiplier, the same for all tests
    (the multiplier bootstrap of two-way clusters: Davezies, D'Haultfœuille & Guyonvarch 2021), so that
    the tests' numerators are as correlated as their sums over levels. Each is divided by its own
    `sqrt(χ²_df / df)`: exactly t in its margin, and with denominators drawn apart, as if they were
    independent, which makes the smallest p rather smaller than it is.

    Args:
        scores: `[R, M]` sums of residuals over every level of every factor; columns of any length.
        df: `[M]` degrees of freedom.
        others: tests of which nothing is known; they count as independent.
        seed: of `numpy.random.Generator`.
        draws: how many.
    Returns:
        The null distribution of the smallest p.
    """
    length = np.sqrt((scores**2).sum(axis=0))
    kept = (length > 0) & (df > 0)
    unit, freedom = scores[:, kept] / length[kept], df[kept].astype(np.float64)
    rng = np.random.default_rng(seed)
    smallest = np.ones(draws)
    for start in range(0, draws, 500):
        part = slice(start, min(start + 500, draws))
        size = part.stop - start
        normal = rng.standard_normal((size, len(scores))) @ unit
        if unit.shape[1]:
            t = normal / np.sqrt(rng.chisquare(freedom, (size, len(freedom))) / freedom)
            smallest[part] = (2 * special.stdtr(freedom, -np.abs(t))).min(axis=1)
        if others:
            smallest[part] = np.minimum(smallest[part], 1 - rng.random(size) ** (1 / others))
    return JointNull(np.sort(smallest))
