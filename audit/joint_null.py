"""How the tests of an audit depend on each other through the templates and items that they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.flagging import HeadTests
from audit.head_fits import HeadBlock, Measured
from audit.multiplicity import JointNull, draw_joint_null

Array = npt.NDArray[np.float64]


def joint_null(rows: Sequence[tuple[HeadBlock, str]], tests: HeadTests, seed: int) -> JointNull:
    """Draw the smallest p of all biases and causal effects that are tested.

    Contrasts of one suite share its templates and items, and so do the two rows of a head and its bias
    and effect. Effects that were not computed count as independent tests: what is flagged does not
    become likelier by leaving some out.

    Args:
        rows: blocks of heads with the suffix of the row, in the order of the tests.
        tests: p of these rows, joined.
        seed: of the draws.
    Returns:
        The null distribution of the smallest p.
    """
    levels: dict[tuple[str, str, str], int] = {}
    columns: list[Array] = []
    freedoms: list[npt.NDArray[np.int64]] = []
    start = 0
    for block, row in rows:
        at = slice(start, start + len(block.layer))
        start = at.stop
        for name, p in (("bias", tests.known_bias[at]), ("nie", tests.known_nie[at])):
            measured = block.measures.get(f"{name}{row}")
            if measured is None:
                continue
            known = ~np.isnan(p)
            freedoms.append(measured.fit.df[known])
            columns.append(_scores(block.suite, measured, known, levels))
    scores = np.zeros((len(levels), sum(part.shape[1] for part in columns)))
    at_column = 0
    for part in columns:
        scores[: len(part), at_column : at_column + part.shape[1]] = part
        at_column += part.shape[1]
    uncomputed = int((~np.isnan(tests.known_bias) & np.isnan(tests.known_nie)).sum())
    df = np.concatenate([np.empty(0, dtype=np.int64), *freedoms])
    return draw_joint_null(scores, df, uncomputed, seed)


def _scores(
    suite: str, measured: Measured, known: npt.NDArray[np.bool_], levels: dict[tuple[str, str, str], int]
) -> Array:
    """Sums of one measure over its levels, in the rows that those levels have among all."""
    sums = measured.sums[:, known]
    rows = [levels.setdefault((suite, *level), len(levels)) for level in measured.levels]
    scores = np.zeros((len(levels), sums.shape[1]))
    scores[rows] = sums
    return scores
