"""Tests, intervals and corrections that treat templates *and* items as random."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.cluster_moments import cluster_moments, divide, level_codes, skewness_of_factors
from audit.errors import ShapeError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# A spread below this many float64 roundings of the largest value is rounding, not variance.
_ROUNDING = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Fit:
    """Means of M measures over units, with their two-way clustered standard errors.

    Args:
        mean: `[M]` mean over the units; NaN where no unit is defined.
        se: `[M]` standard error; NaN where neither factor has two levels.
        p: `[M]` two-sided p of a mean of 0; NaN where se is NaN, or 0 beside a mean that is not 0.
        df: `[M]` degrees of freedom, `min(k_T, k_I) - 1` over the factors that vary; 0 where undefined.
        units: `[M]` units that are not NaN.
        clusters, items: levels of the two factors over all units.
        method: how se and p were made.
        widened: `[M]` factor in se that allows for skewness, at least 1.
        seed: of the random generator, where chance made p.
    """

    mean: Array
    se: Array
    p: Array
    df: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    clusters: int
    items: int
    method: str
    widened: Array
    seed: int | None = None


def two_way(values: Array, templates: Sequence[Hashable], items: Sequence[Hashable]) -> Fit:
    """Test means against 0 with templates and items both random.

    `V = max(V_T + V_I - V_TI, V_T, V_I)`, `V_G = k/(k-1) · Σ_g (Σ_{u in g} (y_u - ȳ))² / n²`
    (Cameron, Gelbach & Miller 2011, eq. 2.10–2.12; the maximum: MacKinnon, Nielsen & Webb 2024);
    t with `min(k_T, k_I) - 1` degrees of freedom. A factor of one level is left out: one-way then.

    Skewed levels make the mean and its variance vary together, so that t spreads wider than its
    distribution: `E[t²] = 1 + (2 + 2γ²)/k` to the order 1/k (Hall 1992, section 2.6), of which the
    degrees of freedom take care of `2/k`. So `se² = V · (1 + 2 Σ_G γ_G² / k_G)`, γ_G the unbiased
    sample skewness of the factor's sums. It never narrows an interval; symmetric data leave it alone.

    >>> fit = two_way(np.array([[1.0], [2.0], [3.0]]), ["s", "t", "u"], ["x", "y", "z"])
    >>> float(fit.mean[0]), round(float(fit.p[0]), 4), int(fit.df[0])
    (2.0, 0.0742, 2)

    Args:
        values: `[U, M]` order-balanced units × measures; NaN entries are left out column by column.
        templates, items: `[U]` levels of the two factors.
    Returns:
        The fit of every column.
    Raises:
        ShapeError: values are not `[U, M]`, or a factor has not U entries.
    """
    values = checked(values, templates, items)
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    mean = divide(np.nansum(values, axis=0), n)
    residuals = np.where(present, values - mean, 0.0)
    template, item = level_codes(templates), level_codes(items)
    both = level_codes(list(zip(template.tolist(), item.tolist(), strict=True)))
    by_template, by_item, by_both = (
        cluster_moments(residuals, present, codes, n) for codes in (template, item, both)
    )
    variance = np.fmax(
        np.fmax(by_template.variance + by_item.variance - by_both.variance, by_template.variance),
        by_item.variance,
    )
    widened = np.sqrt(1 + 2 * skewness_of_factors(by_template, by_item, by_both))
    k_template, k_item = by_template.levels, by_item.levels
    levels = np.minimum(
        np.where(k_template > 1, k_template, k_item), np.where(k_item > 1, k_item, k_template)
    )
    df = np.maximum(levels - 1, 0)
    se, rounding = np.sqrt(variance) * widened, _ROUNDING * _largest(values)
    se = np.where(se <= rounding, 0.0, se)
    p = _two_sided(mean, se, df, rounding)
    clusters, many = len(set(template.tolist())), len(set(item.tolist()))
    return Fit(mean, se, p, df, n, clusters, many, _method(clusters, many), widened)


def plain_p(fit: Fit) -> Array:
    """`[M]` two-sided p by t alone, without the allowance for skewness: for choosing, not for concluding."""
    plain = 2 * special.stdtr(np.maximum(fit.df, 1), -np.abs(divide(fit.mean, fit.se / fit.widened)))
    return np.where(fit.se > 0, plain, fit.p)


def interval(fit: Fit, level: float | Array = 0.95) -> tuple[Array, Array]:
    """Interval of every mean, `ȳ ± t_{(1+level)/2, df} · se`.

    Args:
        fit: the means.
        level: coverage, one number or `[M]`.
    Returns:
        `[M]` lower and `[M]` upper bound; NaN where se is NaN.
    """
    half = -_t_quantile((1 - np.asarray(level, dtype=np.float64)) / 2, fit.df) * fit.se
    return fit.mean - half, fit.mean + half


def minimum_detectable_effect(
    se: float | Array, df: int | npt.NDArray[np.int64], alpha: float, power: float
) -> Array:
    """Smallest effect that a design finds: the δ with `P(t_{df, δ/se} > t_{1-α/2, df}) = power`.

    The noncentral t (Cohen 1988, section 2.5): at the small α of many tests the usual
    `(t_{1-α/2, df} + t_{power, df}) · se` (Bloom 1995) falls short of the power that it promises.

    >>> round(float(minimum_detectable_effect(0.1, 19, 0.05, 0.8)), 4)
    0.2954

    Args:
        se: standard errors, any shape.
        df: degrees of freedom, the same shape or one number.
        alpha: two-sided level of the test.
        power: chance to find the effect.
    Returns:
        Effects in the unit of se; NaN where df is below 1.
    """
    # All measures of a run share a few degrees of freedom.
    freedoms, at = np.unique(np.asarray(df), return_inverse=True)
    defined = np.maximum(freedoms, 1)
    shifts = special.nctdtrinc(defined, 1 - power, special.stdtrit(defined, 1 - alpha / 2))
    shift = np.where(freedoms > 0, shifts, np.nan)[at].reshape(np.shape(df))
    return np.asarray(shift * np.asarray(se, dtype=np.float64))


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share (Wilson 1927).

    >>> [round(bound, 3) for bound in wilson(5, 10)]
    [0.237, 0.763]

    Args:
        successes: 0 to n; a fraction where n is an effective number.
        n: trials.
        level: coverage.
    Returns:
        Lower and upper bound; NaN, NaN without a trial.
    Raises:
        ValueError: successes outside 0 … n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; expected 0 to {n}")
    if n == 0:
        return math.nan, math.nan
    z2 = float(special.ndtri((1 - level) / 2)) ** 2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact one-sided bounds of a share, each of the given level (Clopper & Pearson 1934).

    >>> [round(bound, 3) for bound in clopper_pearson(0, 90, 0.99)]
    [0.0, 0.05]

    Args:
        successes: 0 to n.
        n: trials.
        level: chance that the share lies above the lower bound, and that it lies below the upper one.
    Returns:
        Lower and upper bound; 0 and 1 without a trial.
    Raises:
        ValueError: successes outside 0 … n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; expected 0 to {n}")
    low = float(special.betaincinv(successes, n - successes + 1, 1 - level)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, level)) if successes < n else 1.0
    return low, high


def checked(values: Array, *factors: Sequence[Hashable]) -> Array:
    """Values as float64; raises ShapeError unless they are `[U, M]` and every factor has U entries."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2:
        raise ShapeError(f"values have shape {list(values.shape)}; expected [units, measures]")
    for factor in factors:
        if len(factor) != len(values):
            raise ShapeError(f"{len(factor)} levels for {len(values)} units; expected one level per unit")
    return values


def _largest(values: Array) -> Array:
    return np.asarray(np.where(np.isnan(values), 0.0, np.abs(values)).max(axis=0, initial=0.0))


def _two_sided(mean: Array, se: Array, df: npt.NDArray[np.int64], rounding: Array) -> Array:
    t = divide(np.abs(mean), se)
    p = 2 * special.stdtr(np.maximum(df, 1), -t)
    return np.where(se == 0, np.where(np.abs(mean) <= rounding, 1.0, np.nan), p)


def _t_quantile(p: Array, df: int | npt.NDArray[np.int64]) -> Array:
    df = np.asarray(df)
    return np.where(df > 0, special.stdtrit(np.maximum(df, 1), p), np.nan)


def _method(clusters: int, items: int) -> str:
    if clusters > 1 and items > 1:
        return f"t, two-way clustered, widened for skewness ({clusters} templates, {items} items)"
    factor = f"{clusters} templates" if clusters > 1 else f"{items} items"
    return f"t, one-way clustered, widened for skewness ({factor})"
