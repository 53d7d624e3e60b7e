"""Spearman's rank correlation with an interval over words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.errors import ShapeError

Array = npt.NDArray[np.float64]

#: Words below which an interval over words tells nothing.
FEWEST_WORDS = 5
RESAMPLES = 9999
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Spearman's rho.

    Args:
        rho: -1 to 1; NaN where one side is constant or there are fewer than ``FEWEST_WORDS``.
        low, high: 95 % percentile interval of the bootstrap over words.
        p: two-sided, from random pairings of the two sides.
    """

    rho: float
    low: float
    high: float
    p: float


def spearman(x: Array, y: Array, seed: int, resamples: int = RESAMPLES) -> RankCorrelation:
    """Correlate ranks, with the words as the random factor.

    `rho` is Pearson's correlation of average ranks (Spearman 1904). Interval: percentile bootstrap, words
    drawn with replacement (Efron & Tibshirani 1993, chapter 13). p: random pairings,
    `(1 + count) / (1 + resamples)`, which is never 0 (Phipson & Smyth 2010).

    Args:
        x, y: `[W]` two numbers of each word.
        seed: of `numpy.random.Generator`.
        resamples: of the bootstrap, and of the pairings.
    Raises:
        ShapeError: the sides differ in length.
    """
    if x.shape != y.shape or x.ndim != 1:
        raise ShapeError(f"sides of {list(x.shape)} and {list(y.shape)} words; expected one number a word")
    rho = float(_correlation(average_ranks(x[None]), average_ranks(y[None]))[0])
    if len(x) < FEWEST_WORDS or np.isnan(rho):
        return RankCorrelation(np.nan, np.nan, np.nan, np.nan)
    generator = np.random.default_rng(seed)
    drawn, paired = [], []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        words = generator.integers(0, len(x), (size, len(x)))
        drawn.append(_correlation(average_ranks(x[words]), average_ranks(y[words])))
        order = generator.permuted(np.tile(np.arange(len(x)), (size, 1)), axis=1)
        paired.append(_correlation(average_ranks(x[None]), average_ranks(y[None])[0][order]))
    # A resample in which one side is constant has no correlation; with five words and more it is rare.
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    count = int((np.abs(np.concatenate(paired)) >= abs(rho) - 1e-12).sum())
    return RankCorrelation(rho, float(low), float(high), (1 + count) / (1 + resamples))


def average_ranks(values: Array) -> Array:
    """Ranks from 1, the mean rank where values are equal.

    >>> average_ranks(np.array([[3.0, 1.0, 3.0]])).tolist()
    [[2.5, 1.0, 2.5]]

    Args:
        values: `[R, W]` rows.
    Returns:
        `[R, W]`.
    """
    less = (values[:, None, :] < values[:, :, None]).sum(axis=-1)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=-1)
    return np.asarray(less + (equal + 1) / 2)


def _correlation(x: Array, y: Array) -> Array:
    """Pearson's correlation of rows; NaN where one of them is constant."""
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    size = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    product = (x * y).sum(axis=-1)
    return np.asarray(np.divide(product, size, out=np.full(np.shape(product), np.nan), where=size > 0))
