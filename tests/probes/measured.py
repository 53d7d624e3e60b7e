"""What evenhand measures of a case, laid out for tests."""

from __future__ import annotations

from typing import Any

from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, Record
from probes.causal import CausalProbe
from probes.job import Job
from probes.preparation import prepare
from tests.probes.family import MASKED
from tests.probes.patching import Case, row_of


def job_of(case: Case, one: Pair) -> Job:
    ((work,), reasons) = prepare(case.model, [one])
    assert reasons == {}
    return work.jobs[0]


def records(case: Case, *pairs: Pair, heads: HeadChoice | None = None) -> list[Record]:
    return list(CausalProbe().measure(case.model, pairs, RunConfig(), heads or HeadChoice()))


def tables(case: Case, *pairs: Pair) -> dict[tuple[str, str], Any]:
    """``(pair, measure)`` → table; measures of the predicting row lie in another stream of T5 and BART."""
    found: dict[tuple[str, str], Any] = {}
    for record in records(case, *pairs):
        if isinstance(record, HeadRecord):
            found |= {(record.pair_id, name): table for name, table in record.measures.items()}
    return found


def spots(case: Case, one: Pair) -> dict[str, tuple[str, int]]:
    """Suffix of a measure → stream and row in which it is read."""
    stream = "encoder" if "encoder" in case.streams else "self"
    found = {"": (stream, row_of(case, one.a.text, "She"))}
    tokens = case.model.encode(one.a.text).ids
    if "cross" in case.streams:
        return found | {"_next": ("cross", 0)}
    if case.tiny.auto == MASKED:
        return found | {"_next": ("self", tokens.index(case.model.tokenizer.mask_token_id))}
    return found | {"_next": ("self", len(tokens) - 1)}
