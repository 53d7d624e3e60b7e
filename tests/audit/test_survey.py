"""Surveys of the model: run once, counted, and never silently missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from audit.config import RunConfig
from audit.errors import MeasurementError, ModelError
from audit.gate import decide
from audit.patterns import PATTERNS, pattern_table, with_patterns
from audit.progress import Watcher
from audit.records import EmbeddingRecord, PatternRecord, SurveyRecord
from audit.results import Coverage, Finding, HeadFinding, Surveyed, Verdict
from audit.suite import Suite
from audit.survey import Surveys, survey
from tests.audit.fakes import FakeModel

QUIET, CONFIG = Watcher(quiet=True), RunConfig()
ASKING = Suite.model_validate(
    {
        **{"suite": "words", "version": 1, "axis": "gender", "task": "embedding"},
        "associations": [
            {
                "id": "a",
                "targets": {"x": ["p", "q"], "y": ["r", "s"]},
                "attributes": {"a": ["t", "u"], "b": ["v", "w"]},
                "layers": ["input", "last"],
            }
        ],
    }
)
DAY = dt.date(2026, 11, 24)


@dataclass
class FakeSurvey:
    """Yields its records, then fails if it has an error."""

    name: str
    records: Sequence[SurveyRecord] = ()
    error: Exception | None = None
    version: str = "1"

    def survey(self, model: FakeModel, suites: Sequence[Suite], config: RunConfig) -> Iterator[SurveyRecord]:
        yield from self.records
        if self.error:
            raise self.error


def habit() -> PatternRecord:
    """Two layers of one head: the first looks one word back, the second is mixed."""
    numbers = {name: np.array([[0.1], [0.2]]) for name in PATTERNS}
    types = np.array([["previous_word"], ["mixed"]])
    return PatternRecord("self", numbers, numbers, types, np.array([[0.9], [0.3]]))


def word(layer: str) -> EmbeddingRecord:
    return EmbeddingRecord(
        *("words", "gender", "association", "a", layer, ("x", "y"), ("a", "b")),
        ("p", "q", "r", "s"),
        ("x", "x", "y", "y"),
        np.array([0.1, 0.2, 0.3, 0.4]),
    )


def surveyed(*probes: FakeSurvey, suites: Sequence[Suite] = ()) -> Surveys:
    return survey(FakeModel(), suites, probes, CONFIG, QUIET)


def test_surveys_are_made_and_counted() -> None:
    found = surveyed(
        FakeSurvey("patterns", [habit()]),
        FakeSurvey("embedding", [word("input"), word("last")]),
        suites=[ASKING],
    )
    assert found.coverage == (
        Surveyed(probe="patterns", planned=1, measured=1),
        Surveyed(probe="embedding", planned=2, measured=2, asked=True),
    )
    assert {name: len(table) for name, table in found.tables.items()} == {"patterns": 2, "embeddings": 8}
    assert surveyed(FakeSurvey("embedding")) == Surveys({}, ())


def test_what_fails_is_counted_and_what_was_found_before_is_kept() -> None:
    nan = MeasurementError("its attention is NaN")
    found = surveyed(
        FakeSurvey("patterns", error=nan),
        FakeSurvey("embedding", [word("input")], error=nan),
        suites=[ASKING],
    )
    assert found.coverage == (
        Surveyed(probe="patterns", planned=1, measured=0, failed=True, reason="its attention is NaN"),
        Surveyed(
            probe="embedding", planned=2, measured=1, asked=True, failed=True, reason="its attention is NaN"
        ),
    )
    assert list(found.tables) == ["embeddings"]
    with pytest.raises(ModelError, match="no such layer"):
        surveyed(FakeSurvey("embedding", error=ModelError("no such layer")), suites=[ASKING])


def test_what_suites_ask_for_and_nobody_measures_is_counted() -> None:
    assert surveyed(FakeSurvey("patterns", [habit()]), suites=[ASKING]).coverage[1] == Surveyed(
        probe="embedding", planned=2, measured=0, asked=True, reason="no probe of this run makes them"
    )


PAIRS = {"planned": 4, "measured": 4, "skipped": 0, "failed": 0}
NONE = {"planned": 0, "measured": 0, "skipped": 0, "failed": 0}
PATTERN = Surveyed(probe="patterns", planned=1, measured=1)
FAILED = Surveyed(probe="patterns", planned=1, measured=0, failed=True, reason="its attention is NaN")
WORDS = Surveyed(probe="embedding", planned=2, measured=2, asked=True)
PARTLY = Surveyed(probe="embedding", planned=2, measured=1, asked=True, failed=True, reason="no token")
UNASKED = Surveyed(
    probe="embedding", planned=2, measured=0, asked=True, reason="no probe of this run makes them"
)
UNDECIDED = "No check is configured: the numbers are there, but nothing was decided."


@pytest.mark.parametrize(
    ("pairs", "surveys", "verdict", "why"),
    [
        (PAIRS, (PATTERN, WORDS), Verdict.INCONCLUSIVE, UNDECIDED),
        (NONE, (PATTERN, WORDS), Verdict.INCONCLUSIVE, UNDECIDED),
        (NONE, (), Verdict.ERROR, "0 of 0 pairs could not be measured; an incomplete run never passes."),
        (
            NONE,
            (PATTERN,),
            Verdict.ERROR,
            "0 of 0 pairs could not be measured; an incomplete run never passes.",
        ),
        (
            {**PAIRS, "measured": 0, "skipped": 4},
            (PATTERN, WORDS),
            Verdict.ERROR,
            "4 of 4 pairs could not be measured; an incomplete run never passes.",
        ),
        (
            PAIRS,
            (FAILED,),
            Verdict.ERROR,
            "1 of 1 surveys of the probe 'patterns' were not made (its attention is NaN); "
            "an incomplete run never passes.",
        ),
        (
            NONE,
            (PATTERN, PARTLY),
            Verdict.ERROR,
            "1 of 2 surveys of the probe 'embedding' were not made (no token); an incomplete run never passes.",
        ),
        (
            NONE,
            (PATTERN, UNASKED),
            Verdict.ERROR,
            "2 of 2 surveys of the probe 'embedding' were not made (no probe of this run makes them); "
            "an incomplete run never passes.",
        ),
        (PAIRS, (PATTERN, UNASKED), Verdict.INCONCLUSIVE, UNDECIDED),
    ],
)
def test_a_run_without_its_surveys_is_incomplete(
    pairs: dict[str, int], surveys: tuple[Surveyed, ...], verdict: Verdict, why: str
) -> None:
    gate, _ = decide(CONFIG, [], [], Coverage(**pairs, surveys=surveys), DAY, DAY)
    assert (gate.verdict, gate.why) == (verdict, why)


def test_a_run_that_would_pass_does_not_without_what_its_suites_ask_for() -> None:
    check = {
        **{"id": "ll", "measure": "likelihood_diff", "at_most": 1, "set_by": "me", "reason": "r"},
        "date": "2026-11-01",
    }
    config = RunConfig.model_validate({"checks": [check]})
    low = Finding(
        **{"suite": "s", "axis": "gender", "contrast": ("she", "he"), "measure": "likelihood_diff"},
        **{"estimate": 0.1, "ci_low": 0.0, "ci_high": 0.2},
    )
    for surveys, verdict in (((PATTERN, WORDS), Verdict.PASS), ((PATTERN, UNASKED), Verdict.INCONCLUSIVE)):
        gate, _ = decide(config, [low], [], Coverage(**PAIRS, surveys=surveys), DAY, DAY)
        assert gate.verdict is verdict
    assert gate.why == (
        "2 of 2 surveys of the probe 'embedding' were not made (no probe of this run makes them); "
        "an incomplete run never passes."
    )


def test_heads_are_told_their_patterns() -> None:
    place = {"suite": "s", "contrast": ("she", "he"), "label": "none", "flagged": False}
    heads = [
        HeadFinding(**place, stream=stream, layer=layer, head=0)
        for stream, layer in (("self", 0), ("self", 1), ("cross", 0))
    ]
    table = pattern_table([habit()])
    assert list(table.columns) == [
        *("stream", "layer", "head", "pattern", "score"),
        *PATTERNS,
        *(f"{name}_excess" for name in PATTERNS),
    ]
    found = [(head.pattern, head.pattern_score) for head in with_patterns(heads, table)]
    assert found == [("previous_word", 0.9), ("mixed", 0.3), (None, None)]
