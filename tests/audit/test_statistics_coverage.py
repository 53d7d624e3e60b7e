"""Intervals cover and null p-values are honest: simulations with one and with two random factors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from audit.statistics import interval, two_way
from tests.audit.simulated import latin_square, two_factor_noise
from tests.calibration.coverage import simulated_fit

SIMULATIONS = 10_000


@pytest.mark.parametrize("factors", [1, 2])
@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("normal", 0.93),
        ("exponential", 0.93),
        ("lognormal", 0.93),
        ("heavy lognormal", 0.93),
        ("t with 3 df", 0.93),
    ],
)
def test_intervals_cover(name: str, floor: float, factors: int, record_property: Callable[..., None]) -> None:
    low, high = interval(simulated_fit(name, factors, seed=factors, simulations=SIMULATIONS))
    covered = int(np.sum((low <= 0) & (high >= 0)))
    record_property("coverage", covered / SIMULATIONS)
    assert covered >= stats.binom.ppf(0.001, SIMULATIONS, floor)


@pytest.mark.parametrize("factors", [1, 2])
def test_null_p_values_are_not_anti_conservative(factors: int) -> None:
    p = simulated_fit("normal", factors, seed=10 + factors, simulations=SIMULATIONS).p
    assert stats.kstest(p, "uniform", alternative="greater").pvalue > 0.001


def test_a_test_that_ignores_items_would_be_caught() -> None:
    rng = np.random.default_rng(20)
    template, item = latin_square()
    values = two_factor_noise(rng, template, item, 1000)
    naive = stats.ttest_1samp(values.reshape(20, 6, -1).mean(1), 0).pvalue
    assert stats.kstest(naive, "uniform", alternative="greater").pvalue < 1e-6
    honest = two_way(values, template.tolist(), item.tolist()).p
    assert stats.kstest(honest, "uniform", alternative="greater").pvalue > 0.001
