"""Total and indirect effects: identities that hold for every model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.effects import natural_indirect_effect, total_effect

FAST = settings(max_examples=80, deadline=None)
Array = npt.NDArray[np.float64]
HEADS = 5


def patched(y: Callable[[Array], float], a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Forward effect, direct effect and NIE of each head of a model ``y(heads)``; x' = a, x = b."""
    te = total_effect(np.array(y(a)), np.array(y(b)))
    forward, nde = np.empty(HEADS), np.empty(HEADS)
    for h in range(HEADS):
        b_with_a, a_with_b = b.copy(), a.copy()
        b_with_a[h], a_with_b[h] = a[h], b[h]
        forward[h], nde[h] = y(b_with_a) - y(b), y(a_with_b) - y(b)
    return forward, nde, natural_indirect_effect(forward, te, nde)


def crooked(seed: int) -> Callable[[Array], float]:
    """A model in which heads interact."""
    w = np.random.default_rng(seed).standard_normal((HEADS, HEADS))
    return lambda heads: float(np.tanh(w @ heads).sum() + heads @ w @ heads)


def heads_of(seed: int) -> tuple[Array, Array]:
    """What the heads write in the two texts."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(HEADS), rng.standard_normal(HEADS)


def test_total_effect_is_arm_a_minus_arm_b() -> None:
    np.testing.assert_array_equal(total_effect(np.array([1.5, -1.0]), np.array([0.5, 2.0])), [1.0, -3.0])


def test_indirect_effect_by_hand() -> None:
    # Forward −0.093 in one text; TE − NDE = −0.122 in the other.
    assert float(
        natural_indirect_effect(np.array(-0.093), np.array(-0.24), np.array(-0.118))
    ) == pytest.approx(-0.1075)


@FAST
@given(st.integers(0, 10**6))
def test_exchanging_the_texts_flips_the_sign(seed: int) -> None:
    y, (a, b) = crooked(seed), heads_of(seed + 1)
    np.testing.assert_allclose(patched(y, b, a)[2], -patched(y, a, b)[2], atol=1e-9)


@FAST
@given(st.integers(0, 10**6))
def test_renaming_arms_and_completions_together_changes_nothing(seed: int) -> None:
    y, (a, b) = crooked(seed), heads_of(seed + 1)
    np.testing.assert_allclose(patched(lambda heads: -y(heads), b, a)[2], patched(y, a, b)[2], atol=1e-9)


@FAST
@given(st.integers(0, 10**6))
def test_a_head_that_is_the_same_in_both_texts_has_no_effect(seed: int) -> None:
    y, (a, b) = crooked(seed), heads_of(seed + 1)
    b[2] = a[2]
    assert patched(y, a, b)[2][2] == pytest.approx(0, abs=1e-12)


@FAST
@given(st.integers(0, 10**6))
def test_in_a_linear_model_the_heads_share_the_total_effect(seed: int) -> None:
    weights, (a, b) = np.random.default_rng(seed).standard_normal(HEADS), heads_of(seed + 1)
    forward, _, nie = patched(lambda heads: float(weights @ heads), a, b)
    np.testing.assert_allclose(nie, weights * (a - b), atol=1e-12)
    np.testing.assert_allclose(nie, forward, atol=1e-12)
    assert nie.sum() == pytest.approx(weights @ (a - b))


def test_undefined_stays_undefined() -> None:
    found = natural_indirect_effect(np.array([np.nan, 0.1]), np.array(0.2), np.array([0.1, 0.1]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.1)
