"""Whole passes of every family against patching one text at a time in a stock eager model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, Record
from probes.causal import CausalProbe
from tests.probes.patching import Case, case, one_by_one, pair, row_of

WHOLE = ["bert", "roberta", "modernbert", "debertav2", "t5", "bart", "bloom", "falcon", "gptj"]
LONGER = {"bert": (" old bridge", " river said"), "t5": (" doctor", " nurse said")}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            made[name] = case(name, tmp_path_factory.mktemp(name))
        return made[name]

    return get


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
    if "cross" in case.streams:
        found["_next"] = ("cross", 0)
    elif case.model.family == "decoder":
        found["_next"] = ("self", len(case.model.encode(one.a.text).ids) - 1)
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_effects_equal_one_by_one_patching(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)
    one = pair(case, completions=LONGER.get(name, (" doctor", " nurse")))
    found, largest = tables(case, one), 0.0
    for suffix, (stream, row) in spots(case, one).items():
        for place in case.heads(stream):
            nie, nde = one_by_one(case, one, [place], {stream: [row]})
            assert found["p", f"nie{suffix}"][place[1:]] == pytest.approx(nie, abs=1e-4)
            assert found["p", f"nde{suffix}"][place[1:]] == pytest.approx(nde, abs=1e-4)
            largest = max(largest, abs(nie))
    assert largest > 4e-4
