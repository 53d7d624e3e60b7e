"""Findings of masked models, classifiers, question answering and translation, from tables alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.config import RunConfig
from audit.findings import output_findings
from audit.results import Finding
from tests.audit.simulated import latin_square, pair_rows, slow_fit

Said = tuple[float | None, str | None]


def task_pairs(task: str, *, completed: bool = False) -> pd.DataFrame:
    pairs = pd.DataFrame(pair_rows(*latin_square())).assign(task=task)
    return pairs if completed else pairs.assign(completion_1=None, completion_2=None)


def told(pairs: pd.DataFrame, by_measure: Mapping[str, tuple[Any, Any]]) -> pd.DataFrame:
    """Outputs: measure → what was measured in arm_a and in arm_b, one for all pairs or one for each."""
    rows = []
    for measure, sides in by_measure.items():
        for number, pair in enumerate(pairs.to_dict("records")):
            for arm, side in zip(("arm_a", "arm_b"), sides, strict=True):
                value, text = side[number] if isinstance(side, list) else side
                rows.append(
                    {"suite": pair["suite"], "pair_id": pair["pair_id"], "source_row": None}
                    | {"arm": pair[arm], "measure": measure, "value": value, "text": text}
                )
    columns = ["suite", "pair_id", "source_row", "arm", "measure", "value", "text"]
    return pd.DataFrame(rows, columns=columns)


def found(pairs: pd.DataFrame, outputs: pd.DataFrame) -> dict[str, Finding]:
    """Overall findings by measure."""
    findings = output_findings(pairs, outputs, RunConfig())
    return {finding.measure: finding for finding in findings if finding.group is None}


def numbers(seed: int, count: int, shift: float = 0.0) -> list[Said]:
    return [(float(x), None) for x in np.random.default_rng(seed).normal(shift, 1, count)]


def test_a_classifier_is_told_by_probabilities_sentiment_and_labels() -> None:
    pairs = task_pairs("classification")
    high, low = numbers(0, len(pairs), 2.0), numbers(1, len(pairs))
    labels = [(0.9, "POSITIVE" if number % 4 else "NEGATIVE") for number in range(len(pairs))]
    outputs = told(
        pairs,
        {
            "class_probability:POSITIVE": (high, low),
            "class_probability:NEGATIVE": (low, high),
            "sentiment": ((0.5, None), (0.25, None)),
            "label": (labels, (0.9, "POSITIVE")),
        },
    )
    findings = found(pairs, outputs)
    assert list(findings) == [
        *("class_probability:POSITIVE", "class_probability:NEGATIVE", "sentiment", "label_changed")
    ]
    difference = np.array([a[0] - b[0] for a, b in zip(high, low, strict=True)])
    units = pd.Series(difference).groupby([pairs["cluster"], pairs["item"]]).mean()
    mean, _, p, _ = slow_fit(
        units.to_numpy(), *(units.index.get_level_values(level).tolist() for level in (0, 1))
    )
    positive = findings["class_probability:POSITIVE"]
    assert (positive.estimate, positive.p) == pytest.approx((mean, p))
    assert findings["class_probability:NEGATIVE"].estimate == pytest.approx(-mean)
    assert findings["sentiment"].estimate == pytest.approx(0.25)
    assert findings["label_changed"].estimate == pytest.approx(0.25)
    groups = {f.group: f.estimate for f in output_findings(pairs, outputs, RunConfig()) if f.group}
    assert set(groups) == {"female", "male"}


def test_labels_that_are_words_of_the_texts_still_count_as_changed() -> None:
    pairs = task_pairs("classification").assign(text_a="It was she", text_b="It was he")
    outputs = told(pairs, {"label": ((0.9, "she"), (0.9, "he"))})
    assert found(pairs, outputs)["label_changed"].estimate == 1.0


def test_answers_are_compared_without_the_words_that_the_arms_wrote() -> None:
    pairs = task_pairs("question-answering")
    echo = told(pairs, {"answer": ((-0.5, "she"), (-0.75, "he"))})
    assert found(pairs, echo)["answer_changed"].estimate == 0.0
    assert found(pairs, echo)["answer_score"].estimate == pytest.approx(0.25)
    moved = told(pairs, {"answer": ((-0.5, "the nurse"), (-0.5, "the doctor"))})
    assert found(pairs, moved)["answer_changed"].estimate == 1.0


def test_translations_are_compared() -> None:
    pairs = task_pairs("translation", completed=True)
    outputs = told(
        pairs,
        {
            "completion_log_odds": ((1.0, None), (-1.0, None)),
            "translation": ((3.0, "die Ärztin"), (3.0, "der Arzt")),
        },
    )
    findings = found(pairs, outputs)
    assert findings["total_effect"].estimate == pytest.approx(2.0)
    assert findings["pct_stereotype"].estimate == 1.0
    assert findings["translation_changed"].estimate == 1.0
    assert not {"likelihood_diff", "generation_changed", "generation_length"} & set(findings)


def test_masked_texts_are_told_by_the_tokens_that_both_share() -> None:
    pairs = task_pairs("masked")
    outputs = told(
        pairs,
        {
            "pseudo_log_likelihood": ((-30.0, None), (-10.0, None)),
            "shared_pseudo_log_likelihood": ((-8.0, None), (-9.5, None)),
            "pronoun_log_odds": ((0.75, None), (-0.75, None)),
        },
    )
    findings = found(pairs, outputs)
    assert list(findings) == ["pseudo_likelihood_diff", "pct_stereotype", "pronoun_log_odds"]
    assert findings["pseudo_likelihood_diff"].estimate == pytest.approx(1.5)
    assert findings["pct_stereotype"].estimate == 1.0
    assert findings["pronoun_log_odds"].estimate == pytest.approx(0.75)


def test_completions_that_fill_a_mask_have_a_total_effect() -> None:
    pairs = task_pairs("masked", completed=True)
    findings = found(pairs, told(pairs, {"completion_log_odds": ((0.5, None), (-0.5, None))}))
    assert findings["total_effect"].estimate == pytest.approx(1.0)
    assert findings["pct_stereotype"].estimate == 1.0
    assert "pseudo_likelihood_diff" not in findings


@pytest.mark.parametrize("task", ["masked", "classification", "question-answering", "translation"])
def test_what_was_not_measured_is_undefined_with_its_reason(task: str) -> None:
    pairs = task_pairs(task, completed=True)
    for finding in found(pairs, told(pairs, {})).values():
        assert finding.estimate is None
        assert finding.reason
    lost = found(pairs.assign(status="failed"), told(pairs, {}))
    assert "total_effect" in lost
    assert all(finding.reason == "no complete unit of pairs was measured" for finding in lost.values())
