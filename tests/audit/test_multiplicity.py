"""Corrections for many tests at once: SciPy and simulations are the oracles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.multiplicity import benjamini_hochberg

FAST = settings(max_examples=50, deadline=None)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


# --- Benjamini–Hochberg ----------------------------------------------------------------------------


@FAST
@given(P_VALUES)
def test_benjamini_hochberg_is_scipys_and_undefined_does_not_count(p: list[float]) -> None:
    expected = stats.false_discovery_control(p)
    np.testing.assert_allclose(benjamini_hochberg(np.array(p)), expected, atol=1e-12)
    with_gaps = benjamini_hochberg(np.array([np.nan, *p, np.nan]))
    np.testing.assert_allclose(with_gaps, [np.nan, *expected, np.nan], atol=1e-12)


@FAST
@given(P_VALUES, st.integers(0, 20))
def test_a_larger_family_counts_tests_that_are_not_listed(p: list[float], more: int) -> None:
    expected = stats.false_discovery_control(p + [1.0] * more)[: len(p)]
    np.testing.assert_allclose(benjamini_hochberg(np.array(p), m=len(p) + more), expected, atol=1e-12)


@FAST
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_skipping_the_effect_of_heads_without_a_bias_changes_no_flag(
    pairs: list[tuple[float, float]],
) -> None:
    p_bias, p_nie = np.array(pairs).T
    p_flag = np.maximum(p_bias, p_nie)
    possible = benjamini_hochberg(p_bias) <= 0.05
    every = benjamini_hochberg(p_flag) <= 0.05
    assert not np.any(every & ~possible)
    spared = benjamini_hochberg(np.where(possible, p_flag, 1.0)) <= 0.05
    np.testing.assert_array_equal(spared, every)


def test_nothing_to_correct() -> None:
    assert benjamini_hochberg(np.array([])).shape == (0,)
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
