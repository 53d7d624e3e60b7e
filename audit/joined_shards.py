"""The tables of shards → those of the whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError
from audit.results import Reason
from audit.shard_folders import ShardFolder
from audit.sharding import left_to

Frames = dict[str, pd.DataFrame]
#: Columns of ``pairs.parquet`` that need not be alike: where the suite lies, and what became of the pair.
_OWN = ("file", "status", "reason")


def joined_tables(shards: Sequence[ShardFolder], tables: Sequence[Frames]) -> tuple[Frames, dict[str, int]]:
    """Take every pair, and what was measured of it, from the shard that it was left to.

    Args:
        shards: all of a run, by their number.
        tables: of each shard, all but the heads'.
    Returns:
        The same tables, rows in the order of the suites; surveys of the model are those of the first shard. And for
        each pair its shard, from 0.
    Raises:
        InputError: the shards do not have the same pairs, or not exactly one shard measured a pair.
    """
    first = tables[0]["pairs"]
    for shard, own in zip(shards[1:], tables[1:], strict=True):
        if _plain(own["pairs"]) != _plain(first):
            told = f"not the pairs of {shards[0].shard}, {shards[0].path}; expected shards of one run"
            raise InputError.single(told, shard.path / "pairs.parquet")
    owner = _owners(shards, [own["pairs"] for own in tables])
    rows = [own["pairs"][owner == number] for number, own in enumerate(tables)]
    pairs = pd.concat(rows).sort_index()
    order = {name: number for number, name in enumerate(pairs["pair_id"])}
    by_pair = dict(zip(order, owner.tolist(), strict=True))
    parts = [
        own["outputs"][own["outputs"]["pair_id"].map(by_pair).to_numpy() == number]
        for number, own in enumerate(tables)
    ]
    outputs = pd.concat(parts, ignore_index=True)
    place = outputs["pair_id"].map(order).to_numpy(dtype=np.int64)
    outputs = outputs.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
    return {**tables[0], "pairs": pairs, "outputs": outputs}, by_pair


def joined_coverage(
    shards: Sequence[ShardFolder], by_pair: Mapping[str, int]
) -> tuple[tuple[Reason, ...], int, list[str]]:
    """Why measures are undefined, words without a partner, and the pairs that a limit left out."""
    covered = [shard.run.audit.coverage for shard in shards]
    undefined: dict[str, set[str]] = {}
    for coverage in covered:
        for reason in coverage.undefined:
            undefined.setdefault(reason.reason, set()).update(reason.pair_ids)
    reasons = tuple(reason_of(told, undefined[told]) for told in sorted(undefined))
    left_out = [name for reason in covered[0].skipped_reasons for name in reason.pair_ids]
    words = sum(coverage.unaligned_words for coverage in covered)
    return reasons, words, [name for name in left_out if name not in by_pair]


def reason_of(told: str, names: set[str]) -> Reason:
    """A reason and the pairs that it concerns."""
    return Reason(reason=told, count=len(names), pair_ids=tuple(sorted(names)))


def _plain(pairs: pd.DataFrame) -> str:
    """What the suites and the tokenizer say of the pairs."""
    return pairs.drop(columns=list(_OWN)).to_json(orient="split", index=False)


def _owners(shards: Sequence[ShardFolder], tables: Sequence[pd.DataFrame]) -> npt.NDArray[np.int64]:
    """For each pair the shard that tells what became of it: the one that did not leave it to another.

    Of a pair that nobody measures, such as one that is too long, all shards tell the same.
    """
    others = {left_to(shard.shard) for shard in shards}
    told = np.array([~pairs["reason"].isin(list(others)).to_numpy(dtype=bool) for pairs in tables])
    measured = np.array([(pairs["status"] == "measured").to_numpy(dtype=bool) for pairs in tables])
    for wrong, fault in (
        (~told.any(axis=0), "no shard tells what became of it"),
        (measured.sum(axis=0) > 1, "more than one shard measured it"),
    ):
        if wrong.any():
            name = tables[0]["pair_id"].iloc[int(np.argmax(wrong))]
            raise InputError.single(f"pair {name!r}: {fault}; expected shards of one run", shards[0].path)
    owners: npt.NDArray[np.int64] = np.argmax(told, axis=0)
    return owners
