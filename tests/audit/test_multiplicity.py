"""Corrections for many tests at once: SciPy and simulations are the oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.heads import possible_heads
from audit.multiplicity import benjamini_hochberg, benjamini_yekutieli, draw_joint_null
from audit.results import HeadFinding
from audit.statistics import two_way
from tests.audit.simulated import Tables, latin_square, simulate, two_factor_noise
from tests.audit.test_heads import CONFIG, PLANTED, analyse, flagged

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


# --- any dependence, and the joint null ------------------------------------------------------------


@FAST
@given(P_VALUES)
def test_benjamini_yekutieli_is_scipys(p: list[float]) -> None:
    expected = stats.false_discovery_control(p, method="by")
    np.testing.assert_allclose(benjamini_yekutieli(np.array([np.nan, *p])), [np.nan, *expected], atol=1e-12)


def test_independent_tests_are_corrected_as_sidak_does() -> None:
    null = draw_joint_null(np.eye(20), np.full(20, 19), others=0, seed=1, draws=20_000)
    p = np.array([0.0005, 0.0026, 0.01, np.nan])
    np.testing.assert_allclose(null.adjusted(p), 1 - (1 - p) ** 20, atol=0.01)
    unknown = draw_joint_null(np.zeros((1, 0)), np.zeros(0, dtype=np.int64), others=20, seed=1, draws=20_000)
    np.testing.assert_allclose(unknown.adjusted(p), 1 - (1 - p) ** 20, atol=0.01)


def test_tests_that_depend_on_each_other_cost_less() -> None:
    shared = np.ones((3, 20))
    null = draw_joint_null(shared, np.full(20, 1000), others=0, seed=2)
    assert null.critical(0.05) > 5 * (0.05 / 20)
    apart = draw_joint_null(np.eye(20), np.full(20, 1000), others=0, seed=2)
    assert apart.critical(0.05) == pytest.approx(0.05 / 20, rel=0.2)


def test_adjusted_and_critical_p_say_the_same_and_nothing_is_certain() -> None:
    null = draw_joint_null(np.eye(5), np.full(5, 10), others=3, seed=3, draws=500)
    p = np.linspace(0, 0.2, 400)
    for alpha in (0.01, 0.05, 0.2):
        np.testing.assert_array_equal(null.adjusted(p) <= alpha, p <= max(null.critical(alpha), -1))
    assert null.adjusted(np.zeros(1))[0] == pytest.approx(1 / 501)
    again = draw_joint_null(np.eye(5), np.full(5, 10), others=3, seed=3, draws=500)
    np.testing.assert_array_equal(null.smallest, again.smallest)


@pytest.mark.parametrize("common", [0.0, 0.8])
def test_any_false_rejection_is_as_rare_as_promised(common: float) -> None:
    """Nulls of 30 tests with both factors random, alone and moved together."""
    rng = np.random.default_rng(4)
    template, item = latin_square()
    labels = template.tolist(), item.tolist()
    false = 0
    for seed in range(300):
        own, all_ = (two_factor_noise(rng, template, item, columns) for columns in (30, 1))
        values = np.sqrt(1 - common) * own + np.sqrt(common) * all_
        fit, residuals = two_way(values, *labels), values - values.mean(axis=0)
        sums = [np.stack([residuals[codes == c].sum(0) for c in range(20)]) for codes in (template, item)]
        null = draw_joint_null(np.concatenate(sums), fit.df, others=0, seed=seed, draws=1000)
        false += bool((null.adjusted(fit.p) <= 0.05).any())
    assert false <= stats.binom.ppf(0.999, 300, 0.05)
    assert false >= stats.binom.ppf(0.001, 300, 0.01)


# --- the chosen correction decides -----------------------------------------------------------------


@pytest.mark.parametrize("correction", ["bh", "by", "max-t"])
def test_each_correction_finds_what_is_planted(correction: str) -> None:
    config = CONFIG.model_copy(update={"correction": correction})
    for seed in (0, 1):
        assert flagged(analyse(simulate(PLANTED, seed=seed, controls=False), config)) == {
            (0, 0),
            (0, 1),
            (1, 1),
        }


def test_intervals_and_bounds_fit_the_correction() -> None:
    tables = simulate(PLANTED, seed=0, controls=False)
    plain, strict, joint = (
        analyse(tables, CONFIG.model_copy(update={"correction": name})) for name in ("bh", "by", "max-t")
    )
    tests = sum(p is not None for f in plain.values() for p in (f.p_flag, f.p_flag_next))
    assert tests == 16
    cost = (1 / np.arange(1, tests + 1)).sum()
    for place, finding in plain.items():
        if finding.p_adjusted is not None and finding.p_adjusted < 0.1:
            assert strict[place].p_adjusted == pytest.approx(finding.p_adjusted * cost)
        assert strict[place].bound == finding.bound  # Bonferroni's holds for any dependence
        # 32 biases and effects are more than 16 biases, and their joint null is never below Bonferroni's by much.
        assert joint[place].bound is not None
        assert joint[place].bound > 0.97 * finding.bound

    def width(found: HeadFinding) -> float:
        return found.bias.ci_high - found.bias.ci_low

    for place in ((0, 0), (0, 1), (0, 2)):
        assert width(plain[place]) < width(strict[place]) < width(joint[place])
    for finding in joint.values():
        for estimate in (finding.bias, finding.nie):
            if estimate.p_adjusted <= CONFIG.q and finding.flagged:
                assert not estimate.ci_low <= 0 <= estimate.ci_high


def test_with_max_t_nulls_are_silent_and_leaving_effects_out_flags_no_more() -> None:
    config = CONFIG.model_copy(update={"correction": "max-t"})
    assert sum(bool(flagged(analyse(simulate({}, seed, controls=False), config))) for seed in range(20)) <= 2
    tables = simulate(PLANTED, seed=3, controls=False)
    choice = possible_heads(tables.pairs, tables.heads, config)["simulated", ("she", "he")]
    spared = tables.heads.copy()
    for row, chosen in (("", choice.pronoun), ("_next", choice.next)):
        out = [place not in chosen for place in zip(spared["layer"], spared["head"], strict=True)]
        spared.loc[np.array(out), [f"nie{row}", f"nde{row}"]] = np.nan
    quick = flagged(analyse(Tables(tables.pairs, spared), config))
    assert quick <= flagged(analyse(tables, config))
    assert quick == {(0, 0), (0, 1), (1, 1)}
