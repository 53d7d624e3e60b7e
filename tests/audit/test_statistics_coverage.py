"""Intervals cover and null p-values are honest: simulations with one and with two random factors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from audit.statistics import Fit, interval, two_way
from tests.audit.simulated import latin_square, two_factor_noise

Array = npt.NDArray[np.float64]

DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "lognormal": lambda rng, shape: (rng.lognormal(0, 0.5, shape) - np.exp(0.125)) / 0.604,
    "heavy lognormal": lambda rng, shape: (rng.lognormal(0, 1, shape) - np.exp(0.5)) / 2.161,
}
SIMULATIONS = 10_000


def simulated_fit(name: str, factors: int, seed: int) -> Fit:
    """Fit of ``SIMULATIONS`` columns of mean 0: 20 templates × 20 items, or 40 × 3 unshared items."""
    rng, draw = np.random.default_rng(seed), DRAWS[name]
    template, item = latin_square(20, 20, 6) if factors == 2 else latin_square(40, 40, 3)
    item = item if factors == 2 else np.arange(len(item))
    values = np.sqrt(0.1) * draw(rng, (template.max() + 1, SIMULATIONS))[template]
    values += np.sqrt(0.4) * draw(rng, (item.max() + 1, SIMULATIONS))[item]
    values += np.sqrt(0.5) * draw(rng, (len(item), SIMULATIONS))
    return two_way(values, template.tolist(), item.tolist())


@pytest.mark.parametrize("factors", [1, 2])
@pytest.mark.parametrize(
    ("name", "floor"),
    [("normal", 0.93), ("exponential", 0.93), ("lognormal", 0.93), ("heavy lognormal", 0.93)],
)
def test_intervals_cover(name: str, floor: float, factors: int, record_property: Callable[..., None]) -> None:
    low, high = interval(simulated_fit(name, factors, seed=factors))
    covered = int(np.sum((low <= 0) & (high >= 0)))
    record_property("coverage", covered / SIMULATIONS)
    assert covered >= stats.binom.ppf(0.001, SIMULATIONS, floor)


@pytest.mark.parametrize("factors", [1, 2])
def test_null_p_values_are_not_anti_conservative(factors: int) -> None:
    p = simulated_fit("normal", factors, seed=10 + factors).p
    assert stats.kstest(p, "uniform", alternative="greater").pvalue > 0.001


def test_a_test_that_ignores_items_would_be_caught() -> None:
    rng = np.random.default_rng(20)
    template, item = latin_square()
    values = two_factor_noise(rng, template, item, 1000)
    naive = stats.ttest_1samp(values.reshape(20, 6, -1).mean(1), 0).pvalue
    assert stats.kstest(naive, "uniform", alternative="greater").pvalue < 1e-6
    honest = two_way(values, template.tolist(), item.tolist()).p
    assert stats.kstest(honest, "uniform", alternative="greater").pvalue > 0.001
