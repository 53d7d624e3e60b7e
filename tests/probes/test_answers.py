"""Classifiers, readers and translators against plain calls of stock transformers."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
import torch
from tokenizers import pre_tokenizers

from audit.config import GenerationSettings, RunConfig
from audit.errors import MeasurementError, ModelError
from audit.pairs import MASK, SEP
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.classification import ClassificationProbe
from probes.masked import MaskedProbe
from probes.model import LoadedModel
from probes.question_answering import QuestionAnsweringProbe
from probes.translation import TranslationProbe
from tests.probes import tiny
from tests.probes.answering import LABELS, answering, measured, model, pair, stock

CLASSIFIERS = [
    *("BertForSequenceClassification", "RobertaForSequenceClassification", "GPT2ForSequenceClassification"),
    *("LlamaForSequenceClassification", "BartForSequenceClassification", "T5ForSequenceClassification"),
]
READERS = [
    *("BertForQuestionAnswering", "RobertaForQuestionAnswering", "GPT2ForQuestionAnswering"),
    *("BartForQuestionAnswering", "T5ForQuestionAnswering"),
]
TRANSLATORS = ["BartForConditionalGeneration", "T5ForConditionalGeneration"]
CONTEXT = f"Who was kind?{SEP}The nurse met the doctor. {{}} said that the pilot was late."


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_class_probabilities_are_those_of_the_stock_network(name: str) -> None:
    loaded = model(name)
    one = pair("classification", "The {} was kind.", ("positive", "negative"), arms=("nurse", "doctor"))
    longer = pair(
        "classification",
        f"The {{}} left.{SEP}The pilot said that he was late.",
        name="q",
        arms=("nurse", "doctor"),
    )
    found = measured(ClassificationProbe(), loaded, one, longer)
    for each in (one, longer):
        for text in (each.a, each.b):
            chances = stock(loaded, *text.text.split(SEP)).logits[0].softmax(-1).tolist()
            for label, chance in zip(LABELS["id2label"].values(), chances, strict=True):
                value = found[each.pair_id, text.arm, f"class_probability:{label}"].value
                assert value == pytest.approx(chance, abs=1e-5)
            best = found[each.pair_id, text.arm, "label"]
            assert best.text == LABELS["id2label"][chances.index(max(chances))]
            assert found[each.pair_id, text.arm, "sentiment"].value == pytest.approx(
                chances[2] - chances[0], abs=1e-5
            )
    chances = stock(loaded, one.a.text).logits[0].log_softmax(-1)
    odds = found["p", "she", "completion_log_odds"].value
    assert odds == pytest.approx(float(chances[2] - chances[0]), abs=1e-4)


def test_labels_that_are_not_there_and_classifiers_without_probabilities_say_so() -> None:
    loaded = model("BertForSequenceClassification")
    one = pair("classification", "The {} was kind.", ("positive", "angry"), arms=("nurse", "doctor"))
    record = measured(ClassificationProbe(), loaded, one)["p", "she", "completion_log_odds"]
    assert record.value is None
    assert record.reason == "the model has no label 'angry'; it has NEGATIVE, neutral, POSITIVE"
    regression = answering("BertForSequenceClassification", "sequence-classification", num_labels=1)
    records = measured(ClassificationProbe(), regression, one)
    assert [(record.value, record.reason) for record in records.values()] == [
        (None, "the classifier gives its labels no probabilities that add up to 1 (regression)")
    ] * 2


@pytest.mark.parametrize("name", READERS)
def test_answers_are_the_best_spans_of_the_context(name: str) -> None:
    loaded = model(name)
    one = pair("question-answering", CONTEXT, ("the pilot", "doctor"))
    found = measured(
        QuestionAnsweringProbe(), loaded, one, pair("question-answering", f"Who?{SEP}{{}} left.", name="q")
    )
    for text in (one.a, one.b):
        encoding = loaded.encode(text.text)
        output = stock(loaded, *text.text.split(SEP))
        begin = text.text.index(SEP) + len(SEP)
        inside = [at for at, (start, end) in enumerate(encoding.offsets) if start >= begin and end > start]
        starts, ends = (
            logits[0, inside].log_softmax(-1) for logits in (output.start_logits, output.end_logits)
        )
        best = max(
            (
                (float(starts[i] + ends[j]), i, j)
                for i in range(len(inside))
                for j in range(i, min(i + 30, len(inside)))
            ),
        )
        answer = found["p", text.arm, "answer"]
        assert answer.value == pytest.approx(best[0], abs=1e-4)
        offsets = [encoding.offsets[inside[place]] for place in best[1:]]
        assert answer.text == text.text[offsets[0][0] : offsets[1][1]].strip()
        odds = 0.0
        for words, sign in (("the pilot", 1), ("doctor", -1)):
            start = text.text.index(words, begin)
            tokens = [
                at for at, (s, e) in enumerate(encoding.offsets) if max(s, start) < min(e, start + len(words))
            ]
            odds += sign * float(output.start_logits[0, tokens[0]] + output.end_logits[0, tokens[-1]])
        assert found["p", text.arm, "completion_log_odds"].value == pytest.approx(odds, abs=1e-4)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("nurs", "the answer 'nurs' is 0 times in the context; expected once"),
        ("engineer", "the answer 'engineer' is 0 times in the context; expected once"),
        ("the", "the answer 'the' is 2 times in the context; expected once"),
    ],
)
def test_answers_that_are_not_once_in_the_context_say_so(answer: str, told: str) -> None:
    one = pair("question-answering", CONTEXT, (answer, "doctor"))
    found = measured(QuestionAnsweringProbe(), model("BertForQuestionAnswering"), one)
    assert found["p", "she", "completion_log_odds"].reason == told
    bare = measured(
        QuestionAnsweringProbe(), model("BertForQuestionAnswering"), pair("question-answering", "{} left.")
    )
    assert bare["p", "she", "answer"].value is None
    assert "cannot be told apart" in str(bare["p", "she", "answer"].reason)


def test_answers_that_share_a_token_with_other_words_say_so() -> None:
    loaded = answering("BertForQuestionAnswering", "question-answering")
    inner = loaded.tokenizer.backend_tokenizer
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    one = pair("question-answering", f"Who?{SEP}{{}} met the nurse, the pilot left", ("nurse", "pilot"))
    found = measured(QuestionAnsweringProbe(), loaded, one)
    reason = "the answer 'nurse' shares a token with what stands beside it"
    assert found["p", "she", "completion_log_odds"].reason == reason


@pytest.mark.parametrize("name", TRANSLATORS)
def test_translations_are_greedy_and_scored_by_their_tokens(name: str) -> None:
    loaded = model(name)
    one = pair(
        "translation", "The nurse met the doctor, {} said.", ("She said", "He left early"), arms=("she", "he")
    )
    found = measured(TranslationProbe(), loaded, one, pair("translation", "{} left.", name="q"))
    for text in (one.a, one.b):
        ids = loaded.tokenizer(text.text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            tokens = list(loaded.target_start)
            for _ in range(RunConfig().generation.max_new_tokens):
                logits = loaded.net(input_ids=ids, decoder_input_ids=torch.tensor([tokens])).logits[0, -1]
                tokens.append(int(logits.argmax()))
                if tokens[-1] == loaded.net.generation_config.eos_token_id:
                    break
        said = found["p", text.arm, "translation"]
        written = tokens[1:]
        while written and written[-1] == loaded.pad:
            written.pop()
        assert said.text == loaded.tokenizer.decode(written, skip_special_tokens=True)
        odds = 0.0
        for answer, sign in (("She said", 1), ("He left early", -1)):
            target = loaded.tokenizer(text_target=answer, add_special_tokens=False)["input_ids"]
            read = [*loaded.target_start, *target[:-1]]
            with torch.no_grad():
                logits = loaded.net(input_ids=ids, decoder_input_ids=torch.tensor([read])).logits[0]
            chances = logits.log_softmax(-1)[len(loaded.target_start) - 1 :]
            odds += sign * float(sum(chances[step, token] for step, token in enumerate(target)))
        assert found["p", text.arm, "completion_log_odds"].value == pytest.approx(odds, abs=1e-3)


def translated(loaded: LoadedModel, *texts: str, steps: int = 24) -> list[OutputRecord]:
    pairs = [pair("translation", text, name=text) for text in texts]
    config = RunConfig(generation=GenerationSettings(max_new_tokens=steps))
    return list(TranslationProbe().measure(loaded, pairs, config, HeadChoice()))


@pytest.mark.parametrize("forced", [None, 7])
@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translation_is_counted_without_what_frames_it(name: str, forced: int | None) -> None:
    """What is forced to the front and the end of the text are no words of the translation."""
    loaded = answering(name, "seq2seq-lm")
    settings: Any = loaded.net.generation_config
    settings.forced_bos_token_id, settings.eos_token_id = forced, None
    # the end is what the model would say in the fourth place, so that translations end early
    she = loaded.tokenizer("She left.", return_tensors="pt")["input_ids"]
    settings.eos_token_id = int(loaded.net.generate(she, max_new_tokens=4, use_cache=False)[0, 4])
    records = translated(loaded, "{} left.", "The nurse met the doctor, {} said.", steps=5)
    for record in records:
        text = record.pair_id.format({"she": "She", "he": "He"}[record.arm])
        ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
        row = loaded.net.generate(ids, max_new_tokens=5 + (forced is not None), use_cache=False)[0].tolist()
        words = row[1 if forced is None else 2 :]
        words = words[: words.index(settings.eos_token_id)] if settings.eos_token_id in words else words
        assert record.value == len(words)
        assert record.text == loaded.tokenizer.decode(words, skip_special_tokens=True)
    assert min(record.value or 0.0 for record in records) < 5


def test_a_translation_that_cannot_be_written_says_so() -> None:
    loaded = answering("BartForConditionalGeneration", "seq2seq-lm")
    assert {(record.value, record.reason) for record in translated(loaded, "{} left.", steps=80)} == {
        (None, "the translation needs 81 tokens, the context window holds 64")
    }
    bias: Any = loaded.net.final_logits_bias
    bias[0, 5] = float("nan")
    with pytest.raises(MeasurementError, match=r"tiny: pair \{\} left\.: the model's logits are NaN"):
        translated(loaded, "{} left.")


@pytest.mark.parametrize(
    ("probe", "name", "text", "completions"),
    [
        (MaskedProbe(), "BertForMaskedLM", "The nurse said that {} was kind.", None),
        (ClassificationProbe(), "LlamaForSequenceClassification", "It was {}.", ("positive", "negative")),
        (QuestionAnsweringProbe(), "RobertaForQuestionAnswering", CONTEXT, ("the pilot", "doctor")),
        (TranslationProbe(), "T5ForConditionalGeneration", "It was {}.", ("she", "he")),
    ],
)
def test_batches_and_the_order_of_texts_change_nothing(
    probe: Any, name: str, text: str, completions: tuple[str, str] | None
) -> None:
    loaded, task = model(name), next(p for p in [probe.name])
    pairs = [
        pair(task, text, completions),
        pair(task, text.replace("was", "was early , late , "), completions, name="q"),
    ]
    turned = [pair(task, text, completions, arms=("He", "She"), name="p")]
    together, alone = measured(probe, loaded, *pairs), measured(probe, loaded, *pairs[:1])
    exchanged = measured(probe, loaded, *turned)
    for (name_, arm, measure), record in alone.items():
        assert together[name_, arm, measure].value == pytest.approx(record.value, abs=1e-4)
        assert together[name_, arm, measure].text == record.text
        other = exchanged[name_, {"she": "he", "he": "she"}[arm], measure]
        assert other.value == pytest.approx(record.value, abs=1e-4)


def test_a_causal_model_has_no_use_for_markers() -> None:
    for text in (f"The {MASK} said", f"Who?{SEP}The nurse"):
        with pytest.raises(ModelError, match="has no use for"):
            tiny.decoder().encode(text)


@pytest.mark.parametrize(
    ("probe", "name", "text", "completions"),
    [
        (ClassificationProbe(), "BertForSequenceClassification", "It was {}.", ("positive", "negative")),
        (QuestionAnsweringProbe(), "BertForQuestionAnswering", CONTEXT, ("the pilot", "doctor")),
    ],
)
def test_scores_and_log_odds_of_a_batch_come_from_one_pass(
    probe: Any, name: str, text: str, completions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, passes = model(name), []
    monkeypatch.setattr(loaded.net, "forward", _counted(loaded.net.forward, passes))
    found = measured(
        probe, loaded, pair(probe.name, text, completions, arms=("she", "the pilots"), name="once")
    )
    assert all(found["once", arm, "completion_log_odds"].value is not None for arm in ("she", "he"))
    assert len(passes) == 1


def _counted(call: Any, passes: list[int]) -> Any:
    @wraps(call)
    def counted(*args: Any, **kwargs: Any) -> Any:
        passes.append(len(passes))
        return call(*args, **kwargs)

    return counted
