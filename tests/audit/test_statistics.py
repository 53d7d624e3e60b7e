"""Tests, intervals and corrections: SciPy and slow loops are the oracles; simulations give coverage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.statistics import (
    Fit,
    interval,
    minimum_detectable_effect,
    plain_p,
    two_way,
    wilson,
)
from tests.audit.simulated import latin_square, slow_fit, two_factor_noise

FAST = settings(max_examples=50, deadline=None)
Array = npt.NDArray[np.float64]


def matches_scipy(fit: Fit, sample: Array) -> None:
    """The fit's one column is SciPy's one-sample t test of ``sample``."""
    expected = stats.ttest_1samp(sample, 0)
    assert fit.mean[0] == pytest.approx(sample.mean())
    assert fit.p[0] == pytest.approx(expected.pvalue)
    low, high = interval(fit)
    bounds = expected.confidence_interval(0.95)
    assert (low[0], high[0]) == pytest.approx((bounds.low, bounds.high))


def symmetric(half: Array, centre: float) -> Array:
    """A sample without any skewness, so that nothing is widened."""
    return np.concatenate([centre + half, centre - half])


# --- the two-way test ------------------------------------------------------------------------------


@pytest.mark.parametrize("templates", ["one", "all"])
def test_units_that_share_nothing_are_scipys_t_test(templates: str) -> None:
    sample = symmetric(np.random.default_rng(1).normal(0, 1, 6), 0.3)
    labels = ["t"] * 12 if templates == "one" else [f"t{u}" for u in range(12)]
    fit = two_way(sample[:, None], labels, list(range(12)))
    matches_scipy(fit, sample)
    assert (int(fit.df[0]), int(fit.units[0])) == (11, 12)
    swapped = two_way(sample[:, None], list(range(12)), labels)
    matches_scipy(swapped, sample)


def test_templates_whose_items_never_recur_are_scipys_t_test_of_template_means() -> None:
    rng = np.random.default_rng(2)
    inside = rng.normal(0, 0.1, (8, 5))
    inside -= inside.mean(axis=1, keepdims=True)
    values = (symmetric(rng.normal(0, 1, 4), 0.5)[:, None] + inside).ravel()
    fit = two_way(values[:, None], np.repeat(np.arange(8), 5).tolist(), list(range(40)))
    matches_scipy(fit, values.reshape(8, 5).mean(1))
    assert int(fit.df[0]) == 7
    assert (fit.clusters, fit.items) == (8, 40)


@FAST
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 6), st.floats(0.4, 1))
def test_variance_equals_a_slow_loop_over_pairs_of_units(seed: int, k: int, m: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    cells = np.array([(t, i) for t in range(k) for i in range(m)])
    kept = cells[np.sort(rng.permutation(len(cells))[: max(3, int(share * len(cells)))])]
    templates, items = kept[:, 0].tolist(), kept[:, 1].tolist()
    if min(len(set(templates)), len(set(items))) < 2:
        return
    values = 0.2 + two_factor_noise(rng, kept[:, 0], kept[:, 1], 2)
    fit = two_way(values, templates, items)
    for column in range(2):
        mean, se, p, df = slow_fit(values[:, column], templates, items)
        assert fit.mean[column] == pytest.approx(mean)
        assert fit.se[column] == pytest.approx(se)
        assert fit.p[column] == pytest.approx(p)
        assert int(fit.df[column]) == df


@FAST
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_symmetries(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    template, item = latin_square(6, 6, 3)
    values = 0.1 + two_factor_noise(rng, template, item, 3)
    fit = two_way(values, template.tolist(), item.tolist())
    flipped = two_way(-scale * values, template.tolist(), item.tolist())
    np.testing.assert_allclose(flipped.mean, -scale * fit.mean)
    np.testing.assert_allclose(flipped.p, fit.p)
    order = rng.permutation(len(values))
    names = [f"template {t}" for t in template[order]]
    shuffled = two_way(values[order], names, item[order].tolist())
    exchanged = two_way(values, item.tolist(), template.tolist())
    for other in (shuffled, exchanged):
        np.testing.assert_allclose(other.mean, fit.mean)
        np.testing.assert_allclose(other.se, fit.se)
        np.testing.assert_allclose(other.p, fit.p)


def test_missing_values_are_left_out_column_by_column() -> None:
    rng = np.random.default_rng(3)
    template, item = latin_square(6, 6, 3)
    values = two_factor_noise(rng, template, item, 3) + 0.2
    values[rng.permutation(len(values))[:6], 1] = np.nan
    values[:, 2] = np.nan
    fit = two_way(values, template.tolist(), item.tolist())
    there = ~np.isnan(values[:, 1])
    alone = two_way(values[there, 1:2], template[there].tolist(), item[there].tolist())
    assert fit.units.tolist() == [18, 12, 0]
    assert (fit.mean[1], fit.se[1], fit.p[1]) == pytest.approx((alone.mean[0], alone.se[0], alone.p[0]))
    assert np.isnan([fit.mean[2], fit.se[2], fit.p[2]]).all()


@pytest.mark.parametrize("units", [1, 3])
def test_one_template_and_one_item_have_no_test(units: int) -> None:
    fit = two_way(np.arange(1.0, units + 1)[:, None], ["t"] * units, ["i"] * units)
    assert np.isnan([fit.se[0], fit.p[0]]).all()
    assert np.isnan(interval(fit)[0][0])


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.1, np.nan), (-0.3, np.nan), (1e-9, np.nan)])
def test_values_that_never_vary_are_null_or_untestable_never_certain(value: float, p: float) -> None:
    template, item = latin_square(7, 7, 3)
    fit = two_way(np.full((21, 1), value), template.tolist(), item.tolist())
    np.testing.assert_array_equal(fit.p, [p])
    assert fit.mean[0] == pytest.approx(value)


# --- intervals, bounds, power ----------------------------------------------------------------------


def small_fit() -> Fit:
    template, item = latin_square(8, 8, 3)
    values = 0.3 + two_factor_noise(np.random.default_rng(5), template, item, 3)
    return two_way(values, template.tolist(), item.tolist())


def test_interval_takes_a_level_for_each_measure() -> None:
    fit = small_fit()
    levels = np.array([0.5, 0.95, 0.999])
    low, high = interval(fit, levels)
    half = stats.t.ppf((1 + levels) / 2, fit.df) * fit.se
    np.testing.assert_allclose(low, fit.mean - half)
    np.testing.assert_allclose(high, fit.mean + half)


def test_p_is_below_alpha_exactly_when_the_interval_excludes_zero() -> None:
    template, item = latin_square()
    values = two_factor_noise(np.random.default_rng(30), template, item, 2000)
    fit = two_way(values, template.tolist(), item.tolist())
    low, high = interval(fit)
    np.testing.assert_array_equal(fit.p < 0.05, (low > 0) | (high < 0))


@pytest.mark.parametrize("df", [4, 19, 200])
@pytest.mark.parametrize("alpha", [0.05, 0.001, 0.05 / 540])
def test_the_detectable_effect_is_detected_with_the_power_asked_for(df: int, alpha: float) -> None:
    found = float(minimum_detectable_effect(np.array([0.2]), np.array([df]), alpha, 0.8)[0])
    power = stats.nct.sf(stats.t.ppf(1 - alpha / 2, df), df, found / 0.2)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_without_degrees_of_freedom_nothing_is_detectable() -> None:
    found = minimum_detectable_effect(np.array([0.1, 0.2, 0.3]), np.array([19, 0, 19]), 0.05, 0.8)
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[2] == pytest.approx(3 * found[0])


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (57, 240)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
    assert wilson(k, n, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert wilson(k, n)[0] <= k / n <= wilson(k, n)[1]


def test_a_share_of_nothing_is_undefined() -> None:
    assert np.isnan(np.array(wilson(0, 0), dtype=float)).all()


def test_a_plain_p_is_that_of_scipy_and_skewness_only_makes_it_larger() -> None:
    rng = np.random.default_rng(0)
    for sample in (rng.lognormal(0, 1, 20) - 1.2, rng.normal(0.3, 1, 20)):
        fit = two_way(sample[:, None], list(range(20)), list(range(20)))
        assert plain_p(fit)[0] == pytest.approx(stats.ttest_1samp(sample, 0).pvalue)
        assert fit.widened[0] >= 1
        assert (fit.p[0] > plain_p(fit)[0]) == (fit.widened[0] > 1)
    assert two_way(np.zeros((3, 1)), list("abc"), list("abc")).p == pytest.approx(
        plain_p(two_way(np.zeros((3, 1)), list("abc"), list("abc")))
    )
