"""Likelihoods, against numbers that another program found on the same model and texts."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.likelihood import LikelihoodProbe
from probes.model import LoadedModel
from tests.folders import shared
from tests.probes import tiny
from tests.probes.test_reading import stock_log_probability


def measure(model: LoadedModel, *pairs: Pair) -> list[OutputRecord]:
    config = RunConfig(probes=("likelihood",))
    return list(LikelihoodProbe().measure(model, pairs, config, HeadChoice()))


def crows_pairs() -> list[Pair]:
    """Every pair of CrowS-Pairs, the more stereotypical sentence first."""
    with shared("data", "crows_pairs", "crows_pairs_anonymized.csv").open(
        encoding="utf-8", newline=""
    ) as stream:
        rows = list(csv.DictReader(stream))
    example = tiny.pair()
    return [
        replace(
            example,
            pair_id=str(number),
            a=replace(example.a, arm="more", text=row["sent_more"], swap=(), mentions={}),
            b=replace(example.b, arm="less", text=row["sent_less"], swap=(), mentions={}),
            completions=None,
            source_row=number,
        )
        for number, row in enumerate(rows)
    ]


def golden() -> dict[str, dict[str, str]]:
    """What lm-evaluation-harness 0.4.13 found: float32, the same GGUF file dequantised."""
    file = shared("golden", "crows_pairs_smollm2_135m_fp32.csv")
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["row"]: row for row in csv.DictReader(stream)}


def golden_rows(model: LoadedModel, start: int, stop: int) -> list[tuple[OutputRecord, float]]:
    """What was measured, beside what the other program found."""
    known = golden()
    records = measure(model, *crows_pairs()[start:stop])
    assert len(records) == 2 * (stop - start)
    return [(record, float(known[record.pair_id][f"ll_sent_{record.arm}"])) for record in records]


def test_crows_pairs_golden_numbers(demo: LoadedModel) -> None:
    for record, expected in golden_rows(demo, 0, 8):
        assert record.value == pytest.approx(expected, abs=1e-3), (record.pair_id, record.arm)


@pytest.mark.parametrize("rows", [[584, 770, 1117], [1117], [770, 0, 1, 2, 3, 584]], ids=str)
def test_numbers_that_float32_gets_wrong(demo: LoadedModel, rows: list[int]) -> None:
    # These sentences drive activations to 25,000. The golden program itself, run on another processor,
    # gives numbers that are up to 1.21e-3 away from the golden ones here; float64 values are within 7e-4.
    known = golden()
    pairs = [crows_pairs()[row] for row in rows]
    for record in measure(demo, *pairs):
        expected = float(known[record.pair_id][f"ll_sent_{record.arm}"])
        assert record.value == pytest.approx(expected, abs=8e-4), (record.pair_id, record.arm)


@pytest.mark.slow
def test_every_golden_number(demo: LoadedModel) -> None:
    for record, expected in golden_rows(demo, 0, 1508):
        assert record.value == pytest.approx(expected, abs=1e-3), (record.pair_id, record.arm)


def test_log_likelihood_and_log_odds(model: LoadedModel) -> None:
    pair = tiny.pair("hairdresser", "doctor")
    found = {(r.arm, r.measure): r.value for r in measure(model, pair)}
    for text in (pair.a, pair.b):
        ids = model.encode(text.text).ids
        whole = stock_log_probability(model, ids[:1], ids[1:])
        assert found[text.arm, "log_likelihood"] == pytest.approx(whole, abs=1e-3)
        first, second = (
            stock_log_probability(model, ids, model.encode(text.text + completion).ids[len(ids) :])
            for completion in (" doctor", " hairdresser")
        )
        assert found[text.arm, "completion_log_odds"] == pytest.approx(first - second, abs=1e-3)


def test_pairs_without_completions_have_no_log_odds(model: LoadedModel) -> None:
    records = measure(model, replace(tiny.pair(), completions=None))
    assert [record.measure for record in records] == ["log_likelihood"] * 2


def test_without_bos_the_first_context_is_eos() -> None:
    model, pair = tiny.decoder(bos=False), tiny.pair()
    found = {(r.arm, r.measure): r.value for r in measure(model, pair)}
    eos = model.tokenizer.eos_token_id
    for text in (pair.a, pair.b):
        expected = stock_log_probability(model, (eos,), model.encode(text.text).ids)
        assert found[text.arm, "log_likelihood"] == pytest.approx(expected, abs=1e-4)
    assert found["she", "completion_log_odds"] is not None


def test_with_neither_bos_nor_eos_the_likelihood_is_undefined() -> None:
    model = tiny.decoder(bos=False)
    model.tokenizer.eos_token = None
    reasons = {
        record.measure: (record.value is None, record.reason) for record in measure(model, tiny.pair())
    }
    why = "the tokenizer has neither BOS nor EOS, so the first token has no context"
    assert reasons["log_likelihood"] == (True, why)
    assert reasons["completion_log_odds"] == (False, None)


def test_a_text_that_fills_the_window_has_no_room_for_its_first_context() -> None:
    model = tiny.decoder(bos=False)
    model.__dict__["max_length"] = len(model.encode(tiny.pair().a.text).ids) - 1
    records = measure(model, replace(tiny.pair(), completions=None))
    assert {r.reason for r in records} == {
        "the text with its first context does not fit into the context window"
    }


@pytest.mark.parametrize("bos", [True, False])
def test_referents_are_scored_after_the_question_whom_the_pronoun_stands_for(bos: bool) -> None:
    # The tiny tokenizer adds no special token by itself, so neither does the question.
    model = tiny.decoder(bos=bos)
    pair = replace(
        tiny.pair("hairdresser", "doctor"), referents=("doctor", "hairdresser"), gold="hairdresser"
    )
    found = {r.arm: r for r in measure(model, pair) if r.measure == "referent_log_odds"}
    for text, pronoun in ((pair.a, "She"), (pair.b, "He")):
        prompt = tuple(model.tokenizer(f"{text.text} ‘{pronoun}’ refers to the")["input_ids"])
        scores = {}
        for word in ("doctor", "hairdresser"):
            whole = tuple(model.tokenizer(f"{text.text} ‘{pronoun}’ refers to the {word}")["input_ids"])
            scores[word] = stock_log_probability(model, prompt, whole[len(prompt) :])
        record = found[text.arm]
        assert record.value == pytest.approx(scores["hairdresser"] - scores["doctor"], abs=1e-4)
        assert record.text == max(scores, key=lambda word: scores[word])


def test_without_a_gold_referent_nobody_is_asked(model: LoadedModel) -> None:
    assert "referent_log_odds" not in {record.measure for record in measure(model, tiny.pair())}


def test_a_completion_that_merges_with_the_text_is_undefined(model: LoadedModel) -> None:
    pair = replace(tiny.pair(tail="said nur"), completions=("se", " doctor"))
    odds = [record for record in measure(model, pair) if record.measure == "completion_log_odds"]
    assert [record.value for record in odds] == [None, None]
    assert all("merges" in str(record.reason) for record in odds)
