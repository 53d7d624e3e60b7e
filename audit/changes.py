"""Values of the same units in two runs → how much they differ, with sign and by magnitude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.estimates import Reading, estimates, number
from audit.results import Estimate
from audit.results.comparison import Change
from audit.sign_flips import Flips
from audit.statistics import Fit, interval
from audit.units import Units

Array = npt.NDArray[np.float64]

_OF_SIZE = "of magnitudes, from the intervals of difference and sum; p: the larger one of both"
_PAIRED = "after - before, pair by pair"


@dataclass(frozen=True, slots=True)
class Changes:
    """M measures of the same units in two runs.

    With D = after - before and S = after + before, unit by unit, the magnitudes are equal where D·S = 0. So the p of
    `|after| = |before|` is the larger of the p of D = 0 and of S = 0 (an intersection–union test: Berger 1982). With
    bounds of D and S, those of the change follow: `|after| - |before| = sign(D·S) · min(|D|, |S|)` goes one way in D
    for any S, and one way in S for any D, so that it is least and most where both are at a bound. Where both values
    clearly have the same sign, this is the difference itself. Of values that cannot be negative it always is.

    Args:
        before, after, difference: fits over the units that have a value in both runs.
        total: of the sums; None for values that cannot be negative.
        pairs: `[M]` pairs behind each.
    """

    before: Fit
    after: Fit
    difference: Fit
    total: Fit | None
    pairs: npt.NDArray[np.int64]

    @property
    def size(self) -> Array:
        """`[M]` `|after| - |before|`."""
        if self.total is None:
            return self.difference.mean
        return np.abs(self.after.mean) - np.abs(self.before.mean)

    @property
    def p(self) -> Array:
        """`[M]` p of equal magnitudes; NaN where there is none."""
        if self.total is None:
            return self.difference.p
        return np.where(self._same, 1.0, np.maximum(self.difference.p, self.total.p))

    @property
    def _same(self) -> npt.NDArray[np.bool_]:
        """`[M]` whether every unit has the same value in both runs."""
        return np.asarray((self.difference.se == 0) & (self.difference.p == 1), dtype=bool)

    def bounds(self, level: float | Array = 0.95) -> tuple[Array, Array]:
        """`[M]` lower and upper bound of the change of the magnitude; NaN where there are none."""
        low, high = interval(self.difference, level)
        if self.total is not None:
            least, most = interval(self.total, level)
            ends = np.stack([_of_magnitudes(d, s) for d in (low, high) for s in (least, most)])
            low, high = (np.where(self._same, 0.0, bound) for bound in (ends.min(axis=0), ends.max(axis=0)))
        known = ~np.isnan(self.p)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)

    def differences(self, power: float, missing: str, p_adjusted: Array | None = None) -> list[Estimate]:
        """M signed differences, after - before."""
        reading = Reading(power, missing=missing, note=_PAIRED, p_adjusted=p_adjusted)
        return estimates(self.difference, self.pairs, reading)

    def sizes(
        self, missing: str, level: float | Array = 0.95, p_adjusted: Array | None = None
    ) -> list[Estimate]:
        """M changes of the magnitude."""
        low, high = self.bounds(level)
        adjusted = np.full(len(low), np.nan) if p_adjusted is None else p_adjusted
        method = self.difference.method if self.total is None else f"{self.difference.method}; {_OF_SIZE}"
        columns = (self.size, low, high, self.p, adjusted, self.pairs, self.difference.units)
        levels = np.broadcast_to(level, len(low)).tolist()
        return [
            Estimate(
                estimate=number(size),
                n=n,
                units=units,
                clusters=self.difference.clusters if units else 0,
                items=self.difference.items if units else 0,
                ci_low=number(left),
                ci_high=number(right),
                p=number(p),
                p_adjusted=number(corrected),
                method=_at_level(method, one) if units else "",
                reason=missing if np.isnan(size) else _NO_INTERVAL if np.isnan(left) else None,
            )
            for (size, left, right, p, corrected, n, units), one in zip(
                zip(*(column.tolist() for column in columns), strict=True), levels, strict=True
            )
        ]


def _of_magnitudes(difference: Array, total: Array) -> Array:
    """`|a| - |b|` from `a - b` and `a + b`."""
    return np.sign(difference) * np.sign(total) * np.minimum(np.abs(difference), np.abs(total))


_NO_INTERVAL = "no interval: too few templates and items in common, or every unit changed by the same amount"


def _at_level(method: str, level: float) -> str:
    return method if level == 0.95 else f"{method}; FCR-adjusted interval of level {level:.5f}"


def changes(units: Units, before: Array, after: Array, *, signed: bool, flips: Flips) -> Changes:
    """Compare the values of two runs unit by unit.

    Args:
        units: of both runs.
        before, after: `[P, M]` in the order of the units' pairs; what is NaN in one run counts in neither.
        signed: whether a value's sign is a direction, so that its magnitude is the bias.
        flips: make p where neither template nor item recurs.
    """
    known = ~(np.isnan(before) | np.isnan(after))
    old, new = np.where(known, before, np.nan), np.where(known, after, np.nan)
    difference, pairs = units.fit(new - old, flips)
    total = units.fit(new + old, flips)[0] if signed else None
    return Changes(units.fit(old)[0], units.fit(new)[0], difference, total, pairs)


def named_change(size: float | None, p: float | None, p_difference: float | None, alpha: float) -> Change:
    """Say which way a measure went.

    Args:
        size: change of the magnitude.
        p: of equal magnitudes, corrected where it is one of many.
        p_difference: of equal values, likewise.
        alpha: level.
    """
    if size is None or p is None:
        return "unmeasured"
    if p <= alpha:
        return "worse" if size > 0 else "better"
    return "shifted" if p_difference is not None and p_difference <= alpha else "unchanged"
