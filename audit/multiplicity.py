"""Corrections for many tests at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


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
    p = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    m = len(known) if m is None else m
    if m < len(known) or ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError(
            f"{len(known)} p values in [0, 1] and at least as many tests (got m={m}) are expected"
        )
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * m / np.arange(1, len(order) + 1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
