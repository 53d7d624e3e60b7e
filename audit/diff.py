"""How far two aligned attention rows lie apart: it describes a head, and never flags one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.errors import ShapeError

Array = npt.NDArray[np.float64]


def jensen_shannon(p: Array, q: Array) -> Array:
    """Jensen–Shannon divergence, `H((p+q)/2) - (H(p) + H(q))/2` (Lin 1991, eq. 4.1).

    >>> float(jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0

    Args:
        p, q: `[..., K]` rows that sum to 1, aligned bin by bin.
    Returns:
        `[...]` bits, 0 to 1; the same when p and q are exchanged.
    Raises:
        ShapeError: the two texts' rows were not aligned.
    """
    p, q = _aligned(p, q)
    # Halves are added, so that equal rows give back the row itself and the difference is exactly 0.
    bits = _entropy(p / 2 + q / 2) - (_entropy(p) + _entropy(q)) / 2
    return np.asarray(np.clip(bits, 0.0, 1.0))  # rounding alone leads outside [0, 1]


def total_variation(p: Array, q: Array) -> Array:
    """Total variation distance, `½ Σ |p - q|`.

    >>> float(total_variation(np.array([0.75, 0.25]), np.array([0.25, 0.75])))
    0.5

    Args:
        p, q: `[..., K]` rows that sum to 1, aligned bin by bin.
    Returns:
        `[...]`, 0 to 1.
    Raises:
        ShapeError: the two texts' rows were not aligned.
    """
    p, q = _aligned(p, q)
    return np.asarray(np.abs(p - q).sum(axis=-1) / 2)


def value_weighted(weights: Array, norms: Array) -> Array:
    """Attention weighted by what it moves, `w_k ‖v_k W_O‖ / Σ_k w_k ‖v_k W_O‖`.

    Norms of the transformed vectors instead of weights alone: Kobayashi et al. 2020, eq. 3.

    >>> value_weighted(np.array([0.5, 0.5]), np.array([0.0, 2.0])).tolist()
    [0.0, 1.0]

    Args:
        weights: `[..., K]` attention.
        norms: `[..., K]` norms of the transformed value vectors; leading axes may broadcast.
    Returns:
        `[..., K]` rows that sum to 1; NaN where nothing is moved at all.
    Raises:
        ShapeError: the norms do not belong to these keys.
    """
    weights, norms = np.asarray(weights, dtype=np.float64), np.asarray(norms, dtype=np.float64)
    if not weights.ndim or weights.shape[-1:] != norms.shape[-1:]:
        raise ShapeError(
            f"weights {list(weights.shape)} and norms {list(norms.shape)}; expected as many keys"
        )
    try:
        moved = weights * norms
    except ValueError as error:
        raise ShapeError(
            f"weights {list(weights.shape)} and norms {list(norms.shape)} do not match"
        ) from error
    total = moved.sum(axis=-1, keepdims=True)
    rows: Array = np.divide(moved, total, out=np.full(moved.shape, np.nan), where=total != 0)
    return rows


def _entropy(p: Array) -> Array:
    return np.asarray(special.entr(p).sum(axis=-1) / np.log(2))


def _aligned(p: Array, q: Array) -> tuple[Array, Array]:
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if not p.ndim or p.shape != q.shape:
        raise ShapeError(
            f"rows have shapes {list(p.shape)} and {list(q.shape)}; expected aligned rows of one shape"
        )
    return p, q
