"""The measures of the heads of all shards, on the disk: memory does not grow with the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pandas as pd

from audit.errors import InputError
from audit.head_rows import in_row_groups
from audit.head_spool import HeadSpool
from audit.records import HEAD_MEASURES, Array, HeadRecord, Stream
from audit.shard_folders import ShardFolder


def spool_heads(shards: Sequence[ShardFolder], by_pair: Mapping[str, int], spool: HeadSpool) -> None:
    """Copy the measures of every pair from the shard that it was left to.

    Args:
        shards: all of a run, by their number.
        by_pair: pair id → its shard, from 0.
        spool: keeps the measures.
    Raises:
        InputError: a pair's heads are not all there.
        StoreError: a table cannot be read, or the disk is full.
    """
    for number, shard in enumerate(shards):
        file = shard.check("heads.parquet")
        for group in in_row_groups(file):
            for (name, stream), rows in group.groupby(["pair_id", "stream"], sort=False):
                pair_id = str(name)
                if by_pair.get(pair_id) == number:
                    measures = _measures(rows)
                    if measures is None:
                        raise InputError.single(f"pair {pair_id!r}: some of its heads are missing", file)
                    spool.add(pair_id, HeadRecord(pair_id, cast(Stream, stream), measures))


def _measures(rows: pd.DataFrame) -> dict[str, Array] | None:
    """Tables `[layers, heads]` of one pair and stream, of what is defined anywhere; None if a head is missing."""
    shape = int(rows["layer"].max()) + 1, int(rows["head"].max()) + 1
    places = rows["layer"] * shape[1] + rows["head"]
    if places.tolist() != [*range(shape[0] * shape[1])]:
        return None
    defined = [name for name in HEAD_MEASURES if rows[name].notna().any()]
    # a stream of which nothing is defined has its rows all the same
    return {name: rows[name].to_numpy().reshape(shape) for name in defined or HEAD_MEASURES[:1]}
