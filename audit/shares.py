"""Shares of pairs with an interval that knows how many independent pairs there are."""

from __future__ import annotations

from scipy import special

from audit.results import Estimate
from audit.statistics import wilson


def as_share(found: Estimate, note: str) -> Estimate:
    """The estimate of a share, of what was found for `share - ½`: with Wilson's interval.

    Args:
        found: the mean of hits of 1 rather than 0, less ½.
        note: the method.
    """
    if found.estimate is None:
        return found
    share = found.estimate + 0.5
    n = effective_pairs(share, found)
    low, high = wilson(min(max(share * n, 0.0), n), n)
    # A share that is the same in all units has no spread to test, and that is said, not hidden.
    return found.model_copy(update={"estimate": share, "ci_low": low, "ci_high": high, "method": note})


def effective_pairs(share: float, found: Estimate) -> float:
    """Independent pairs that would tell as much about a share as these clustered ones.

    `n* = min(n, p(1-p) / V) · (z / t)²`, V the two-way clustered variance and t with its degrees of
    freedom (Korn & Graubard 1998).

    Args:
        share: `p`, 0 to 1.
        found: the clustered estimate of the share, with its t interval.
    Returns:
        At most `found.n`; `found.n` where the clusters have no spread to measure.
    """
    if found.ci_low is None or found.ci_high is None or found.ci_high == found.ci_low or share in (0.0, 1.0):
        return float(found.n)
    half = (found.ci_high - found.ci_low) / 2  # t · sqrt(V)
    z = float(special.ndtri(0.975))
    return min(float(found.n), share * (1 - share) * (z / half) ** 2)
