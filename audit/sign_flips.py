"""Paired sign-flips, for units that share neither template nor item: exact p, at the cost of a fast transform."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from audit.statistics import Fit, checked

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

#: With fewer random flips a p of .05 would be off by more than .005 at times.
_FEWEST_FLIPS = 10_000
_EPSILON = float(np.finfo(np.float64).eps)
#: Numbers that are looked at together: what they need stays in a processor's cache.
_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class Flips:
    """How many random sign-flips are made, and from which seed.

    Args:
        seed: of `numpy.random.Generator`.
        draws: flips, rounded up to whole groups; all of them are made where they are not more.
    """

    seed: int
    draws: int = _FEWEST_FLIPS

    @classmethod
    def enough(cls, seed: int, m: int, q: float) -> Flips:
        """At least `10·m/q`, so that p can pass a correction over m tests."""
        return cls(seed, max(math.ceil(10 * m / q), _FEWEST_FLIPS))

    def are_all(self, units: int) -> bool:
        """Whether every flip of so many units is made, without chance."""
        return units < 63 and 2**units <= self.draws

    def made(self, units: int) -> int:
        """How many flips of so many units p counts, the unflipped signs among them."""
        group = _group_size(units)
        return 2**units if self.are_all(units) else math.ceil(self.draws / group) * group


def flipped(fit: Fit, values: Array, flips: Flips) -> Fit:
    """The same means and intervals with p by sign-flips, for units that share neither template nor item.

    Without two values that differ there is no p, as in the fit. The interval stays that of t.

    Args:
        fit: of the values.
        values: `[U, M]`.
        flips: how many, and their seed.
    """
    units = len(values)
    p = np.where(np.isnan(fit.p), np.nan, sign_flip(values, flips))
    how = "all" if flips.are_all(units) else f"{flips.made(units)} drawn"
    method = f"paired sign-flips of {units} units ({how}); interval: {fit.method}"
    return replace(fit, p=p, method=method, seed=None if flips.are_all(units) else flips.seed)


def sign_flip(values: Array, flips: Flips) -> Array:
    """Paired sign-flip test of means of 0 (Fisher 1935), for units of which no item recurs.

    The statistic is `|Σ_u ±y_u|`, and p the share of the flips with a statistic at least as large, the
    unflipped signs among them: never 0. All `2^U` flips are made when they are at most `draws`; else as
    many random ones, the same for all measures.

    Random flips come in groups of N > U, a power of 2. A group is the signs `s_u (-1)^|k & c_u|`, k = 0 … N - 1: a
    random flip s, which the first group does without, and one column c_u of a Hadamard matrix for each unit,
    placed at random and never the constant one (balanced half samples, McCarthy 1969). Within a group the signs
    of any two units are balanced, and all N sums of a measure are one Walsh–Hadamard transform.

    p is exact, `P(p ≤ α) ≤ α` for every α, U and number of groups. Where signs carry no effect, data y are as
    likely as g·y, g a random flip. Then the flipped data of the first group are the coset of g by its columns,
    those of any other the coset of s·g: independent, alike, and y is a random member of its own. So y is a
    random one of all the data that are looked at (Hoeffding 1952 for one group, Hemerik & Goeman 2018 for
    random ones).

    >>> sign_flip(np.array([[1.0], [2.0], [3.0]]), Flips(seed=0)).tolist()
    [0.25]

    Args:
        values: `[U, M]` units × measures; NaN entries are left out.
        flips: how many, and their seed.
    Returns:
        `[M]` two-sided p; NaN where a column holds no unit.
    Raises:
        ShapeError: values are not `[U, M]`.
    """
    values = checked(values)
    filled = np.nan_to_num(values)
    count = _count_all(filled) if flips.are_all(len(values)) else _count_groups(filled, flips)
    return np.where(np.isnan(values).all(axis=0), np.nan, count / flips.made(len(values)))


def _count_all(filled: Array) -> Array:
    """`[M]` flips with a statistic at least as large, of all."""
    units = len(filled)
    bound = np.abs(filled.sum(axis=0)) - _rounding(filled, units)
    count = np.zeros(filled.shape[1])
    for start in range(0, 2**units, 4096):
        number = np.arange(start, min(start + 4096, 2**units))
        signs = 1.0 - 2.0 * (number[:, None] >> np.arange(units) & 1)
        count += (np.abs(signs @ filled) >= bound).sum(axis=0)
    return count


def _count_groups(filled: Array, flips: Flips) -> Array:
    """`[M]` flips with a statistic at least as large, of random groups."""
    units, measures = filled.shape
    size = _group_size(units)
    left, right = _hadamard(size.bit_length() // 2), _hadamard((size.bit_length() - 1) // 2)
    rounding = _rounding(filled, len(left) + len(right))
    bound, count = np.zeros(measures), np.zeros(measures)
    width = max(_AT_ONCE // size, 1)
    for number, (signs, places) in enumerate(_groups(units, flips)):
        for start in range(0, measures, width):
            at = slice(start, start + width)
            spread = np.zeros((size, len(bound[at])))
            spread[places] = signs[:, None] * filled[:, at]
            sums = np.abs(_transform(left, right, spread))
            if number == 0:
                bound[at] = sums[0] - rounding[at]  # unflipped, and added up in the same way as all others
            count[at] += np.count_nonzero(sums >= bound[at], axis=0)
    return count


def _groups(units: int, flips: Flips) -> Iterator[tuple[Array, Indices]]:
    """Signs and columns of the units, one group after the other."""
    generator, size = np.random.default_rng(flips.seed), _group_size(units)
    for number in range(flips.made(units) // size):
        places = 1 + generator.permutation(size - 1)[:units]
        signs = np.where(generator.integers(0, 2, units), -1.0, 1.0)
        yield (np.ones(units) if number == 0 else signs), places


def _group_size(units: int) -> int:
    """Smallest power of 2 above the number of units."""
    return int(1 << units.bit_length())


def _hadamard(order: int) -> Array:
    """Sylvester's matrix of 2^order rows."""
    matrix = np.ones((1, 1))
    for _ in range(order):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _transform(left: Array, right: Array, values: Array) -> Array:
    """Multiply by the Kronecker product of two Hadamard matrices, `[A, A]` and `[B, B]`: `[A·B, M]`."""
    first = (left @ values.reshape(len(left), -1)).reshape(len(left), len(right), -1)
    return np.asarray((right @ first).reshape(values.shape))


def _rounding(filled: Array, terms: int) -> Array:
    """`[M]` by which two sums of the same numbers can differ, added up in any order of so many steps.

    Each is off by at most `(terms - 1) ε/2 · Σ|y|` (Higham 2002, section 4.2). A tie counts as at least as large.
    """
    return np.asarray(terms * _EPSILON * np.abs(filled).sum(axis=0))
