"""Which candidate a row of attention looks at, and how that changes with the arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.errors import ShapeError
from audit.pairs import Span
from audit.protocols import Encoding

Array = npt.NDArray[np.float64]


def token_indices(span: Span, encoding: Encoding) -> tuple[int, ...]:
    """Tokens that share at least one character with a span.

    >>> token_indices((4, 10), Encoding((0, 1, 2), ("The", " doc", "tor"), ((0, 3), (3, 7), (7, 10))))
    (1, 2)

    Args:
        span: characters `[start, end)` of a mention.
        encoding: the tokenised text.
    Returns:
        Token indices in order; empty where no token covers the span (special tokens never do).
    """
    start, end = span
    return tuple(
        index for index, (left, right) in enumerate(encoding.offsets) if max(left, start) < min(right, end)
    )


def candidate_mass(row: Array, first: Sequence[int], second: Sequence[int]) -> Array:
    """Attention on either candidate, `m_c = Σ_{k in S(c)} A[..., k]`.

    >>> candidate_mass(np.array([0.5, 0.25, 0.125, 0.125]), [1], [2, 3]).tolist()
    [0.25, 0.25]

    Args:
        row: `[..., K]` attention of one query (sub-tokens pooled by mean).
        first, second: key tokens of candidate 1 and 2.
    Returns:
        `[..., 2]` masses, 0 to 1.
    Raises:
        ShapeError: a candidate has no token, or one outside the row.
    """
    row = np.asarray(row, dtype=np.float64)
    keys = row.shape[-1] if row.ndim else 0
    for tokens in (first, second):
        if not len(tokens) or min(tokens) < 0 or max(tokens) >= keys:
            raise ShapeError(
                f"candidate tokens {list(tokens)} in a row of {keys} keys; expected tokens of the row"
            )
    return np.stack([row[..., list(tokens)].sum(axis=-1) for tokens in (first, second)], axis=-1)


def signed_bias(mass_a: Array, mass_b: Array) -> Array:
    """Signed head bias, `b = ½ [(m_1 - m_2)(arm_a) - (m_1 - m_2)(arm_b)]`.

    Candidate 1 is in both arms the one that the suite ties to arm_a. Exchanging the texts flips the
    sign; renaming arms and candidates together changes nothing.

    >>> float(signed_bias(np.array([0.5, 0.25]), np.array([0.25, 0.5])))
    0.25

    Args:
        mass_a, mass_b: `[..., 2]` candidate masses in either arm's text.
    Returns:
        `[...]`, -1 to 1; positive: the head follows the stereotype.
    Raises:
        ShapeError: the masses are not `[..., 2]` of one shape.
    """
    mass_a, mass_b = np.asarray(mass_a, dtype=np.float64), np.asarray(mass_b, dtype=np.float64)
    if mass_a.shape[-1:] != (2,) or mass_a.shape != mass_b.shape:
        raise ShapeError(f"masses {list(mass_a.shape)} and {list(mass_b.shape)}; expected twice [..., 2]")
    lean_a, lean_b = mass_a[..., 0] - mass_a[..., 1], mass_b[..., 0] - mass_b[..., 1]
    return np.asarray((lean_a - lean_b) / 2)


def preference(mass: Array) -> Array:
    """Share of the candidates' attention that goes to candidate 1, `Σ m_1 / Σ (m_1 + m_2)` over pairs.

    A ratio of sums: a mean of per-pair ratios would drop or inflate pairs without attention.

    >>> float(preference(np.array([[0.5, 0.0], [0.25, 0.25]])))
    0.75

    Args:
        mass: `[pairs, ..., 2]` candidate masses; pairs that are NaN are left out.
    Returns:
        `[...]`, 0 to 1; NaN where the candidates get no attention at all.
    Raises:
        ShapeError: the masses are not `[pairs, ..., 2]`.
    """
    mass = np.asarray(mass, dtype=np.float64)
    if mass.ndim < 2 or mass.shape[-1] != 2:
        raise ShapeError(f"masses have shape {list(mass.shape)}; expected [pairs, ..., 2]")
    known = ~np.isnan(mass).any(axis=-1, keepdims=True)
    sums = np.where(known, mass, 0.0).sum(axis=0)
    total = np.asarray(sums.sum(axis=-1))
    share: Array = np.divide(sums[..., 0], total, out=np.full(total.shape, np.nan), where=total != 0)
    return share
