"""Effects on labels and spans: heads of classifiers and question answering, one text at a time by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedModel

from audit.pairs import Pair
from audit.records import HeadRecord, OutputRecord
from probes.load import load
from tests.probes import family
from tests.probes.families import FAMILIES
from tests.probes.measured import records, tables
from tests.probes.patching import Case, Head, Softmaxes, pair

CLASSIFIES, ANSWERS = "AutoModelForSequenceClassification", "AutoModelForQuestionAnswering"
LABELS = {0: "neutral", 1: "NEGATIVE", 2: "POSITIVE"}
TEXTS = {
    CLASSIFIES: "the nurse asked the doctor a question . {} said that",
    ANSWERS: "the painter asked [SEP] the nurse asked the old doctor . {} said that",
}
COMPLETIONS = {CLASSIFIES: ("positive", "negative"), ANSWERS: ("old doctor", "nurse")}


def made(name: str, auto: str, place: Path) -> Case:
    """A family with another head; every text ends with ``</s>``, by which BART classifies."""
    labels = {"id2label": LABELS} if auto == CLASSIFIES else {}
    tiny = replace(FAMILIES[name], auto=auto, settings={**FAMILIES[name].settings, **labels})
    if name == "gpt2":
        tiny = replace(tiny, settings={**tiny.settings, "pad_token_id": None})
    family.network(tiny).save_pretrained(place)
    tokenizer = family.tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 2)]
    )
    tokenizer.save_pretrained(place)
    stock: PreTrainedModel = getattr(transformers, auto).from_pretrained(place, attn_implementation="eager")
    return Case(tiny, load(str(place)), stock.eval())


@torch.no_grad()
def answered(case: Case, text: str, edit: Any = None) -> tuple[float, dict[tuple[str, int], torch.Tensor]]:
    """``y`` of a text, and its attention before it was edited."""
    encoding = case.model.encode(text)
    read = {"input_ids": torch.tensor([encoding.ids])}
    if encoding.types and case.tiny.config == "BertConfig":
        read["token_type_ids"] = torch.tensor([encoding.types])
    watch = Softmaxes(case.place, edit)
    with watch:
        output = case.stock(**read)
    if case.tiny.auto == CLASSIFIES:
        scores = output.logits[0].double().log_softmax(-1)
        return float(scores[2] - scores[1]), watch.seen
    start, end = (logits[0].double().log_softmax(-1) for logits in (output.start_logits, output.end_logits))
    old, doctor, nurse = (
        max(i for i, token in enumerate(encoding.tokens) if token.strip() == word)
        for word in ("old", "doctor", "nurse")
    )
    return float(start[old] + end[doctor] - start[nurse] - end[nurse]), watch.seen


def by_hand(case: Case, one: Pair, places: Sequence[Head], rows: Sequence[int]) -> tuple[float, float]:
    """NIE and NDE of heads whose rows are exchanged together."""

    def lent(to: str, donor: str) -> float:
        theirs = answered(case, donor)[1]

        def edit(stream: str, layer: int, weights: torch.Tensor) -> None:
            for _, _, head in (place for place in places if place[:2] == (stream, layer)):
                weights[:, head, list(rows)] = theirs[stream, layer][:, head, list(rows)]

        return answered(case, to, edit)[0]

    a, b = one.a.text, one.b.text
    y_a, y_b = answered(case, a)[0], answered(case, b)[0]
    nde = lent(a, b) - y_b
    return (lent(b, a) - y_b + y_a - y_b - nde) / 2, nde


@pytest.mark.parametrize(
    ("name", "auto"),
    [
        ("bert", CLASSIFIES),
        ("debertav2", CLASSIFIES),
        ("gpt2", CLASSIFIES),
        ("bart", CLASSIFIES),
        ("bert", ANSWERS),
        ("roberta", ANSWERS),
        ("t5", ANSWERS),
    ],
)
def test_effects_on_answers_equal_patching_by_hand(name: str, auto: str, tmp_path: Path) -> None:
    case = made(name, auto, tmp_path)
    one = pair(case, completions=COMPLETIONS[auto], template=TEXTS[auto])
    found, largest = tables(case, one, one), 0.0
    tokens = case.model.encode(one.a.text).tokens
    row = max(i for i, token in enumerate(tokens) if token.strip() == "She")
    stream = case.model.stream
    read = {"gpt2": len(tokens) - 1, "bert": 0, "debertav2": 0} if auto == CLASSIFIES else {}
    rows = {"": row} | ({"_next": read[name]} if name in read else {})
    assert set(found) == {("p", f"{effect}{suffix}") for effect in ("nie", "nde") for suffix in rows}
    for suffix, at in rows.items():
        for place in case.heads(stream):
            nie, nde = by_hand(case, one, [place], [at])
            assert found["p", f"nie{suffix}"][place[1:]] == pytest.approx(nie, abs=1e-4)
            assert found["p", f"nde{suffix}"][place[1:]] == pytest.approx(nde, abs=1e-4)
            largest = max(largest, abs(nie))
    assert largest > 4e-4
    everything = [place for each in case.streams for place in case.heads(each)]
    outputs = {r.measure: r.value for r in records(case, one) if isinstance(r, OutputRecord)}
    nie, nde = by_hand(case, one, everything, range(len(tokens)))
    assert outputs["nie_model"] == pytest.approx(nie, abs=1e-4)
    assert outputs["nde_model"] == pytest.approx(nde, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "auto", "stream", "reason"),
    [
        ("bert", ANSWERS, "self", "an encoder looks both ways and has no row that predicts the next word"),
        (
            *("bart", CLASSIFIES, "encoder"),
            "the model's head (sequence-classification) predicts no next word from one row",
        ),
    ],
)
def test_models_say_why_no_row_predicts(
    name: str, auto: str, stream: str, reason: str, tmp_path: Path
) -> None:
    case = made(name, auto, tmp_path)
    one = pair(case, completions=COMPLETIONS[auto], template=TEXTS[auto])
    (found,) = (record for record in records(case, one) if isinstance(record, HeadRecord))
    assert (found.stream, found.reasons) == (stream, {"nie_next": reason})
