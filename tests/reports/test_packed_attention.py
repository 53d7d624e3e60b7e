"""Packed weights and vectors lie as near to the kept ones as the page says."""

from __future__ import annotations

import base64

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from reports.packed_attention import WEIGHT_ERROR, is_causal, pack_vectors, pack_weights

WEIGHTS = arrays(
    np.float32, array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.floats(0, 1, width=32)
)
VECTORS = arrays(
    np.float16, (2, 3, 4), elements=st.floats(-1000, 1000, width=16, allow_nan=False, allow_infinity=False)
)


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


@given(WEIGHTS)
def test_a_weight_comes_back_within_the_bound_that_the_page_tells(weights: np.ndarray) -> None:
    codes = unpacked(pack_weights(weights, causal=False), "u1").reshape(weights.shape)
    off = np.abs((codes / 255) ** 2 - weights)
    assert WEIGHT_ERROR <= 0.004
    # Half a step of the root, squared.
    assert (off <= np.sqrt(weights) / 255 + 0.25 / 255**2 + 1e-7).all()
    assert off.max() <= WEIGHT_ERROR


@given(st.integers(1, 6), st.integers(0, 99))
def test_a_causal_matrix_is_packed_row_by_row_without_its_upper_half(size: int, seed: int) -> None:
    weights = np.tril(np.random.default_rng(seed).random((2, size, size))).astype(np.float32)
    assert is_causal(weights)
    codes = unpacked(pack_weights(weights, causal=True), "u1").reshape(2, -1)
    whole = unpacked(pack_weights(weights, causal=False), "u1").reshape(2, size, size)
    rows = [whole[:, row, column] for row in range(size) for column in range(row + 1)]
    np.testing.assert_array_equal(codes, np.stack(rows, axis=1))


def test_what_looks_ahead_or_is_not_square_is_not_causal() -> None:
    assert not is_causal(np.full((1, 2, 2), 0.5, np.float32))
    assert not is_causal(np.tril(np.ones((1, 2, 2), np.float32)), np.ones((1, 2, 2), np.float32))
    assert not is_causal(np.zeros((1, 2, 3), np.float32))


def test_layers_that_do_not_attend_are_packed_as_nothing() -> None:
    assert not unpacked(pack_weights(np.full((1, 2, 2), np.nan, np.float32), causal=False), "u1").any()


@given(VECTORS, VECTORS)
def test_a_vector_comes_back_within_half_a_step_of_its_dimension(a: np.ndarray, b: np.ndarray) -> None:
    packed = pack_vectors(a, b)
    limits = unpacked(packed.limits, "<f4").reshape(2, 1, 4)
    both = np.concatenate([a, b], axis=1).astype(np.float32)
    np.testing.assert_array_equal(limits[:, 0], np.abs(both).max(axis=1))
    for kept, text in ((a, packed.a), (b, packed.b)):
        found = unpacked(text, "i1").reshape(kept.shape) / 127 * limits
        assert (np.abs(found - kept.astype(np.float32)) <= limits / 254 * 1.001 + 1e-6).all()
