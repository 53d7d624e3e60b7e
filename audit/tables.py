"""Records → the three tables of a run folder, with fixed columns and types."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from audit.head_frames import head_frames
from audit.head_spool import HeadSpool, SpooledHeads
from audit.head_table import HeadTable
from audit.pairs import CANDIDATE_1, CANDIDATE_2, Pair, Text
from audit.records import (
    DetailRecord,
    HeadRecord,
    OutputRecord,
    PairRecord,
    Record,
)
from audit.results import Reason


def _mention(text: Text, name: str) -> str | None:
    span = text.mentions.get(name)
    return None if span is None else text.text[slice(*span)]


def _source_row(pair: Pair, arm: str) -> int | None:
    """The row of an arm's own text, or of the pair."""
    own = {text.arm: text.source_row for text in (pair.a, pair.b)}.get(arm)
    return pair.source_row if own is None else own


def _pair_row(pair: Pair, record: PairRecord) -> dict[str, object]:
    first, second = pair.completions or (None, None)
    return {
        "suite": pair.suite,
        "pair_id": pair.pair_id,
        "source_row": pair.source_row,
        "axis": pair.axis,
        "kind": pair.kind,
        "control": pair.control,
        "cluster": pair.cluster,
        "item": pair.item,
        "order": pair.order,
        "directed": pair.directed,
        "arm_a": pair.a.arm,
        "arm_b": pair.b.arm,
        "group_a": pair.a.group,
        "group_b": pair.b.group,
        "text_a": pair.a.text,
        "text_b": pair.b.text,
        "tokens_a": list(record.tokens_a),
        "tokens_b": list(record.tokens_b),
        "completion_1": first,
        "completion_2": second,
        "candidate_1": _mention(pair.a, CANDIDATE_1),
        "candidate_2": _mention(pair.a, CANDIDATE_2),
        "gold": pair.gold,
        "attributes": json.dumps(dict(pair.attributes), ensure_ascii=False) if pair.attributes else None,
        "task": pair.task,
        "file": pair.file,
        "line": pair.line,
        "status": record.status,
        "reason": record.reason,
    }


#: Columns of ``pairs.parquet``, in order.
_PAIR_TYPES = {
    **dict.fromkeys(("suite", "pair_id"), "string"),
    "source_row": "Int64",
    **dict.fromkeys(("axis", "kind", "control", "cluster", "item"), "string"),
    "order": "int64",
    "directed": "bool",
    **dict.fromkeys(("arm_a", "arm_b", "group_a", "group_b", "text_a", "text_b"), "string"),
    **dict.fromkeys(("tokens_a", "tokens_b"), "object"),
    **dict.fromkeys(("completion_1", "completion_2", "candidate_1", "candidate_2"), "string"),
    **dict.fromkeys(("gold", "attributes", "task", "file"), "string"),
    "line": "int64",
    **dict.fromkeys(("status", "reason"), "string"),
}


class Tables:
    """Collects what the probes measured; knows for each pair what became of it.

    Args:
        pairs: of the run, in the order of the suites.
        spool: keeps the measures of the heads; None for one among the system's temporary files.
    """

    def __init__(self, pairs: Sequence[Pair], spool: HeadSpool | None = None) -> None:
        self._pairs = {pair.pair_id: pair for pair in pairs}
        self._status: dict[str, PairRecord] = {}
        self._outputs: dict[str, list[OutputRecord]] = defaultdict(list)
        self._heads = spool or HeadSpool()
        self._undefined: dict[str, set[str]] = defaultdict(set)
        self._unaligned: dict[str, int] = {}

    @property
    def unaligned_words(self) -> int:
        """Words without a partner in the other text, over all pairs; once, however many streams read them."""
        return sum(self._unaligned.values())

    def add(self, records: Iterable[Record]) -> None:
        """Keep records of any kind; head measures of several probes are joined."""
        for record in records:
            match record:
                case PairRecord():
                    self._status[record.pair_id] = record
                case OutputRecord():
                    self._outputs[record.pair_id].append(record)
                    if record.reason:
                        self._is_undefined(f"{record.measure}: {record.reason}", record.pair_id)
                case HeadRecord():
                    self._add_heads(record)
                case DetailRecord():
                    raise TypeError("details are written to the run folder, not into tables")

    def _add_heads(self, record: HeadRecord) -> None:
        pair_id = record.pair_id
        self._heads.add(pair_id, record)
        self._unaligned[pair_id] = max(self._unaligned.get(pair_id, 0), record.unaligned_words)
        for name, reason in record.reasons.items():
            self._is_undefined(f"{name}: {reason}", pair_id)

    def _is_undefined(self, why: str, pair_id: str) -> None:
        self._undefined[why].add(pair_id)

    def drop(self, pair_id: str) -> None:
        """Forget what was measured of a pair that failed."""
        self._outputs.pop(pair_id, None)
        self._heads.drop(pair_id)
        self._unaligned.pop(pair_id, None)
        for ids in self._undefined.values():
            ids.discard(pair_id)

    def reasons(self) -> tuple[Reason, ...]:
        """Why measures are undefined, with the pairs concerned."""
        return tuple(
            Reason(reason=reason, count=len(ids), pair_ids=tuple(sorted(ids)))
            for reason, ids in sorted(self._undefined.items())
            if ids
        )

    def pairs(self) -> pd.DataFrame:
        """``pairs.parquet``: one row per planned pair, in the order of the suite."""
        missing = PairRecord("", "failed", "not measured: the run ended early")
        rows = [_pair_row(pair, self._status.get(name, missing)) for name, pair in self._pairs.items()]
        return pd.DataFrame(rows, columns=list(_PAIR_TYPES)).astype(_PAIR_TYPES)

    def outputs(self) -> pd.DataFrame:
        """``outputs.parquet``: one row per pair × arm × measure."""
        rows = [
            {
                "suite": pair.suite,
                "pair_id": pair_id,
                "source_row": _source_row(pair, record.arm),
                "arm": record.arm,
                "measure": record.measure,
                "value": record.value,
                "text": record.text,
            }
            for pair_id, pair in self._pairs.items()
            for record in self._outputs.get(pair_id, ())
        ]
        columns = ["suite", "pair_id", "source_row", "arm", "measure", "value", "text"]
        types = dict.fromkeys(("suite", "pair_id", "arm", "measure", "text"), "string")
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({**types, "source_row": "Int64", "value": "float64"})

    def heads(self) -> pd.DataFrame:
        """``heads.parquet`` as a whole: one row per pair × stream × layer × head, null where undefined."""
        return pd.concat([*self.head_frames()], ignore_index=True)

    def head_table(self) -> HeadTable:
        """``heads.parquet``, read by measures."""
        return SpooledHeads(self._heads, self._suites)

    def head_frames(self) -> Iterator[pd.DataFrame]:
        """``heads.parquet`` in portions, in the order of the suite; one without rows where there are none."""
        return head_frames(self._heads, self._suites)

    @property
    def _suites(self) -> dict[str, str]:
        return {name: pair.suite for name, pair in self._pairs.items()}
