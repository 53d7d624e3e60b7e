"""A shard gives back what a batch gave: every bit, every None, in order."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audit.batches import BatchResult
from audit.records import HEAD_MEASURES, DetailRecord, HeadRecord, OutputRecord, PairRecord, Record
from audit.shards import decode, encode

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MAYBE = st.none() | WORDS
NUMBERS = st.floats(width=64)
NAMES = st.sampled_from(HEAD_MEASURES)
TOKENS = st.lists(WORDS, max_size=3).map(tuple)
TABLES = arrays.arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 3)), elements=NUMBERS)
PAIRS = st.builds(
    PairRecord, WORDS, st.sampled_from(["measured", "skipped", "failed"]), MAYBE, TOKENS, TOKENS
)
OUTPUTS = st.builds(OutputRecord, WORDS, WORDS, WORDS, st.none() | NUMBERS, MAYBE, MAYBE)
HEADS = st.builds(
    HeadRecord,
    WORDS,
    st.sampled_from(["self", "encoder", "decoder", "cross"]),
    st.dictionaries(NAMES, TABLES, max_size=3),
    st.dictionaries(NAMES, WORDS, max_size=3),
    st.integers(0, 9),
)
RECORDS = st.lists(PAIRS | OUTPUTS | HEADS, max_size=8).map(tuple)
RESULTS = st.builds(BatchResult, RECORDS, st.dictionaries(WORDS, WORDS, max_size=3))


def bits(value: object) -> object:
    """Floats and tables by their bytes, mappings with their order: NaN is itself, and 0 is not -0."""
    if isinstance(value, float):
        return ("float", np.float64(value).tobytes())
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, np.ascontiguousarray(value).tobytes())
    if isinstance(value, dict):
        return [(name, bits(each)) for name, each in value.items()]
    return value


def exact(result: BatchResult) -> Any:
    records = [(type(record), [bits(value) for value in fields_of(record)]) for record in result.records]
    return records, list(result.failures.items())


def fields_of(record: Record) -> tuple[object, ...]:
    return tuple(getattr(record, name) for name in record.__dataclass_fields__)


@given(RESULTS)
def test_a_result_comes_back_as_it_was(result: BatchResult) -> None:
    assert exact(decode(encode(result))) == exact(result)


@given(RESULTS)
def test_the_same_result_makes_the_same_bytes(result: BatchResult) -> None:
    assert encode(decode(encode(result))) == encode(result)


def test_no_value_is_not_nan() -> None:
    both = BatchResult((OutputRecord("p", "she", "m", None), OutputRecord("p", "she", "m", float("nan"))), {})
    first, second = decode(encode(both)).records
    assert astuple(first) == ("p", "she", "m", None, None, None)
    assert isinstance(second, OutputRecord)
    assert second.value is not None
    assert np.isnan(second.value)


def test_layers_and_heads_keep_their_places() -> None:
    table = np.arange(6.0).reshape(2, 3)
    (found,) = decode(encode(BatchResult((HeadRecord("p", "self", {"bias": table.T}),), {}))).records
    assert isinstance(found, HeadRecord)
    assert np.array_equal(found.measures["bias"], table.T)


def test_narrower_numbers_and_scalars_are_widened() -> None:
    table = np.array([[0.1]], dtype=np.float32)
    records = (HeadRecord("p", "self", {"bias": table}), OutputRecord("p", "she", "m", np.float64(0.5)))  # type: ignore[dict-item]
    head, output = decode(encode(BatchResult(records, {}))).records
    assert isinstance(head, HeadRecord)
    assert isinstance(output, OutputRecord)
    assert head.measures["bias"].dtype == np.float64
    assert type(output.value) is float


def test_details_are_no_part_of_a_shard() -> None:
    empty = np.zeros((1, 1, 0, 0), dtype=np.float32)
    detail = DetailRecord("p", "self", (), (), (), empty, empty, ())
    with pytest.raises(TypeError, match="details are written to the run folder"):
        encode(BatchResult((detail,), {}))


def test_other_bytes_are_told() -> None:
    with pytest.raises(ValueError):
        decode(b"PAR1 and then nothing")
