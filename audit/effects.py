"""Causal effects of a swap: on the output as a whole, and through one head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.errors import ShapeError

Array = npt.NDArray[np.float64]


def total_effect(y_a: float | Array, y_b: float | Array) -> Array:
    """Effect of the whole swap, `TE = y(x') - y(x)` with x' = arm_a and x = arm_b (Vig et al. 2020).

    >>> float(total_effect(1.5, 0.5))
    1.0

    Args:
        y_a, y_b: log-odds in nats, `log p(c_1) - log p(c_2)`, in either arm's text.
    Returns:
        Nats; flips its sign when the texts are exchanged.
    Raises:
        ShapeError: the two do not match.
    """
    first, second = _matching(y_a, y_b)
    return np.asarray(first - second)


def natural_indirect_effect(forward: float | Array, te: float | Array, nde: float | Array) -> Array:
    """Effect that passes through one head, both ways averaged: `NIE = ½ (forward + TE - NDE)`.

    `forward = y(x; A_h ← A_h(x')) - y(x)`, `NDE = y(x'; A_h ← A_h(x)) - y(x)` (Pearl 2001;
    Vig et al. 2020); the average flips its sign when the texts are exchanged, either half alone does not.

    >>> round(float(natural_indirect_effect(0.25, 1.0, 0.75)), 3)
    0.25

    Args:
        forward: `[...]` nats, effect of giving x the head's rows of x'.
        te: total effect in nats.
        nde: `[...]` nats, effect of the swap while the head keeps its rows of x.
    Returns:
        `[...]` nats.
    Raises:
        ShapeError: the three do not match.
    """
    there, total, direct = _matching(forward, te, nde)
    return np.asarray((there + total - direct) / 2)


def ratio_effect(effect: float | Array) -> Array:
    """An effect on log-odds in the ratio form of Vig et al. (2020), `y(x')/y(x) - 1` with `y = p(c_2)/p(c_1)`.

    `y(x')/y(x) - 1 = exp(Δ) - 1`, Δ the change of the log-odds; for the total effect and both halves
    of a head's alike. It is unbounded upwards, so that a few pairs with large odds drive its mean.

    >>> round(float(ratio_effect(0.25)), 3)
    0.284

    Args:
        effect: nats.
    Returns:
        -1 upwards; 0 means no effect.
    """
    return np.asarray(np.expm1(np.asarray(effect, dtype=np.float64)))


def vig_filter(ratio: Array, quantile: float = 0.25) -> npt.NDArray[np.bool_]:
    """The pairs that Vig et al. (2020, appendix on data) kept: those biased as expected, without the weakest.

    Of the pairs with an effect above 0, those above its 25th percentile. Choosing pairs by their
    outcome biases what is left: a network with random weights has a mean above 0 after it.

    Args:
        ratio: `[P]` total effects in the ratio form; NaN is left out.
        quantile: 0 to 1.
    Returns:
        `[P]` which are kept.
    """
    values = np.asarray(ratio, dtype=np.float64)
    aligned = values > 0
    if not aligned.any():
        return aligned
    return np.asarray(aligned & (values > np.quantile(values[aligned], quantile)))


def _matching(*values: float | Array) -> tuple[Array, ...]:
    arrays = tuple(np.asarray(value, dtype=np.float64) for value in values)
    try:
        np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as error:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise ShapeError(f"effects have shapes {shapes}; expected matching ones") from error
    return arrays
