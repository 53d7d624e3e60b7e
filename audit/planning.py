"""Which pairs are measured together: a pure function of the suite, the tokenizer and the batch size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from audit.pairs import Pair
from audit.protocols import Model
from audit.records import PairRecord

DEFAULT_BATCH = 32

#: Where a pair stands among the others: its kind of order, what it is ordered by, and its number.
_Place = tuple[int, tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches of pairs of one suite and contrast, of similar length; and what became of each pair.

    Args:
        batches: what is measured, in order.
        records: one per pair, ``measured`` until something fails, or ``skipped`` with its reason.
    """

    batches: tuple[tuple[Pair, ...], ...]
    records: tuple[PairRecord, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs that are measured, batch by batch."""
        return tuple(pair for batch in self.batches for pair in batch)


def plan(pairs: Sequence[Pair], model: Model, batch_size: int | None) -> Plan:
    """Tokenise every pair, leave out what does not fit the context window, and bucket the rest.

    Texts that begin alike are read one after the other; pairs with completions stand together by length first,
    so that interventions on them share a batch.

    Args:
        pairs: in the order of the suite.
        model: the loaded model (only its tokenizer is used).
        batch_size: pairs per batch; None for the default.
    """
    records: list[PairRecord] = []
    buckets: dict[tuple[str, tuple[str, str]], list[tuple[_Place, Pair]]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        a, b = model.encode(pair.a.text), model.encode(pair.b.text)
        longest = max(len(a.ids), len(b.ids))
        reason = None
        if longest > model.max_length:
            reason = f"longer than the context window ({longest} tokens, the model takes {model.max_length})"
        else:
            beginning = a.ids if pair.completions is None else (longest, *a.ids)
            place = (int(pair.completions is None), beginning, number)
            buckets[pair.suite, pair.contrast].append((place, pair))
        records.append(
            PairRecord(pair.pair_id, "skipped" if reason else "measured", reason, a.tokens, b.tokens)
        )
    size = batch_size or DEFAULT_BATCH
    batches = [
        tuple(pair for _, pair in bucket[first : first + size])
        for bucket in map(_in_order, buckets.values())
        for first in range(0, len(bucket), size)
    ]
    return Plan(tuple(batches), tuple(records))


def _in_order(bucket: list[tuple[_Place, Pair]]) -> list[tuple[_Place, Pair]]:
    return sorted(bucket, key=lambda entry: entry[0])
