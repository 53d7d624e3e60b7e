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


class Coverage(Result):
    """What was planned and what was measured; an incomplete run never passes. Numbers count pairs."""

    planned: int
    measured: int
    skipped: int
    failed: int
    skipped_reasons: tuple[Reason, ...] = ()
    failed_reasons: tuple[Reason, ...] = ()
    unaligned_words: int = 0
    undefined: tuple[Reason, ...] = ()
    surveys: tuple[Surveyed, ...] = ()
