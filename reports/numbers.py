"""How numbers are written for people: real minus signs, intervals, and a dash where nothing was measured."""

from __future__ import annotations

import math
import re
from typing import Final, TypeGuard

from audit.results import Estimate

MINUS: Final = "\N{MINUS SIGN}"
NOTHING: Final = "\N{EN DASH}"
#: Confidence of an interval whose method names no other.
USUAL_LEVEL: Final = 0.95
_LEVEL: Final = re.compile(r"interval of level (\d\.\d+)")


def defined(value: float | None) -> TypeGuard[float]:
    """Whether there is a number at all: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Write a number with a fixed count of decimals; a dash where it is undefined.

    >>> number(-0.25), number(0.25, 1, signed=True), number(None)
    ('−0.250', '+0.2', '–')
    """
    if not defined(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):,.{digits}f}"
    zero = not text.strip("0.,")
    return f"{'' if zero else MINUS if value < 0 else '+' if signed else ''}{text}"


def count(value: float | None) -> str:
    """Write a whole number; one decimal if it is not whole.

    >>> count(3.0), count(1200), count(2.5)
    ('3', '1,200', '2.5')
    """
    return number(value, 1 if defined(value) and not float(value).is_integer() else 0)


def percent(value: float | None, *, signed: bool = False) -> str:
    """Write a share of 1 in percent.

    >>> percent(0.625)
    '62.5 %'
    """
    return f"{number(100 * value, 1, signed=signed)} %" if defined(value) else NOTHING


def p_value(value: float | None) -> str:
    """Write a p-value; small ones as a bound.

    >>> p_value(0.00004), p_value(0.0312)
    ('< 0.001', '0.031')
    """
    if not defined(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else number(value, 3)


def has_interval(estimate: Estimate) -> bool:
    """Whether both ends of the interval are known."""
    return defined(estimate.ci_low) and defined(estimate.ci_high)


def confidence(estimate: Estimate) -> float:
    """The level of an estimate's interval, read from its method.

    Heads that the correction selects get an interval adjusted for the selection (Benjamini & Yekutieli
    2005), and the method then names its level.

    >>> confidence(Estimate(method="t; FCR-adjusted interval of level 0.99954")), confidence(Estimate())
    (0.99954, 0.95)

    Args:
        estimate: any estimate.
    Returns:
        The level, 0 to 1; ``USUAL_LEVEL`` where the method names none.
    """
    named = _LEVEL.search(estimate.method)
    return float(named[1]) if named else USUAL_LEVEL


def level(estimate: Estimate) -> str:
    """Write the level of an interval where it is not the usual one; nothing where it is, or without interval.

    >>> level(Estimate(ci_low=0.1, ci_high=0.2, method="t; FCR-adjusted interval of level 0.99954"))
    '99.95 %'
    """
    value = confidence(estimate)
    if value == USUAL_LEVEL or not has_interval(estimate):
        return ""
    if value >= 1:  # five decimals were written, and all of them are nines
        return "> 99.999 %"
    return f"{number(100 * value, 2 if value < 0.99995 else 3)} %"


def sample_size(estimate: Estimate) -> str:
    """Tell how much stands behind an estimate: pairs, then the random factors where they are known."""
    parts = [f"{estimate.n:,} pairs"]
    if estimate.clusters:
        parts.append(f"{estimate.clusters} templates")
    if estimate.items:
        parts.append(f"{estimate.items} items")
    return ", ".join(parts)
