"""What a design can find: variance components, and the templates and items that a threshold needs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from audit.cluster_moments import cluster_moments, divide, level_codes
from audit.statistics import minimum_detectable_effect

Array = npt.NDArray[np.float64]
Growth = Literal["templates", "items", "both"]
#: In the order in which they are told.
GROWTHS: tuple[Growth, ...] = ("templates", "items", "both")

#: Nobody writes more templates or items than this; what needs more counts as out of reach.
_MOST = 5000


@dataclass(frozen=True, slots=True)
class Design:
    """Templates crossed with items in a Latin square.

    Args:
        templates, items: levels of the two random factors.
        per_template: items that a template gets.
    """

    templates: int
    items: int
    per_template: int

    @property
    def units(self) -> int:
        """Order-balanced units, one per template and item that meet."""
        return self.templates * self.per_template

    @property
    def df(self) -> int:
        """Degrees of freedom of the test."""
        return max(min(self.templates, self.items) - 1, 0)

    def grown(self, growth: Growth, size: int) -> Design:
        """The design with one factor, or both, of another size."""
        match growth:
            case "templates":
                return replace(self, templates=size)
            case "items":
                return replace(self, items=size)
            case "both":
                return replace(self, templates=size, items=size)


@dataclass(frozen=True, slots=True)
class Components:
    """Where the variance of a measure between units comes from.

    Args:
        template, item, rest: variances `σ_T²`, `σ_I²` and `σ_E²` in the measure's unit squared.
        skewness_template, skewness_item: squared skewness of either factor's sums.
    """

    template: float
    item: float
    rest: float
    skewness_template: float
    skewness_item: float

    def standard_error(self, design: Design) -> float:
        """Standard error of the mean in a design.

        `se² = (σ_T²/k_T + σ_I²/k_I + σ_E²/n) · (1 + 2 (γ_T²/k_T + γ_I²/k_I))`, the second factor as in
        :func:`audit.statistics.two_way`.

        Args:
            design: of which the mean is planned.
        """
        k_t, k_i = design.templates, design.items
        variance = self.template / k_t + self.item / k_i + self.rest / design.units
        widened = 1 + 2 * (self.skewness_template / k_t + self.skewness_item / k_i)
        return float(np.sqrt(variance * widened))

    def detectable(self, design: Design, alpha: float, power: float) -> float:
        """Smallest effect that a design finds (:func:`audit.statistics.minimum_detectable_effect`).

        Where neither factor varies the test uses the larger of two noisy variances: it is then a little
        more conservative than planned here.

        Args:
            design: of which the mean is planned.
            alpha, power: of the test.
        """
        return float(minimum_detectable_effect(self.standard_error(design), design.df, alpha, power))


def variance_components(
    values: Array, templates: Sequence[Hashable], items: Sequence[Hashable]
) -> list[Components]:
    """Estimate variance components by the method of moments.

    The clustered variances of the mean have the expectations `V_G = σ_G² a_G + (σ² - σ_G²)/n` and
    `V_TI = σ²/n`, with `a_G = Σ_g n_g² / n²` and σ² the sum of all three; solved for them, at least 0
    (Searle, Casella & McCulloch 1992, section 5.2).

    Args:
        values: `[U, M]` units × measures, without NaN; templates and items cross.
        templates, items: `[U]` levels of the two factors.
    Returns:
        The components of each measure.
    """
    n = len(values)
    residuals, present = values - values.mean(axis=0), np.ones(values.shape, dtype=bool)
    counts = np.full(values.shape[1], n)
    codes = [level_codes(levels) for levels in (templates, items)]
    total = n * cluster_moments(residuals, present, np.arange(n), counts).variance
    parts, skewness = [], []
    for code in codes:
        moments = cluster_moments(residuals, present, code, counts)
        share = (np.bincount(code) ** 2).sum() / n**2 - 1 / n
        own = divide(moments.variance - total / n, np.full(len(total), share))
        parts.append(np.clip(np.nan_to_num(own), 0, total))
        skewness.append(moments.skewness * moments.levels)
    rest = np.maximum(total - parts[0] - parts[1], 0.0)
    columns = zip(*(column.tolist() for column in (*parts, rest, *skewness)), strict=True)
    return [Components(*column) for column in columns]


def smallest_design(
    components: Components, start: Design, threshold: float, alpha: float, power: float, growth: Growth
) -> Design | None:
    """Smallest design that finds an effect of the threshold's size.

    With more templates only, the variance never falls below `σ_I²/k_I`, nor the degrees of freedom
    rise above `k_I - 1`: then there may be none.

    Args:
        components: of the measure.
        start: the design to grow.
        threshold: effect that must be found.
        alpha, power: of the test.
        growth: what may be added to it.
    Returns:
        The design; None if nothing of a size that can be written does it.
    """

    def enough(size: int) -> bool:
        return components.detectable(start.grown(growth, size), alpha, power) <= threshold

    low = {"templates": start.templates, "items": start.items}.get(growth, max(start.templates, start.items))
    high = _most(start, growth)
    if enough(low) or not enough(high):
        return start.grown(growth, low) if enough(low) else None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return start.grown(growth, high)


def _most(start: Design, growth: Growth) -> int:
    """Items can be added until each of them is used once."""
    return start.units if growth == "items" else _MOST
