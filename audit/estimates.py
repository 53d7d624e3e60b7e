"""Fits → the estimates of ``audit.json``: never NaN, always a reason for what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.results import Estimate
from audit.statistics import Fit, interval, minimum_detectable_effect

Array = npt.NDArray[np.float64]

_ONE_LEVEL = "fewer than two templates and fewer than two items: no interval"
_NO_VARIANCE = "no variance: every unit has the same value, so there is nothing to test it against"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a fit is to be read.

    Args:
        power, alpha: of the minimum detectable effect.
        level: coverage of the intervals, one number or `[M]`.
        p_adjusted: `[M]` after the multiplicity correction, if there is one.
        tested: whether a mean of 0 is a hypothesis at all (not for divergences and group means).
        missing: why an estimate is undefined, one reason or M of them.
        note: what to add to the method.
    """

    power: float = 0.8
    alpha: float = 0.05
    level: float | Array = 0.95
    p_adjusted: Array | None = None
    tested: bool = True
    missing: str | Sequence[str] = "not measured"
    note: str = ""


def number(value: float) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None


def estimates(fit: Fit, pairs: npt.NDArray[np.int64], reading: Reading) -> list[Estimate]:
    """Turn a fit of M measures into M estimates.

    Args:
        fit: the means.
        pairs: `[M]` pairs behind each mean.
        reading: how they are to be read.
    Returns:
        M estimates; what is undefined is None, with its reason.
    """
    size = len(fit.mean)
    # A spread of 0 around a mean that is not 0 would be an interval without width: it is none.
    unknown = np.isnan(fit.p)
    low, high = (np.where(unknown, np.nan, bound) for bound in interval(fit, reading.level))
    mde = np.where(unknown, np.nan, minimum_detectable_effect(fit.se, fit.df, reading.alpha, reading.power))
    p = fit.p if reading.tested else np.full(size, np.nan)
    adjusted = np.full(size, np.nan) if reading.p_adjusted is None else reading.p_adjusted
    missing = [reading.missing] * size if isinstance(reading.missing, str) else reading.missing
    levels = np.broadcast_to(reading.level, size)
    columns = (fit.mean, fit.se, low, high, p, adjusted, mde, pairs, fit.units, levels)
    return [
        Estimate(
            estimate=number(mean),
            n=n,
            units=units,
            clusters=fit.clusters if units else 0,
            items=fit.items if units else 0,
            ci_low=number(left),
            ci_high=number(right),
            p=number(p_value),
            p_adjusted=number(p_corrected),
            mde=number(smallest),
            seed=fit.seed if units and reading.tested else None,
            method=_method(fit, level, reading) if units else "",
            reason=_reason(mean, se, left, why),
        )
        for (mean, se, left, right, p_value, p_corrected, smallest, n, units, level), why in zip(
            zip(*(column.tolist() for column in columns), strict=True), missing, strict=True
        )
    ]


def _reason(mean: float, se: float, low: float, missing: str) -> str | None:
    if math.isnan(mean):
        return missing
    if math.isnan(se):
        return _ONE_LEVEL
    return _NO_VARIANCE if math.isnan(low) else None


def _method(fit: Fit, level: float, reading: Reading) -> str:
    coverage = "" if level == 0.95 else f"; FCR-adjusted interval of level {level:.5f}"
    untested = "" if reading.tested else "; described, not tested"
    return fit.method + coverage + untested + (f"; {reading.note}" if reading.note else "")
