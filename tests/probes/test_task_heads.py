"""Classifiers and readers of contexts of many families, loaded like any model: self-test, rows and padding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audit.config import RunConfig
from audit.pairs import SEP
from audit.protocols import HeadChoice
from probes.attention import AttentionProbe
from probes.classification import ClassificationProbe
from probes.load import load
from probes.model import LoadedModel
from probes.question_answering import QuestionAnsweringProbe
from probes.selftest import self_test
from tests.probes import family
from tests.probes.answering import pair
from tests.probes.families import FAMILIES

CLASSIFIER, READER = "AutoModelForSequenceClassification", "AutoModelForQuestionAnswering"
#: A head that pools the first token, the last one, the last that is no padding, and the decoder's end of text.
CLASSIFIERS = [
    "bert",
    "modernbert",
    "xlnet",
    "funnel",
    "llama",
    "bloom",
    "gpt2",
    "gpt2, no pad",
    "bart",
    "t5",
]
READERS = ["bert", "xlnet", "funnel", "gpt2", "bart", "t5"]
SHORT, LONG = "the {} asked the nurse .", "the {} told the nurse a story about the old bridge ."


def loaded(path: Path, name: str, auto: str) -> LoadedModel:
    known, _, odd = name.partition(", ")
    tiny = replace(FAMILIES[known], auto=auto)
    if odd:
        tiny = replace(tiny, settings={**tiny.settings, "pad_token_id": None})
    return load(str(family.folder(path, tiny)))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_is_proven_and_says_the_same_in_any_batch(name: str, tmp_path: Path) -> None:
    model = loaded(tmp_path, name, CLASSIFIER)
    assert [step for step in self_test(model) if not step.passed] == []
    end = " </s>" if model.family == "encoder-decoder" else ""
    pairs = [
        pair("classification", text + end, arms=("doctor", "engineer"), name=text) for text in (SHORT, LONG)
    ]
    records = list(ClassificationProbe().measure(model, pairs, RunConfig(), HeadChoice()))
    for one in pairs:
        for text in (one.a, one.b):
            with torch.no_grad():
                logits = model.net(input_ids=torch.tensor([model.encode(text.text).ids])).logits[0]
            found = [r.value for r in records if (r.pair_id, r.arm) == (one.pair_id, text.arm)]
            assert found[: len(logits)] == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
    (record, *_) = AttentionProbe().measure(model, pairs, RunConfig(), HeadChoice())
    assert record.measures["jsd"].shape == (model.layers, model.heads)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_is_proven_and_its_attention_seen(name: str, tmp_path: Path) -> None:
    model = loaded(tmp_path, name, READER)
    assert [step for step in self_test(model) if not step.passed] == []
    one = pair("question-answering", f"the nurse asked{SEP}the {{}} told a story .", arms=("doctor", "baker"))
    answers = list(QuestionAnsweringProbe().measure(model, [one], RunConfig(), HeadChoice()))
    assert all(record.text in one.a.text + one.b.text for record in answers if record.text is not None)
    assert [record.measure for record in answers] == ["answer", "answer"]
    (record,) = AttentionProbe().measure(model, [one], RunConfig(), HeadChoice())
    assert record.measures["jsd"].shape == (model.layers, model.heads)
