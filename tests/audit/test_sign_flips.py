"""Paired sign-flips: SciPy, slow loops and whole groups of flips are the oracles; null p are exact."""

from __future__ import annotations

import pickle

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.sign_flips import Flips, flipped, sign_flip
from audit.statistics import two_way
from audit.units import Units

Array = npt.NDArray[np.float64]


def every_sign(values: Array) -> Array:
    """`[U, 2^U]` one sample with every flip of it: what a null makes equally likely."""
    units = len(values)
    return (1.0 - 2.0 * (np.arange(2**units) >> np.arange(units)[:, None] & 1)) * values[:, None]


def slow_sign_flip(values: Array, seed: int, groups: int) -> float:
    """The definition, one flip and one unit at a time, for one measure."""
    rng, units = np.random.default_rng(seed), len(values)
    size = 2 ** int(np.floor(np.log2(units)) + 1)
    count = 0
    for group in range(groups):
        columns = (1 + rng.permutation(size - 1)[:units]).tolist()
        drawn = (1 - 2 * rng.integers(0, 2, units)).tolist()
        signs = drawn if group else [1] * units
        for k in range(size):
            flips = [s * (-1) ** (k & c).bit_count() for s, c in zip(signs, columns, strict=True)]
            total = sum(flip * value for flip, value in zip(flips, values.tolist(), strict=True))
            count += abs(total) >= abs(values.sum()) - 1e-9
    return count / (groups * size)


# --- against other ways -----------------------------------------------------------------------------


def test_exact_sign_flips_are_scipys() -> None:
    values = np.random.default_rng(6).normal(0.4, 1, (9, 3))
    found = sign_flip(values, Flips(seed=0, draws=2**9))
    for column in range(3):
        expected = stats.permutation_test(
            (values[:, column],), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        assert found[column] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("units", [4, 7, 12, 40])
def test_drawn_flips_are_those_of_a_slow_loop(units: int) -> None:
    values = np.random.default_rng(units).normal(0.3, 1, (units, 3))
    size = 2 ** units.bit_length()
    draws = min(3 * size, 2**units) - 1
    groups = -(-draws // size)
    found = sign_flip(values, Flips(seed=units, draws=draws))
    assert found.tolist() == [slow_sign_flip(values[:, at], units, groups) for at in range(3)]


@pytest.mark.parametrize("law", ["normal", "t", "one unit", "lattice"])
def test_drawn_flips_are_as_near_to_all_flips_as_independent_ones(law: str) -> None:
    rng = np.random.default_rng(11)
    values = {
        "normal": rng.normal(0.3, 1, (15, 300)),
        "t": rng.standard_t(1.5, (15, 300)) + 0.3,
        "one unit": rng.normal(0.2, 1, (15, 300)) * np.where(np.arange(15) < 1, 10, 1)[:, None],
        "lattice": rng.integers(-2, 4, (15, 300)).astype(np.float64),
    }[law]
    every = sign_flip(values, Flips(seed=0, draws=2**15))
    drawn = sign_flip(values, Flips(seed=0, draws=2**15 - 1))
    error = (drawn - every) / np.sqrt(every * (1 - every) / 2**15 + 1e-30)
    assert np.sqrt(np.mean(error[every < 1] ** 2)) < 1
    assert np.abs(error[every < 1]).max() < 5


def test_drawn_flips_are_near_the_t_test_seeded_and_never_zero() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal([0.0, 0.3, 3.0], 1, (60, 3))
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002 (the global state must not be touched)
    found = sign_flip(values, Flips(seed=3, draws=4000))
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002
    np.testing.assert_array_equal(found, sign_flip(values, Flips(seed=3, draws=4000)))
    assert np.all(found[:2] != sign_flip(values, Flips(seed=4, draws=4000))[:2])
    np.testing.assert_allclose(found, stats.ttest_1samp(values, 0).pvalue, atol=0.03)
    assert found.min() == 1 / 4032  # 63 groups of 64: at least as many as were asked for


def test_there_are_enough_draws_to_pass_the_correction() -> None:
    flips = Flips.enough(seed=0, m=300, q=0.05)
    found = sign_flip(np.random.default_rng(8).normal(2, 0.5, (40, 3)), flips)
    assert np.all((found > 0) & (found <= 0.05 / (10 * 300)))
    assert Flips.enough(seed=0, m=1, q=0.05).draws == 10_000


# --- null p are exact ---------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", [1, 40, 200], ids=["one group", "3 groups", "13 groups"])
@pytest.mark.parametrize("law", ["lognormal", "one large unit", "lattice"])
def test_null_p_are_exact_with_few_flips_and_with_many(draws: int, law: str) -> None:
    """Over all flips of a sample, which a null makes equally likely, and over seeds: `P(p ≤ α) ≤ α`."""
    rng, seeds = np.random.default_rng(1), 60
    sample = {
        "lognormal": rng.lognormal(0, 1, 10),
        "one large unit": np.array([50.0, *rng.normal(0, 1, 9)]),
        "lattice": rng.integers(1, 4, 10) * 0.1,
    }[law]
    shares = []
    for seed in range(seeds):
        p = sign_flip(every_sign(sample), Flips(seed, draws))
        assert p.min() > 0
        shares.append([np.mean(p <= alpha) for alpha in (0.02, 0.05, 0.1, 0.25, 0.5)])
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(seeds)
    assert np.all(mean <= np.array([0.02, 0.05, 0.1, 0.25, 0.5]) + 3 * error + 1e-12)
    if law == "lognormal" and draws == 200:  # and without waste, but for the steps of 1 / 208
        assert np.all(mean >= np.array([0.02, 0.05, 0.1, 0.25, 0.5]) - 3 * error - 1 / 208)


def test_small_null_p_are_exact_for_skewed_units() -> None:
    """Where p counts most, in the tail, over symmetric draws of a law without variance."""
    p = np.concatenate(
        [
            sign_flip(np.random.default_rng((5, seed)).standard_cauchy((40, 2000)), Flips(seed, 5000))
            for seed in range(10)
        ]
    )
    for alpha in (0.001, 0.005, 0.05):
        assert np.mean(p <= alpha) <= stats.binom.ppf(0.999, len(p), alpha) / len(p)
    assert stats.kstest(p, "uniform", alternative="greater").pvalue > 0.001


def test_the_same_flips_serve_every_measure() -> None:
    """So that measures that depend on each other have p that do: and columns never meet."""
    values = np.random.default_rng(12).normal(0.2, 1, (200, 4500))  # more columns than are looked at together
    found = sign_flip(values, Flips(2, 1000))
    order = np.random.default_rng(0).permutation(4500)
    np.testing.assert_array_equal(sign_flip(values[:, order], Flips(2, 1000)), found[order])
    np.testing.assert_array_equal(sign_flip(-values, Flips(2, 1000)), found)
    np.testing.assert_array_equal(sign_flip(values[:, 4400:4401], Flips(2, 1000)), found[4400:4401])


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 90), st.integers(0, 10**6), st.sampled_from([0.1, 1 / 3, 1e-3]))
def test_ties_count_whatever_rounding_makes_of_them(units: int, seed: int, step: float) -> None:
    """Whole numbers add up exactly; the same p must come from their multiples, which do not."""
    whole = np.random.default_rng(seed).integers(-3, 5, (units, 8)).astype(np.float64)
    flips = Flips(seed, draws=500)
    np.testing.assert_array_equal(sign_flip(whole * step, flips), sign_flip(whole, flips))


