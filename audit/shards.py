"""What a batch gave, as one Parquet file and back: lossless, NaN and order included."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audit.batches import BatchResult
from audit.records import HeadRecord, OutputRecord, PairRecord, Record

#: Grows when the columns or what they mean change; a part of every batch's key.
FORMAT = 1

_COLUMNS = {
    "row": pa.string(),
    "pair_id": pa.string(),
    "where": pa.string(),
    "name": pa.string(),
    "value": pa.float64(),
    "text": pa.string(),
    "reason": pa.string(),
    "count": pa.int64(),
    "layers": pa.int64(),
    "heads": pa.int64(),
    "values": pa.list_(pa.float64()),
    "tokens_a": pa.list_(pa.string()),
    "tokens_b": pa.list_(pa.string()),
}
#: Columns in which the same texts come again and again.
_NAMES = ("row", "pair_id", "where", "name", "reason")
_SCHEMA = pa.schema(list(_COLUMNS.items()))


def encode(result: BatchResult) -> bytes:
    """Write a result as the bytes of a Parquet file.

    One row per output, per pair and per failure; a head record has a row of its own, followed by one for each of
    its measures (``values`` is ``[layers * heads]``, layer by layer) and one for each reason.

    Raises:
        TypeError: a probe yielded what belongs into the run folder, not into tables.
    """
    rows = [row for record in result.records for row in _rows(record)]
    rows += [{"row": "failure", "pair_id": name, "reason": why} for name, why in result.failures.items()]
    table = pa.table(
        {name: pa.array([row.get(name) for row in rows], kind) for name, kind in _COLUMNS.items()}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=[*_NAMES])
    return bytes(sink.getvalue())


def decode(content: bytes) -> BatchResult:
    """Read a result back.

    Raises:
        ValueError: these are not the bytes of a shard.
    """
    table = pq.read_table(pa.BufferReader(content))
    if table.schema != _SCHEMA:
        raise ValueError("its columns are not those of a shard")
    columns = {name: table[name].to_pylist() for name in _COLUMNS if name != "values"}
    for name in _NAMES:  # a run keeps many of them, few of them different
        columns[name] = [text if text is None else sys.intern(text) for text in columns[name]]
    columns["values"] = [row.values.to_numpy() if row.is_valid else None for row in table["values"]]
    return _result(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _rows(record: Record) -> Iterator[Mapping[str, Any]]:
    match record:
        case PairRecord(pair_id, status, reason, tokens_a, tokens_b):
            tokens = {"tokens_a": list(tokens_a), "tokens_b": list(tokens_b)}
            yield {"row": "pair", "pair_id": pair_id, "name": status, "reason": reason, **tokens}
        case OutputRecord(pair_id, arm, measure, value, text, reason):
            told = {"where": arm, "name": measure, "value": value, "text": text, "reason": reason}
            yield {"row": "output", "pair_id": pair_id, **told}
        case HeadRecord(pair_id, stream, measures, reasons, unaligned):
            yield {"row": "head", "pair_id": pair_id, "where": stream, "count": unaligned}
            for name, values in measures.items():
                layers, heads = values.shape
                flat = np.asarray(values, dtype=np.float64).ravel()
                yield {"row": "measure", "name": name, "layers": layers, "heads": heads, "values": flat}
            for name, reason in reasons.items():
                yield {"row": "reason", "name": name, "reason": reason}
        case _:
            raise TypeError("details are written to the run folder, not into tables")


def _result(rows: Iterator[Mapping[str, Any]]) -> BatchResult:
    records: list[Record] = []
    failures: dict[str, str] = {}
    measures: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for row in rows:
        match row["row"]:
            case "pair":
                tokens = tuple(row["tokens_a"]), tuple(row["tokens_b"])
                records.append(PairRecord(row["pair_id"], row["name"], row["reason"], *tokens))
            case "output":
                told = (row[name] for name in ("pair_id", "where", "name", "value", "text", "reason"))
                records.append(OutputRecord(*told))
            case "head":
                measures, reasons = {}, {}
                records.append(HeadRecord(row["pair_id"], row["where"], measures, reasons, row["count"]))
            case "measure":
                measures[row["name"]] = row["values"].reshape(row["layers"], row["heads"])
            case "reason":
                reasons[row["name"]] = row["reason"]
            case "failure":
                failures[row["pair_id"]] = row["reason"]
    return BatchResult(tuple(records), failures)
