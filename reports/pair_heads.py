"""One pass over ``heads.parquet``: the strongest heads of every pair, and the strongest pairs of every head."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.anchors import stream_part
from reports.folder import FinishedRun

#: Heads that the page keeps for a pair, and pairs that it keeps for a head.
HEADS_OF_A_PAIR: Final = 3
PAIRS_OF_A_HEAD: Final = 5

Array = npt.NDArray[np.float64]


class HeadInPair(NamedTuple):
    """What one head does in one pair, read from the swapped word; ``nie`` is None where it was not computed."""

    name: str
    bias: float
    nie: float | None


class PairOfHead(NamedTuple):
    """A pair in which a head shows a large signed bias."""

    pair_id: str
    bias: float


#: Suite, contrast, stream, layer and head.
Place = tuple[str, tuple[str, str], str, int, int]


class PairHeads(NamedTuple):
    """What stands in ``heads.parquet``, as far as the page shows it.

    Args:
        of_pair: suite and pair id → its strongest heads.
        of_head: head → its strongest pairs under test.
    """

    of_pair: dict[tuple[str, str], tuple[HeadInPair, ...]]
    of_head: dict[Place, tuple[PairOfHead, ...]]


def pair_heads(run: FinishedRun) -> PairHeads:
    """Rank the heads of every pair and the pairs of every head by |signed bias|.

    Memory holds two measures of one suite and stream at a time.

    Args:
        run: the run folder.
    Returns:
        Nothing where the folder has no such table, or no bias in it.
    Raises:
        StoreError: the table cannot be read.
    """
    of_pair: dict[tuple[str, str], tuple[HeadInPair, ...]] = {}
    of_head: dict[Place, tuple[PairOfHead, ...]] = {}
    table = run.head_table()
    if table is None:
        return PairHeads({}, {})
    tested = run.pairs[run.pairs["kind"] == "treatment"]
    arms = {
        (suite, name): (str(a), str(b))
        for suite, name, a, b in zip(
            *(tested[column] for column in ("suite", "pair_id", "arm_a", "arm_b")), strict=True
        )
    }
    sections = sorted(table.sections, key=lambda section: bool(stream_part(section.stream)))
    for section in sections:
        bias, nie = table.values(section, "bias"), table.values(section, "nie")
        part = stream_part(section.stream)
        places = list(zip(section.layer.tolist(), section.head.tolist(), strict=True))
        for name, row, effects in zip(section.pair_ids, bias, nie, strict=True):
            found = _strongest(row, HEADS_OF_A_PAIR)
            # Of several streams, the one that writes speaks for the pair.
            if found and (section.suite, name) not in of_pair:
                of_pair[section.suite, name] = tuple(
                    HeadInPair(f"{part}{layer}-{head}", float(row[at]), _known(effects[at]))
                    for at in found
                    for layer, head in [places[at]]
                )
        contrasts = [arms.get((section.suite, name)) for name in section.pair_ids]
        for contrast in dict.fromkeys(filter(None, contrasts)):
            rows = np.array([own == contrast for own in contrasts])
            names = [name for name, own in zip(section.pair_ids, rows, strict=True) if own]
            for place, column in zip(places, bias[rows].T, strict=True):
                pairs = tuple(
                    PairOfHead(names[at], float(column[at])) for at in _strongest(column, PAIRS_OF_A_HEAD)
                )
                of_head[section.suite, contrast, section.stream, *place] = pairs
    return PairHeads(of_pair, of_head)


def _strongest(values: Array, count: int) -> list[int]:
    """Places of the largest absolute values, largest first; undefined ones and zeros are left out."""
    sizes = np.nan_to_num(np.abs(values), nan=0.0)
    count = min(count, len(sizes))
    if not count:
        return []
    top = np.argpartition(-sizes, count - 1)[:count]
    ordered = top[np.lexsort((top, -sizes[top]))]
    return [int(at) for at in ordered if sizes[at] > 0]


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
