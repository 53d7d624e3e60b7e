"""Which pairs are measured together: a pure function of the suite, the tokenizer and the batch size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from audit.pairs import Pair
from audit.protocols import Model
from audit.records import PairRecord

DEFAULT_BATCH = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches of pairs of one suite and contrast, of similar length; and what became of each pair.

    Args:
        batches: what is measured, in order.
        records: one per pair, ``measured`` until something fails, or ``skipped`` with its reason.
    """

    batches: tuple[tuple[Pair, ...], ...]
    records: tuple[PairRecord, ...]


def plan(pairs: Sequence[Pair], model: Model, batch_size: int | None) -> Plan:
    """Tokenise every pair, leave out what does not fit the context window, and bucket the rest by length.

    Args:
        pairs: in the order of the suite.
        model: the loaded model (only its tokenizer is used).
        batch_size: pairs per batch; None for the default.
    """
    records: list[PairRecord] = []
    buckets: dict[tuple[str, tuple[str, str]], list[tuple[int, int, Pair]]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        a, b = model.encode(pair.a.text), model.encode(pair.b.text)
        longest = max(len(a.ids), len(b.ids))
        reason = None
        if longest > model.max_length:
            reason = f"longer than the context window ({longest} tokens, the model takes {model.max_length})"
        else:
            buckets[pair.suite, pair.contrast].append((longest, number, pair))
        records.append(
            PairRecord(pair.pair_id, "skipped" if reason else "measured", reason, a.tokens, b.tokens)
        )
    size = batch_size or DEFAULT_BATCH
    batches = [
        tuple(pair for _, _, pair in bucket[first : first + size])
        for bucket in map(_by_length, buckets.values())
        for first in range(0, len(bucket), size)
    ]
    return Plan(tuple(batches), tuple(records))


def _by_length(bucket: list[tuple[int, int, Pair]]) -> list[tuple[int, int, Pair]]:
    return sorted(bucket, key=lambda entry: entry[:2])
