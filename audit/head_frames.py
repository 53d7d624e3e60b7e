"""Head measures that are kept on the disk → rows of ``heads.parquet``, in portions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from audit.head_spool import HeadSpool
from audit.records import HEAD_MEASURES

#: Rows of ``heads.parquet`` that are made and written together.
ROWS_AT_ONCE = 2**16


def head_frames(spool: HeadSpool, suites: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    """Read ``heads.parquet`` in portions of whole pairs; one without rows where there are none.

    Args:
        spool: the measures.
        suites: pair id → its suite, in the order of the table.
    """
    portion: list[tuple[str, str]] = []
    rows = 0
    for pair_id in suites:
        for stream in spool.streams(pair_id):
            portion.append((pair_id, stream))
            rows += math.prod(spool.shape(stream))
        if rows >= ROWS_AT_ONCE:
            yield _frame(spool, suites, portion)
            portion, rows = [], 0
    if portion or not any(map(spool.streams, suites)):
        yield _frame(spool, suites, portion)


def _frame(spool: HeadSpool, suites: Mapping[str, str], portion: Sequence[tuple[str, str]]) -> pd.DataFrame:
    shapes = [spool.shape(stream) for _, stream in portion]
    sizes = np.array([math.prod(shape) for shape in shapes], dtype=np.intp)
    ends = np.cumsum(sizes)
    texts = zip(*((suites[pair_id], pair_id, stream) for pair_id, stream in portion), strict=True)
    columns: dict[str, object] = {
        name: pd.Series(np.repeat(np.array(each, dtype=object), sizes), dtype="string")
        for name, each in zip(("suite", "pair_id", "stream"), [*texts] or [()] * 3, strict=True)
    }
    places = [np.indices(shape).reshape(2, -1) for shape in shapes]
    columns["layer"], columns["head"] = np.concatenate([np.empty((2, 0), dtype=np.int64), *places], axis=1)
    for name in HEAD_MEASURES:
        values = np.empty(sizes.sum())
        for (pair_id, stream), end, size in zip(portion, ends, sizes, strict=True):
            spool.read(pair_id, stream, name, values[end - size : end])
        columns[name] = values
    return pd.DataFrame(columns)
