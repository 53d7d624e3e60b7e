"""What was planned and what was measured: pairs, and surveys of the model."""

from __future__ import annotations

from .base import Result


class Reason(Result):
    """A count of pairs and why they were left out."""

    reason: str
    count: int
    pair_ids: tuple[str, ...]


class Surveyed(Result):
    """What a probe that surveys the model, not its pairs, was to measure, and did.

    Args:
        probe: its name.
        planned, measured: how many surveys.
        asked: whether suites ask for them.
        failed: whether the rest failed, rather than was left out.
        reason: why the rest is missing.
    """

    probe: str
    planned: int
    measured: int
    asked: bool = False
    failed: bool = False
    reason: str | None = None


class Shard(Result):
    """One of several runs that measure the pairs of one together, each its own share.

    Args:
        index: from 1.
        of: how many there are.
    """

    index: int
    of: int

    def __str__(self) -> str:
        return f"shard {self.index} of {self.of}"


class Coverage(Result):
    """What was planned and what was measured; an incomplete run never passes. Numbers count pairs.

    ``shard`` tells that the pairs of the other shards were left to them; None for whole runs.
    """

    planned: int
    measured: int
    skipped: int
    failed: int
    skipped_reasons: tuple[Reason, ...] = ()
    failed_reasons: tuple[Reason, ...] = ()
    unaligned_words: int = 0
    undefined: tuple[Reason, ...] = ()
    surveys: tuple[Surveyed, ...] = ()
    shard: Shard | None = None
