"""What the model says under every contrast, in two runs side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from audit.changes import changes, named_change
from audit.config import RunConfig
from audit.contrasts import Array, Series, Signal
from audit.findings import output_signals
from audit.results import Estimate
from audit.results.comparison import Change, OutputChange
from audit.sign_flips import Flips

#: Measures that cannot be negative, or of which more alone is more bias.
DISTANCES = ("likelihood_diff", "pseudo_likelihood_diff")
#: Level of one output measure; like their intervals in an audit, they are not corrected for each other.
ALPHA = 0.05
_ONE_RUN = "measured in one of the two runs only"
_Key = tuple[str, tuple[str, str], str, str | None]


def output_changes(
    pairs: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, config: RunConfig
) -> list[OutputChange]:
    """Compare every output measure that tells a difference between arms, of the pairs under test.

    Which way is worse: of measures with a sign (``total_effect`` and its like) a larger magnitude, of shares and
    distances a larger value, as a check counts them.

    Args:
        pairs: of both runs, where ``measured`` means in both (:mod:`audit.common_pairs`).
        before, after: ``outputs.parquet`` of either run.
        config: seed and power.
    Returns:
        In the order of suites and contrasts; those of one run only last, and as unmeasured.
    """
    old, new = (_by_key(pairs, outputs, config) for outputs in (before, after))
    common = [_change(old[key], new[key], config) for key in new if key in old]
    lonely = [
        _lonely(one)
        for side, other in ((new, old), (old, new))
        for key, one in side.items()
        if key not in other
    ]
    return common + lonely


def _by_key(pairs: pd.DataFrame, outputs: pd.DataFrame, config: RunConfig) -> dict[_Key, Signal]:
    signals = output_signals(pairs, outputs, config)
    return {_key(one): one for one in signals if not one.is_level and one.control is None}


def _key(one: Signal) -> _Key:
    return one.suite, one.arms, one.measure, one.group


def _change(old: Signal, new: Signal, config: RunConfig) -> OutputChange:
    first, second = old.series, new.series
    if isinstance(first, Estimate) or isinstance(second, Estimate):
        known = next(each for each in (first, second) if isinstance(each, Estimate))
        return _unmeasured(new, known.reason or "no mean over the units", _read(old), _read(new))
    return _compared(new, first, second, config)


def _compared(new: Signal, first: Series, second: Series, config: RunConfig) -> OutputChange:
    units = new.contrast.units
    signed = not second.is_share and new.measure not in DISTANCES
    flips = Flips(config.seed)
    found = changes(units, first.values[:, None], second.values[:, None], signed=signed, flips=flips)
    size = found.sizes(second.missing)[0]
    difference = found.differences(config.power, second.missing)[0]
    change = named_change(size.estimate, size.p, difference.p, ALPHA)
    sides = (_where(first, second.values), _where(second, first.values))
    before, after = map(new.contrast.estimate, sides)
    return _named(new, change, (before, after), difference, size)


def _where(series: Series, other: Array) -> Series:
    """The series over the pairs that have a value in the other one, too."""
    return replace(series, values=np.where(np.isnan(other), np.nan, series.values))


def _read(one: Signal) -> Estimate:
    return one.series if isinstance(one.series, Estimate) else one.contrast.estimate(one.series)


def _lonely(one: Signal) -> OutputChange:
    absent = Estimate(reason=_ONE_RUN)
    return _unmeasured(one, _ONE_RUN, absent, absent)


def _unmeasured(one: Signal, reason: str, before: Estimate, after: Estimate) -> OutputChange:
    none = Estimate(reason=reason)
    return _named(one, "unmeasured", (before, after), none, none)


def _named(
    one: Signal, change: Change, sides: tuple[Estimate, Estimate], difference: Estimate, size: Estimate
) -> OutputChange:
    return OutputChange(
        suite=one.suite,
        axis=one.axis,
        contrast=one.arms,
        measure=one.measure,
        group=one.group,
        change=change,
        before=sides[0],
        after=sides[1],
        difference=difference,
        size=size,
    )
