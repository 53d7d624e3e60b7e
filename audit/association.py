"""Associations in embeddings: the WEAT effect size, and projections on a direction, from vectors to numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

from audit.errors import MeasurementError, ShapeError

Array = npt.NDArray[np.float64]

#: All partitions are made when they are at most so many; else so many are drawn.
MOST_PARTITIONS = 200_000
DRAWS = 100_000
_CHUNK = 8192
# Sums in another order may differ by rounding: a tie counts as at least as large.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Weat:
    """A word embedding association test.

    Args:
        effect_size: d, -2 to 2; NaN where all words are associated alike.
        p: two-sided: the share of partitions of X ∪ Y whose means differ at least as much.
        p_one_sided: the share whose difference is at least as large in the direction X with A.
        partitions: how many were made.
        exact: whether these are all.
    """

    effect_size: float
    p: float
    p_one_sided: float
    partitions: int
    exact: bool


def cosines(vectors: Array, others: Array) -> Array:
    """Cosine similarities.

    Args:
        vectors: `[V, D]`.
        others: `[O, D]`.
    Returns:
        `[V, O]`, -1 to 1.
    Raises:
        ShapeError: the vectors differ in length.
        MeasurementError: a vector is 0 or not finite, so it has no direction.
    """
    if vectors.ndim != 2 or others.ndim != 2 or vectors.shape[1] != others.shape[1]:
        raise ShapeError(f"vectors {list(vectors.shape)} and {list(others.shape)}; expected [words, width]")
    return np.asarray(_unit(vectors) @ _unit(others).T)


def association(words: Array, first: Array, second: Array) -> Array:
    """How much nearer words are to A than to B, `s(w,A,B) = mean_a cos(w,a) - mean_b cos(w,b)`.

    Caliskan, Bryson & Narayanan 2017, supplement, "WEAT".

    Args:
        words: `[W, D]` vectors.
        first, second: `[A, D]` and `[B, D]` vectors of the attribute words.
    Returns:
        `[W]`, -2 to 2.
    Raises:
        ShapeError, MeasurementError: as for :func:`cosines`.
    """
    return np.asarray(cosines(words, first).mean(axis=1) - cosines(words, second).mean(axis=1))


def weat(x: Array, y: Array, seed: int, most: int = MOST_PARTITIONS, draws: int = DRAWS) -> Weat:
    """Test whether two sets of target words differ in their association.

    `d = (mean_x s(x,A,B) - mean_y s(y,A,B)) / sd_{w in X ∪ Y} s(w,A,B)` and the permutation test over
    partitions of X ∪ Y into sets of the same sizes (Caliskan et al. 2017). The standard deviation has
    n - 1 in its denominator, as in the published code of SEAT (May et al. 2019); so |d| stays below 2 for
    sets of equal size. The observed partition counts, and so do ties: p is never 0. Drawn partitions give
    `p = (1 + count) / (1 + draws)` (Phipson & Smyth 2010).

    >>> found = weat(np.array([1.0, 1.0, 1.0]), np.array([-1.0, -1.0, -1.0]), seed=0)
    >>> round(found.effect_size, 4), found.p, found.p_one_sided, found.partitions
    (1.8257, 0.1, 0.05, 20)

    Args:
        x, y: `[X]` and `[Y]` associations of the target words, at least two each.
        seed: of `numpy.random.Generator`.
        most: partitions up to which all are made.
        draws: random partitions, where there are more.
    Raises:
        ShapeError: fewer than two words in a set.
    """
    if x.ndim != 1 or y.ndim != 1 or min(len(x), len(y)) < 2:
        raise ShapeError(
            f"associations {list(x.shape)} and {list(y.shape)}; expected two sets of two or more"
        )
    values = np.concatenate([x, y])
    spread, rounding = float(values.std(ddof=1)), _ROUNDING * float(np.abs(values).max(initial=0.0))
    if spread <= rounding:
        return Weat(math.nan, math.nan, math.nan, 0, exact=False)
    observed = float(x.mean() - y.mean())
    total = math.comb(len(values), len(x))
    exact = total <= most
    count = one_sided = 0
    for chosen in _all(len(values), len(x)) if exact else _drawn(len(values), len(x), draws, seed):
        sums = values[chosen].sum(axis=1)
        differences = sums / len(x) - (values.sum() - sums) / len(y)
        one_sided += int((differences >= observed - rounding).sum())
        count += int((np.abs(differences) >= abs(observed) - rounding).sum())
    made, more = (total, 0) if exact else (draws, 1)
    return Weat(
        observed / spread, (count + more) / (made + more), (one_sided + more) / (made + more), made, exact
    )


def direction(pairs: Array) -> Array:
    """The direction of pairs such as (she, he), `g = Σ_i (a_i/|a_i| - b_i/|b_i|)`, scaled to length 1.

    Bolukbasi et al. 2016, section 5, take the first principal component of such differences; their mean is
    the same for one pair, keeps its sign, and needs no choice of one.

    Args:
        pairs: `[P, 2, D]` vectors.
    Returns:
        `[D]`.
    Raises:
        MeasurementError: a vector has no direction, or the differences cancel out.
    """
    mean = (_unit(pairs[:, 0]) - _unit(pairs[:, 1])).mean(axis=0)
    if float(np.linalg.norm(mean)) <= _ROUNDING:
        raise MeasurementError("the pairs of the direction cancel out")
    return np.asarray(_unit(mean[None])[0])


def project(words: Array, pairs: Array) -> Array:
    """Cosine of words with the direction of pairs: positive is nearer to the first of each pair.

    Args:
        words: `[W, D]` vectors.
        pairs: `[P, 2, D]` vectors.
    Returns:
        `[W]`, -1 to 1.
    """
    return cosines(words, direction(pairs)[None])[:, 0]


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 0).all()):
        raise MeasurementError("a word's vector is 0 or not finite, so it has no direction")
    return np.asarray(vectors / length)


def _all(size: int, chosen: int) -> Iterator[npt.NDArray[np.intp]]:
    """All ways to choose, in chunks."""
    count = math.comb(size, chosen)
    flat = np.fromiter(chain.from_iterable(combinations(range(size), chosen)), np.intp, count * chosen)
    rows = flat.reshape(count, chosen)
    yield from (rows[start : start + _CHUNK] for start in range(0, count, _CHUNK))


def _drawn(size: int, chosen: int, draws: int, seed: int) -> Iterator[npt.NDArray[np.intp]]:
    """Random ways to choose, in chunks."""
    generator = np.random.default_rng(seed)
    for start in range(0, draws, _CHUNK):
        rows = np.tile(np.arange(size), (min(_CHUNK, draws - start), 1))
        yield generator.permuted(rows, axis=1)[:, :chosen]
