"""Classifiers and readers of contexts of many families, loaded like any model: self-test, rows and padding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers.processors import TemplateProcessing

from audit.config import RunConfig
from audit.pairs import SEP
from audit.protocols import HeadChoice
from audit.records import HeadRecord
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.classification import ClassificationProbe
from probes.load import load
from probes.model import LoadedModel
from probes.pooling import read_tokens
from probes.question_answering import QuestionAnsweringProbe
from probes.routing import stock
from probes.rows import predicting_row
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


@pytest.mark.parametrize(("name", "row"), [("bert", 0), ("modernbert", 0), ("gpt2", -1)])
def test_the_row_that_a_classifier_reads_is_scored(name: str, row: int, tmp_path: Path) -> None:
    model = loaded(tmp_path, name, CLASSIFIER)
    one = pair("classification", "the nurse told the doctor {} asked .", ("LABEL_0", "LABEL_1"))
    (record,) = AttentionProbe().measure(model, [one], RunConfig(), HeadChoice())
    (effects, *_) = CausalProbe().measure(model, [one], RunConfig(), HeadChoice())
    assert isinstance(effects, HeadRecord)
    assert (np.abs(effects.measures["nie_next"]) > 1e-6).any()
    for arm, text in (("a", one.a), ("b", one.b)):
        ids = torch.tensor([model.encode(text.text).ids])
        with stock(model.net, "eager"), torch.no_grad():
            matrices = torch.stack(model.net(input_ids=ids, output_attentions=True).attentions)[:, 0]
        words = [model.tokenizer.decode(token).strip() for token in ids[0]]
        lean = matrices[:, :, row, words.index("nurse")] - matrices[:, :, row, words.index("doctor")]
        np.testing.assert_allclose(record.measures[f"coref_{arm}_next"], lean.numpy(), atol=1e-5)
    assert np.abs(record.measures["bias_next"]).max() > 1e-5


def test_a_classifier_that_takes_a_mean_has_no_such_row(tmp_path: Path) -> None:
    tiny = replace(FAMILIES["modernbert"], auto=CLASSIFIER)
    tiny = replace(tiny, settings={**tiny.settings, "classifier_pooling": "mean"})
    model = load(str(family.folder(tmp_path, tiny)))
    assert read_tokens(model.net) == tuple(range(7))
    one = pair("classification", "the nurse told the doctor {} asked .")
    (record,) = AttentionProbe().measure(model, [one], RunConfig(), HeadChoice())
    assert record.reasons["bias_next"] == (
        "an encoder looks both ways and has no row that predicts the next word"
    )


def test_a_decoder_that_classifies_reads_the_last_token_that_is_no_padding(tmp_path: Path) -> None:
    model = loaded(tmp_path, "gpt2", CLASSIFIER)
    ids = model.encode("the nurse asked <pad>").ids
    assert ids[-1] == model.pad
    assert predicting_row(model, ids) == len(ids) - 2
    assert read_tokens(model.net) == (6,)


@pytest.mark.parametrize("front", [False, True])
def test_a_decoder_that_classifies_reads_what_its_tokenizer_gives(front: bool, tmp_path: Path) -> None:
    """GPT-2's gives no BOS, Llama's does; a classifier was trained on the one or the other."""
    family.network(replace(FAMILIES["llama"], auto=CLASSIFIER)).save_pretrained(tmp_path)
    tokenizer = family.tokenizer()
    if front:
        inner = tokenizer.backend_tokenizer
        inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save_pretrained(tmp_path)
    model = load(str(tmp_path))
    one = pair("classification", SHORT, arms=("doctor", "engineer"))
    records = list(ClassificationProbe().measure(model, [one], RunConfig(), HeadChoice()))
    classify = transformers.pipeline("text-classification", model=str(tmp_path), tokenizer=tokenizer)
    for text in (one.a, one.b):
        said = {each["label"]: each["score"] for each in classify(text.text, top_k=None)}
        for label, chance in said.items():
            (value,) = (
                r.value for r in records if (r.arm, r.measure) == (text.arm, f"class_probability:{label}")
            )
            assert value == pytest.approx(chance, abs=1e-5)
    assert (model.encode(one.a.text).ids[0] == 1) is front
