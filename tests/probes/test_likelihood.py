"""Likelihoods, against numbers that another program found on the same model and texts."""

from __future__ import annotations

import copy
import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.likelihood import LikelihoodProbe
from probes.model import LoadedModel
from tests.probes import tiny
from tests.probes.test_reading import stock_log_probability

SHARED = Path(__file__).parents[3] / "shared"
#: lm-evaluation-harness 0.4.13, float32, the same GGUF file dequantised.
GOLDEN = SHARED / "golden" / "crows_pairs_smollm2_135m_fp32.csv"
SENTENCES = SHARED / "data" / "crows_pairs" / "crows_pairs_anonymized.csv"


def measure(model: LoadedModel, *pairs: Pair) -> list[OutputRecord]:
    config = RunConfig(probes=("likelihood",))
    return list(LikelihoodProbe().measure(model, pairs, config, HeadChoice()))


def crows_pairs() -> list[Pair]:
    """Every pair of CrowS-Pairs, the more stereotypical sentence first."""
    with SENTENCES.open(encoding="utf-8", newline="") as stream:
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


def golden_rows(model: LoadedModel, start: int, stop: int) -> list[tuple[OutputRecord, float]]:
    """What was measured, beside what the other program found."""
    if not (GOLDEN.is_file() and SENTENCES.is_file()):
        pytest.skip("needs ../shared/golden and ../shared/data/crows_pairs")
    with GOLDEN.open(encoding="utf-8", newline="") as stream:
        golden = {row["row"]: row for row in csv.DictReader(stream)}
    records = measure(model, *crows_pairs()[start:stop])
    assert len(records) == 2 * (stop - start)
    return [(record, float(golden[record.pair_id][f"ll_sent_{record.arm}"])) for record in records]


@torch.no_grad()
def exact_log_likelihood(model: LoadedModel, text: str) -> float:
    """The same with every weight and every product in float64."""
    ids = torch.tensor([model.encode(text).ids])
    logits = copy.deepcopy(model.net).double()(input_ids=ids).logits[0, :-1]
    return float(logits.log_softmax(-1).gather(-1, ids[0, 1:, None]).sum())


def test_crows_pairs_golden_numbers(demo: LoadedModel) -> None:
    for record, expected in golden_rows(demo, 0, 24):
        assert record.value == pytest.approx(expected, abs=1e-3), (record.pair_id, record.arm)


@pytest.mark.slow
def test_every_golden_number(demo: LoadedModel) -> None:
    # A few sentences (they start with "Greg" or "Ca'daan") drive activations to 20,000, and float32
    # products then round differently on every processor: there, both programs must be within 1e-3
    # of the float64 value, which leaves them up to 2e-3 apart.
    sentences = {pair.pair_id: {"more": pair.a.text, "less": pair.b.text} for pair in crows_pairs()}
    far = [
        (record, expected)
        for record, expected in golden_rows(demo, 0, 1508)
        if record.value != pytest.approx(expected, abs=1e-3)
    ]
    assert len(far) <= 10
    for record, expected in far:
        exact = exact_log_likelihood(demo, sentences[record.pair_id][record.arm])
        assert record.value == pytest.approx(exact, abs=1e-3), (record.pair_id, record.arm)
        assert expected == pytest.approx(exact, abs=1e-3), (record.pair_id, record.arm)


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


def test_without_bos_the_likelihood_is_undefined() -> None:
    records = measure(tiny.decoder(bos=False), tiny.pair())
    reasons = {record.measure: (record.value is None, record.reason) for record in records}
    why = "the tokenizer has no BOS token, so the first token has no context"
    assert reasons["log_likelihood"] == (True, why)
    assert reasons["completion_log_odds"] == (False, None)


def test_a_completion_that_merges_with_the_text_is_undefined(model: LoadedModel) -> None:
    pair = replace(tiny.pair(tail="said nur"), completions=("se", " doctor"))
    odds = [record for record in measure(model, pair) if record.measure == "completion_log_odds"]
    assert [record.value for record in odds] == [None, None]
    assert all("merges" in str(record.reason) for record in odds)
