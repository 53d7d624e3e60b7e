"""WEAT, projections and rank correlations against oracles written here, and on planted vectors."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from audit.association import association, cosines, direction, project, weat
from audit.errors import MeasurementError, ShapeError
from audit.rank_correlation import average_ranks, spearman

Array = npt.NDArray[np.float64]
NUMBERS = st.lists(st.integers(-20, 20).map(lambda n: n / 4), min_size=3, max_size=5)


def random_vectors(seed: int, *sizes: int, width: int = 6) -> list[Array]:
    random = np.random.default_rng(seed)
    return [random.normal(size=(size, width)) for size in sizes]


def slow_association(word: Array, first: Array, second: Array) -> float:
    """`s(w, A, B)`, one dot product after the other."""

    def cosine(u: Array, v: Array) -> float:
        dot = sum(a * b for a, b in zip(u.tolist(), v.tolist(), strict=True))
        return dot / (math.hypot(*u.tolist()) * math.hypot(*v.tolist()))

    return statistics.mean(cosine(word, a) for a in first) - statistics.mean(cosine(word, b) for b in second)


def slow_weat(x: list[float], y: list[float]) -> tuple[float, float, float]:
    """d, two-sided and one-sided p by brute force over all partitions."""
    both = [*x, *y]
    d = (statistics.mean(x) - statistics.mean(y)) / statistics.stdev(both)
    observed = statistics.mean(x) - statistics.mean(y)
    found = []
    for chosen in itertools.combinations(range(len(both)), len(x)):
        one = [both[i] for i in chosen]
        other = [both[i] for i in range(len(both)) if i not in chosen]
        found.append(statistics.mean(one) - statistics.mean(other))
    two_sided = sum(abs(f) >= abs(observed) - 1e-12 for f in found) / len(found)
    return d, two_sided, sum(f >= observed - 1e-12 for f in found) / len(found)


@pytest.mark.parametrize(("seed", "sizes"), [(0, (5, 5, 4, 3)), (1, (3, 6, 2, 2)), (2, (7, 7, 1, 5))])
def test_effect_size_and_p_are_those_of_brute_force(seed: int, sizes: tuple[int, ...]) -> None:
    x, y, a, b = random_vectors(seed, *sizes)
    own = [association(words, a, b) for words in (x, y)]
    slow = [[slow_association(word, a, b) for word in words] for words in (x, y)]
    for fast, expected in zip(own, slow, strict=True):
        assert fast == pytest.approx(np.array(expected))
    found = weat(*own, seed=0)
    assert (found.effect_size, found.p, found.p_one_sided) == pytest.approx(slow_weat(*slow))
    assert (found.partitions, found.exact) == (math.comb(sizes[0] + sizes[1], sizes[0]), True)


@given(NUMBERS, NUMBERS)
def test_weat_has_its_published_properties(x: list[float], y: list[float]) -> None:
    if len({*x, *y}) == 1:
        return
    found = weat(np.array(x), np.array(y), seed=0)
    expected = slow_weat(x, y)
    assert (found.effect_size, found.p, found.p_one_sided) == pytest.approx(expected)
    assert 0 < found.p <= 1
    swapped = weat(np.array(y), np.array(x), seed=0)
    assert swapped.effect_size == pytest.approx(-found.effect_size)
    assert swapped.p == pytest.approx(found.p)
    if len(x) == len(y):
        assert abs(found.effect_size) < 2
        assert weat(np.array(x), np.array(x[::-1]), seed=0).effect_size == pytest.approx(0) or len({*x}) == 1


def test_perfectly_separated_sets_come_near_the_bound_of_two() -> None:
    for n in (2, 5, 8):
        found = weat(np.ones(n), -np.ones(n), seed=0)
        assert found.effect_size == pytest.approx(2 * math.sqrt((2 * n - 1) / (2 * n)))
        assert found.p == pytest.approx(2 / math.comb(2 * n, n))


def test_planted_vectors_are_found_and_random_ones_are_not() -> None:
    random = np.random.default_rng(3)
    axis = np.eye(30)[0]
    x, y, a, b = (random.normal(size=(8, 30)) + shift * axis for shift in (3, -3, 3, -3))
    planted = weat(association(x, a, b), association(y, a, b), seed=0)
    assert planted.effect_size > 1.5
    assert planted.p < 0.001
    null = []
    for _ in range(200):
        x, y, a, b = (random.normal(size=(5, 30)) for _ in range(4))
        null.append(weat(association(x, a, b), association(y, a, b), seed=0).p)
    assert stats.kstest(null, "uniform", alternative="greater").pvalue > 0.001


def test_drawn_partitions_come_near_the_exact_p_and_keep_to_their_seed() -> None:
    random = np.random.default_rng(4)
    x, y = random.normal(0.6, 1, 9), random.normal(0, 1, 9)
    exact, drawn = weat(x, y, seed=0), weat(x, y, seed=7, most=10)
    assert (exact.exact, drawn.exact, drawn.partitions) == (True, False, 100_000)
    assert drawn.effect_size == exact.effect_size
    assert drawn.p == pytest.approx(exact.p, abs=0.005)
    assert weat(x, y, seed=7, most=10) == drawn
    assert weat(x, y, seed=8, most=10).p != drawn.p
    rare = weat(np.arange(20) + 100.0, np.arange(20.0), seed=0, draws=500)
    assert rare.p == 1 / 501


def test_words_that_are_all_associated_alike_have_no_effect_size() -> None:
    found = weat(np.full(4, 0.3), np.full(4, 0.3), seed=0)
    assert math.isnan(found.effect_size)
    assert math.isnan(found.p)


def test_projection_is_the_cosine_with_the_mean_difference() -> None:
    pairs = np.array([[[3.0, 4.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 5.0]]])
    mean = np.array([(0.6 - 0 + 1 - 0) / 2, (0.8 - 1 + 0 - 1) / 2])
    assert direction(pairs) == pytest.approx(mean / math.hypot(0.8, -0.6))
    words = np.array([[1.0, 1.0], [-2.0, 0.0]])
    expected = [(0.8 - 0.6) / math.sqrt(2), -0.8]
    assert project(words, pairs) == pytest.approx(expected)
    assert project(words, pairs[:, ::-1]) == pytest.approx([-value for value in expected])


def test_vectors_without_a_direction_are_told() -> None:
    one = np.ones((2, 3))
    with pytest.raises(
        MeasurementError, match=r"^a word's vector is 0 or not finite, so it has no direction$"
    ):
        cosines(np.array([[0.0, 0.0, 0.0]]), one)
    with pytest.raises(MeasurementError, match="not finite"):
        cosines(one, np.array([[1.0, np.nan, 0.0]]))
    with pytest.raises(MeasurementError, match=r"^the pairs of the direction cancel out$"):
        direction(np.stack([one, one * 2], axis=1))
    with pytest.raises(ShapeError, match=r"^vectors \[2, 3\] and \[2, 4\]; expected \[words, width\]$"):
        cosines(one, np.ones((2, 4)))
    with pytest.raises(ShapeError, match=r"^associations \[1\] and \[3\]; expected two sets of two or more$"):
        weat(np.ones(1), np.ones(3), seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_rank_correlation_is_that_of_scipy_ties_too(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(0, 8, 25).astype(float)
    y = x + random.normal(0, 4, 25).round()
    expected = stats.spearmanr(x, y)
    found = spearman(x, y, seed=0)
    assert found.rho == pytest.approx(float(expected.statistic))
    assert found.p == pytest.approx(float(expected.pvalue), abs=0.02)
    assert found.low < found.rho < found.high
    assert average_ranks(x[None])[0] == pytest.approx(stats.rankdata(x))
    assert spearman(-x, y, seed=0).rho == pytest.approx(-found.rho)


def test_the_interval_over_words_is_that_of_scipy() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=40)
    y = x + random.normal(size=40)
    found = spearman(x, y, seed=0)
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_too_few_words_and_constant_sides_have_no_correlation() -> None:
    for x, y in (([1.0, 2, 3, 4], [1.0, 2, 3, 4]), ([1.0] * 6, [1.0, 2, 3, 4, 5, 6])):
        found = spearman(np.array(x), np.array(y), seed=0)
        assert math.isnan(found.rho)
        assert math.isnan(found.low)
    with pytest.raises(ShapeError, match=r"^sides of \[3\] and \[4\] words; expected one number a word$"):
        spearman(np.ones(3), np.ones(4), seed=0)
