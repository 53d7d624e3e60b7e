"""Divergence of two attention rows: SciPy is the oracle, and the axioms hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import distance

from audit.diff import jensen_shannon, total_variation, value_weighted
from audit.errors import ShapeError

FAST = settings(max_examples=80, deadline=None)
Array = npt.NDArray[np.float64]


@st.composite
def row_pairs(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two probability rows of the same width; bins may be empty or tiny."""
    width = draw(st.integers(1, 9))
    mass = st.one_of(st.just(0.0), st.floats(1e-12, 1.0))
    rows = []
    for _ in range(2):
        row = np.array(draw(st.lists(mass, min_size=width, max_size=width)))
        row[draw(st.integers(0, width - 1))] += 0.1
        rows.append(row / row.sum())
    return rows[0], rows[1]


@FAST
@given(row_pairs())
def test_jensen_shannon_is_scipys_distance_squared(rows: tuple[Array, Array]) -> None:
    with np.errstate(invalid="ignore"):
        # Of rows that are alike, SciPy takes the root of a rounding error, which may lie below 0.
        expected = np.nan_to_num(distance.jensenshannon(*rows, base=2)) ** 2
    np.testing.assert_allclose(jensen_shannon(*rows), expected, atol=1e-12)


@FAST
@given(row_pairs())
def test_total_variation_is_half_the_city_block(rows: tuple[Array, Array]) -> None:
    np.testing.assert_allclose(total_variation(*rows), distance.cityblock(*rows) / 2, atol=1e-12)


@FAST
@given(row_pairs())
def test_divergences_ignore_which_text_comes_first_and_bound_each_other(rows: tuple[Array, Array]) -> None:
    p, q = rows
    jsd, tv = float(jensen_shannon(p, q)), float(total_variation(p, q))
    assert jsd == pytest.approx(float(jensen_shannon(q, p)), abs=1e-12)
    assert tv == pytest.approx(float(total_variation(q, p)), abs=1e-12)
    assert 0 <= jsd <= 1
    assert 0 <= tv <= 1 + 1e-12
    # Lin (1991), theorem 3 in bits; and Pinsker's inequality applied to both halves.
    assert tv**2 / (2 * np.log(2)) - 1e-9 <= jsd <= tv + 1e-9


@FAST
@given(row_pairs())
def test_identical_rows_give_exactly_nothing(rows: tuple[Array, Array]) -> None:
    p, _ = rows
    assert float(jensen_shannon(p, p.copy())) == 0
    assert float(total_variation(p, p.copy())) == 0


@FAST
@given(row_pairs())
def test_merging_bins_never_adds_divergence(rows: tuple[Array, Array]) -> None:
    merged = [np.append(row[2:], row[:2].sum()) for row in rows]
    assert float(jensen_shannon(*merged)) <= float(jensen_shannon(*rows)) + 1e-12


def test_rows_without_a_common_word_are_one_bit_apart() -> None:
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.25, 0.75])
    assert float(jensen_shannon(p, q)) == pytest.approx(1)
    assert float(total_variation(p, q)) == pytest.approx(1)


def test_leading_axes_are_kept() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6), (2, 3, 4)), rng.dirichlet(np.ones(6), (2, 3, 4))
    found = jensen_shannon(p, q)
    assert found.shape == total_variation(p, q).shape == (2, 3, 4)
    assert found[1, 2, 3] == pytest.approx(distance.jensenshannon(p[1, 2, 3], q[1, 2, 3], base=2) ** 2)


def test_an_undefined_row_stays_undefined() -> None:
    p, q = np.array([[0.5, 0.5], [np.nan, np.nan]]), np.array([[0.5, 0.5], [0.2, 0.8]])
    for divergence in (jensen_shannon(p, q), jensen_shannon(q, p), total_variation(p, q)):
        assert divergence[0] == 0
        assert np.isnan(divergence[1])


@FAST
@given(row_pairs(), st.floats(0.01, 100))
def test_value_weighting_sums_to_one_and_ignores_the_scale_of_the_norms(
    rows: tuple[Array, Array], scale: float
) -> None:
    weights, norms = rows[0], rows[1] + 0.1
    found = value_weighted(weights, norms)
    np.testing.assert_allclose(found, weights * norms / np.dot(weights, norms), atol=1e-12)
    np.testing.assert_allclose(found.sum(-1), 1)
    np.testing.assert_allclose(value_weighted(weights, norms * scale), found, atol=1e-12)
    np.testing.assert_allclose(value_weighted(weights, np.full_like(norms, scale)), weights, atol=1e-12)


def test_a_row_on_empty_values_is_undefined_not_zero() -> None:
    found = value_weighted(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 2.0], [0.0, 2.0]]))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [0, 1])


@pytest.mark.parametrize("measure", [jensen_shannon, total_variation, value_weighted])
@pytest.mark.parametrize("shapes", [((3,), (4,)), ((2, 3), (3, 3)), ((2, 3), (2, 4))])
def test_rows_that_do_not_match_are_refused(measure: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError):
        measure(np.full(shapes[0], 0.2), np.full(shapes[1], 0.2))
