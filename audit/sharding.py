"""The share of a run that one shard measures: a pure function of the plan, the config and the shard."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from audit.config import RunConfig
from audit.errors import InputError
from audit.pairs import Pair
from audit.planning import Plan
from audit.protocols import Probe
from audit.results import Shard


def read_shard(text: str) -> Shard:
    """Read ``i/N``.

    Raises:
        InputError: it is not one of N shards.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip(), re.ASCII)
    shard = Shard(index=int(found[1]), of=int(found[2])) if found else None
    if shard is None or not 1 <= shard.index <= shard.of:
        told = f"not a shard (got {text!r}); expected i/N with i from 1 to N, such as 2/4"
        raise InputError.single(told, path="--shard")
    return shard


def left_to(shard: Shard) -> str:
    """Why another shard skips a pair of this one."""
    return f"left to {shard}"


def share_of(planned: Plan, shard: Shard, probes: Sequence[Probe], config: RunConfig) -> Plan:
    """What a shard measures of a plan; all other pairs are skipped with a reason that names their shard.

    Batches that the same probes want take about as long for each of their tokens: of each such group every shard
    gets one run of neighbours, which share prefixes, and about as many tokens as any other.

    Args:
        planned: for all pairs of the run.
        shard: whose share.
        probes: that measure pairs.
        config: handed to the probes.
    """
    owners = _owners(planned, shard.of, probes, config)
    own = tuple(batch for batch, owner in zip(planned.batches, owners, strict=True) if owner == shard.index)
    others = {
        pair.pair_id: left_to(Shard(index=owner, of=shard.of))
        for batch, owner in zip(planned.batches, owners, strict=True)
        for pair in batch
        if owner != shard.index
    }
    records = tuple(
        replace(record, status="skipped", reason=others[record.pair_id])
        if record.pair_id in others
        else record
        for record in planned.records
    )
    return Plan(own, records)


def _owners(planned: Plan, shards: int, probes: Sequence[Probe], config: RunConfig) -> list[int]:
    """The shard of every batch, from 1."""
    tokens = {record.pair_id: len(record.tokens_a) + len(record.tokens_b) for record in planned.records}
    groups: dict[frozenset[str], list[int]] = defaultdict(list)
    for number, batch in enumerate(planned.batches):
        wanted = {probe.name for probe in probes if any(probe.wants(pair, config) for pair in batch)}
        groups[frozenset(wanted)].append(number)
    owners = [0] * len(planned.batches)
    for numbers in groups.values():
        sizes = [_tokens(planned.batches[number], tokens) for number in numbers]
        for number, owner in zip(numbers, _runs(sizes, shards), strict=True):
            owners[number] = owner
    return owners


def _tokens(batch: tuple[Pair, ...], tokens: Mapping[str, int]) -> int:
    return max(1, sum(tokens[pair.pair_id] for pair in batch))


def _runs(sizes: Sequence[int], count: int) -> list[int]:
    """Cut into runs of about the same size: each part is in the run, from 1, in which its middle lies."""
    total, before, runs = sum(sizes), 0, []
    for size in sizes:
        runs.append(1 + count * (2 * before + size) // (2 * total))
        before += size
    return runs