def test_undefined_units_are_left_out() -> None:
    values = np.random.default_rng(13).normal(0.5, 1, (30, 3))
    values[:4, 1], values[:, 2] = np.nan, np.nan
    found = sign_flip(values, Flips(0, 2000))
    zeros = sign_flip(np.nan_to_num(values), Flips(0, 2000))
    assert (found[0], found[1]) == (zeros[0], zeros[1])
    assert np.isnan(found[2])
    assert np.isnan(sign_flip(np.empty((0, 2)), Flips(0))).all()


# --- as the p of units --------------------------------------------------------------------------------


def test_units_that_share_nothing_are_flipped_and_say_so() -> None:
    rng = np.random.default_rng(9)
    names = tuple(f"u{number}" for number in range(40))
    units = Units(np.arange(80), np.repeat(np.arange(40), 2), names, names)
    values = rng.normal(0.2, 1, (80, 2))
    plain, flipped = units.fit(values)[0], units.fit(values, Flips(seed=5, draws=20_000))[0]
    np.testing.assert_allclose(flipped.p, plain.p, atol=0.03)
    assert np.all(flipped.p != plain.p)
    np.testing.assert_array_equal(flipped.se, plain.se)
    assert (plain.seed, flipped.seed) == (None, 5)
    assert flipped.method == f"paired sign-flips of 40 units (20032 drawn); interval: {plain.method}"
    four = Units(np.arange(4), np.arange(4), names[:4], names[:4])
    few = four.fit(np.ones((4, 1)) + 0.1 * values[:4, :1], Flips(5))[0]
    assert (few.p[0], few.seed) == (2 / 2**4, None)
    assert few.method.startswith("paired sign-flips of 4 units (all); interval: t")
    constant = four.fit(np.ones((4, 1)), Flips(5))[0]
    assert np.isnan(constant.p[0])


@pytest.mark.parametrize("factor", ["templates", "items"])
def test_units_that_share_an_item_or_a_template_are_not_flipped(factor: str) -> None:
    names = tuple(f"u{number}" for number in range(12))
    shared = (*names[:11], names[0])
    labels = (shared, names) if factor == "templates" else (names, shared)
    units = Units(np.arange(12), np.arange(12), *labels)
    fit = units.fit(np.random.default_rng(1).normal(0, 1, (12, 1)), Flips(0))[0]
    assert fit.seed is None
    assert "flips" not in fit.method


def test_flips_are_honest_where_t_is_not_asked() -> None:
    """Null p of symmetric but heavy-tailed units, few of them: exact."""
    values = np.random.default_rng(10).standard_t(2, (10, 400))
    names = [str(number) for number in range(10)]
    p = flipped(two_way(values, names, names), values, Flips(0)).p
    assert np.mean(p <= 0.05) <= stats.binom.ppf(0.999, 400, 0.05) / 400
    assert stats.kstest(p, "uniform", alternative="greater").pvalue > 0.001
