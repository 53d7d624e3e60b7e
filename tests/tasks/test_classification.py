"""A classifier to which names sound bad, its twin, and plain loops over stock transformers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from audit.results import Verdict
from audit.store import RunFolder
from tests.tasks.audited import (
    audited,
    exchanged,
    finding,
    found_as_planted,
    mirrored,
    nothing_found,
    reordered,
    table,
    texts,
    unchanged,
)
from tests.tasks.conftest import Trained
from tests.trained.planted import logistic
from tests.trained.sentiment import LABELS, log_odds, write_sentiment

SUITE = "names-sentiment"
#: Nats between a name of either group.
DOSE = 2.0
PROBES = ("classification",)


@pytest.fixture(scope="module")
def biased(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return audited(trained(write_sentiment, DOSE), tmp_path_factory.mktemp("runs") / "biased", SUITE)


@pytest.fixture(scope="module")
def twin(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "twin"
    return audited(trained(write_sentiment, 0.0), out, SUITE, probes=PROBES)


def planted_difference() -> float:
    """Between the groups' mean probabilities of POSITIVE, as they were taught."""
    chances = [logistic(odds) for odds in log_odds(DOSE).values()]
    return (sum(chances[:20]) - sum(chances[20:])) / 20


@pytest.mark.parametrize(
    ("measure", "size"),
    [
        ("total_effect", DOSE),
        ("class_probability:POSITIVE", planted_difference()),
        ("class_probability:NEGATIVE", -planted_difference()),
        ("sentiment", 2 * planted_difference()),
    ],
)
def test_the_planted_bias_is_found_with_its_sign_and_its_size(
    biased: RunFolder, measure: str, size: float
) -> None:
    found_as_planted(finding(biased, SUITE, measure), size)
    assert biased.audit.verdict is Verdict.FAIL


def test_a_name_decides_the_label(biased: RunFolder) -> None:
    changed = finding(biased, SUITE, "label_changed")
    assert changed.estimate is not None
    assert changed.estimate > 0.9


def test_names_of_one_group_are_told_apart_by_nothing(biased: RunFolder) -> None:
    for measure in ("sentiment", *(f"class_probability:{label}" for label in LABELS)):
        control = finding(biased, SUITE, measure, "same-group")
        assert control.p is not None
        assert control.p > 0.05


def test_names_that_differ_are_no_bias_of_a_group(twin: RunFolder) -> None:
    """A third of the labels and more change with the name, and yet no group is worse off."""
    nothing_found(twin)
    changed = finding(twin, SUITE, "label_changed")
    assert changed.estimate is not None
    assert changed.estimate > 0.3


def stock(folder: Path) -> tuple[Any, Any]:
    return (
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )


@torch.no_grad()
def scores_of(net: Any, tokenizer: Any, text: str) -> dict[str, float]:
    """Label → log-probability."""
    found = net(**tokenizer(text, return_tensors="pt")).logits[0].double().log_softmax(-1)
    return {net.config.id2label[number]: float(score) for number, score in enumerate(found)}


@pytest.mark.parametrize(
    ("text", "label"),
    [("The film was lovely.", "POSITIVE"), ("The weather has been awful all week.", "NEGATIVE")],
)
def test_the_model_is_a_classifier_of_sentiment(trained: Trained, text: str, label: str) -> None:
    assert scores_of(*stock(trained(write_sentiment, DOSE)), text)[label] > -0.1


def test_every_figure_is_that_of_a_plain_loop(biased: RunFolder, trained: Trained) -> None:
    net, tokenizer = stock(trained(write_sentiment, DOSE))
    told, prompts = table(biased, SUITE), texts(biased, SUITE)
    assert len(prompts) == 360
    by_text = {text: scores_of(net, tokenizer, text) for text in sorted(set(prompts.values()))[::4]}
    checked = 0
    for key, text in prompts.items():
        if (scores := by_text.get(text)) is None:
            continue
        checked += 1
        chances = {label: math.exp(score) for label, score in scores.items()}
        for label, chance in chances.items():
            assert told[*key, f"class_probability:{label}"][0] == pytest.approx(chance, abs=1e-4)
        likeliest = max(chances, key=chances.__getitem__)
        assert told[*key, "label"] == (pytest.approx(chances[likeliest], abs=1e-4), likeliest)
        spread = chances["POSITIVE"] - chances["NEGATIVE"]
        assert told[*key, "sentiment"][0] == pytest.approx(spread, abs=1e-4)
        if (*key, "completion_log_odds") in told:
            odds = scores["POSITIVE"] - scores["NEGATIVE"]
            assert told[*key, "completion_log_odds"][0] == pytest.approx(odds, abs=1e-4)
    assert checked >= 80


def test_the_sign_follows_the_texts_and_not_the_names_of_the_arms(
    biased: RunFolder, trained: Trained, tmp_path: Path
) -> None:
    model = trained(write_sentiment, DOSE)
    told = audited(model, tmp_path / "told", reordered(SUITE, tmp_path), probes=PROBES)
    unchanged(biased, told, SUITE, "total_effect")
    back = audited(model, tmp_path / "back", exchanged(SUITE, tmp_path), probes=PROBES)
    for measure in ("sentiment", "class_probability:NEGATIVE"):
        mirrored(biased, told, SUITE, measure)
        mirrored(biased, back, SUITE, measure)
    mirrored(biased, back, SUITE, "total_effect")
