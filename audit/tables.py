"""Records → the three tables of a run folder, with fixed columns and types."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from audit.pairs import CANDIDATE_1, CANDIDATE_2, Pair, Text
from audit.records import (
    HEAD_MEASURES,
    Array,
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


#: Columns of ``pairs.parquet`` and ``heads.parquet``, in order.
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
_HEAD_TYPES = {
    **dict.fromkeys(("suite", "pair_id", "stream"), "string"),
    **dict.fromkeys(("layer", "head"), "int64"),
    **dict.fromkeys(HEAD_MEASURES, "float64"),
}


class Tables:
    """Collects what the probes measured; knows for each pair what became of it."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = {pair.pair_id: pair for pair in pairs}
        self._status: dict[str, PairRecord] = {}
        self._outputs: list[OutputRecord] = []
        self._heads: dict[tuple[str, str], dict[str, Array]] = defaultdict(dict)
        self._undefined: dict[str, set[str]] = defaultdict(set)
        self._unaligned: dict[tuple[str, str], int] = {}

    @property
    def unaligned_words(self) -> int:
        """Words without a partner in the other text, over all pairs; once, however many streams read them."""
        by_pair: dict[str, int] = defaultdict(int)
        for (pair_id, _), count in self._unaligned.items():
            by_pair[pair_id] = max(by_pair[pair_id], count)
        return sum(by_pair.values())

    def add(self, records: Iterable[Record]) -> None:
        """Keep records of any kind; head measures of several probes are joined."""
        for record in records:
            match record:
                case PairRecord():
                    self._status[record.pair_id] = record
                case OutputRecord():
                    self._outputs.append(record)
                    if record.reason:
                        self._undefined[f"{record.measure}: {record.reason}"].add(record.pair_id)
                case HeadRecord():
                    self._heads[record.pair_id, record.stream].update(record.measures)
                    if record.unaligned_words:
                        self._unaligned[record.pair_id, record.stream] = record.unaligned_words
                    for name, reason in record.reasons.items():
                        self._undefined[f"{name}: {reason}"].add(record.pair_id)
                case DetailRecord():
                    raise TypeError("details are written to the run folder, not into tables")

    def drop(self, pair_id: str) -> None:
        """Forget what was measured of a pair that failed."""
        self._outputs = [record for record in self._outputs if record.pair_id != pair_id]
        self._heads = defaultdict(dict, {key: own for key, own in self._heads.items() if key[0] != pair_id})
        self._unaligned = {key: count for key, count in self._unaligned.items() if key[0] != pair_id}
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
        order = {name: number for number, name in enumerate(self._pairs)}
        rows = [
            {
                "suite": self._pairs[r.pair_id].suite,
                "pair_id": r.pair_id,
                "source_row": _source_row(self._pairs[r.pair_id], r.arm),
                "arm": r.arm,
                "measure": r.measure,
                "value": r.value,
                "text": r.text,
            }
            for r in sorted(self._outputs, key=lambda r: order[r.pair_id])
        ]
        columns = ["suite", "pair_id", "source_row", "arm", "measure", "value", "text"]
        types = dict.fromkeys(("suite", "pair_id", "arm", "measure", "text"), "string")
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({**types, "source_row": "Int64", "value": "float64"})

    def heads(self) -> pd.DataFrame:
        """``heads.parquet``: one row per pair × stream × layer × head, null where undefined."""
        frames = [
            self._head_frame(pair_id, stream, self._heads[pair_id, stream])
            for pair_id in self._pairs
            for stream in ("self", "encoder", "decoder", "cross")
            if self._heads.get((pair_id, stream))
        ]
        if not frames:
            return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _HEAD_TYPES.items()})
        return pd.concat(frames, ignore_index=True)[list(_HEAD_TYPES)]

    def _head_frame(self, pair_id: str, stream: str, measures: dict[str, Array]) -> pd.DataFrame:
        layers, heads = next(iter(measures.values())).shape
        empty = np.full(layers * heads, np.nan)
        frame = pd.DataFrame(
            {
                "layer": np.repeat(np.arange(layers), heads),
                "head": np.tile(np.arange(heads), layers),
                **{name: measures[name].ravel() if name in measures else empty for name in HEAD_MEASURES},
            }
        )
        frame.insert(0, "stream", pd.Series(stream, index=frame.index, dtype="string"))
        frame.insert(0, "pair_id", pd.Series(pair_id, index=frame.index, dtype="string"))
        frame.insert(0, "suite", pd.Series(self._pairs[pair_id].suite, index=frame.index, dtype="string"))
        return frame
