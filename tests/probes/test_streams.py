"""Probes on models that are no decoders: rows against eager attention, answers token by token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audit.cli import main
from audit.config import RunConfig
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.generation import GenerationProbe
from probes.likelihood import LikelihoodProbe
from probes.load import load
from probes.model import LoadedModel
from probes.routing import stock
from tests.probes import family
from tests.probes.families import FAMILIES
from tests.tiny_suite import write_suite

ENCODERS = ["bert", "deberta", "xlnet", "funnel"]
SEQ2SEQ = ["t5", "bart", "mvp"]
#: ``On Monday the nurse asked the doctor a question . She said``, and a pronoun before both candidates.
AFTER = "the nurse asked the doctor a question . {} said the"
BEFORE = "Monday {} asked the nurse about the old doctor ."


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    place = tmp_path_factory.mktemp("streams")
    return {
        name: load(str(family.folder(place / name, FAMILIES[name])))
        for name in (*ENCODERS, *SEQ2SEQ, "bloom", "gptoss", "lfm2", "gptbigcode", "openai-gpt")
    }


def pair(template: str = AFTER, name: str = "p") -> Pair:
    texts = []
    for arm, group, word in (("she", "female", "She"), ("he", "male", "He")):
        text = template.format(word)
        spans = {
            role: (text.index(said), text.index(said) + len(said))
            for role, said in ((PRONOUN, word), (CANDIDATE_1, "nurse"), (CANDIDATE_2, "doctor"))
        }
        texts.append(Text(arm, group, text, (spans[PRONOUN],), spans))
    completions = (" doctor", " nurse said")
    return Pair(
        "s",
        name,
        "gender",
        "treatment",
        None,
        "t",
        "nurse/doctor",
        0,
        True,
        *texts,
        completions,
        None,
        "s.yaml",
        1,
    )


def records(probe: Any, model: LoadedModel, *pairs: Pair) -> list[Any]:
    return list(probe.measure(model, pairs, RunConfig(), HeadChoice(None, None)))


def reported(model: LoadedModel, text: str) -> Any:
    """What stock transformers says about one text."""
    ids = torch.tensor([model.encode(text).ids])
    extra = (
        {"decoder_input_ids": torch.tensor([model.target_start])} if model.family == "encoder-decoder" else {}
    )
    with stock(model.net, "eager"), torch.no_grad():
        return model.net(input_ids=ids, output_attentions=True, **extra)


def tokens_of(model: LoadedModel, text: str, word: str) -> int:
    at = text.index(word)
    return next(i for i, (start, end) in enumerate(model.encode(text).offsets) if start <= at < end)


def lean(model: LoadedModel, text: str, rows: list[np.ndarray]) -> np.ndarray:
    """Attention to the nurse less that to the doctor, ``[layers, heads]``, from one row of each layer."""
    nurse, doctor = (tokens_of(model, text, word) for word in ("nurse", "doctor"))
    return np.stack([row[:, nurse] - row[:, doctor] for row in rows])


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("template", [AFTER, BEFORE])
def test_an_encoder_is_read_both_ways(name: str, template: str, loaded: dict[str, LoadedModel]) -> None:
    model, one = loaded[name], pair(template)
    (record,) = records(AttentionProbe(), model, one)
    assert record.stream == "self"
    for arm, text, word in (("a", one.a.text, "She"), ("b", one.b.text, "He")):
        row = tokens_of(model, text, word)
        length = len(model.encode(text).ids)
        matrices = [m[0].numpy() for m in reported(model, text).attentions]
        whole = [m for m in matrices if m.shape[-2:] == (length, length)]
        found = record.measures[f"coref_{arm}"]
        missing = model.anatomy.missing("self")
        assert np.isnan(found[list(missing)]).all()
        there = [layer for layer in range(model.layers) if layer not in missing]
        np.testing.assert_allclose(found[there], lean(model, text, [m[:, row] for m in whole]), atol=1e-5)
    assert (
        record.reasons["bias_next"] == "an encoder looks both ways and has no row that predicts the next word"
    )
    assert np.nanmax(np.abs(record.measures["bias"])) > 1e-4


def test_a_decoder_still_does_not_look_ahead(loaded: dict[str, LoadedModel]) -> None:
    (record,) = records(AttentionProbe(), loaded["bloom"], pair(BEFORE))
    assert record.reasons["bias"] == "a candidate comes after the pronoun, where a decoder does not look"
    assert record.reasons["value_weighted"] == (
        "this family bypasses the attention interface, and its values are not seen"
    )


def test_words_before_the_swap_are_compared_in_an_encoder(loaded: dict[str, LoadedModel]) -> None:
    """Only the last word is swapped, so a decoder has one row to compare, and an encoder all of them."""
    one = pair("the nurse asked the doctor a question {}")
    (encoder,) = records(AttentionProbe(), loaded["bert"], one)
    rows = []
    for text in (one.a.text, one.b.text):
        matrices = [m[0].double().numpy() for m in reported(loaded["bert"], text).attentions]
        rows.append(np.stack(matrices))
    expected = np.abs(rows[0] - rows[1]).sum(-1).mean(-1) / 2
    np.testing.assert_allclose(encoder.measures["total_variation"], expected, atol=1e-5)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_an_encoder_decoder_has_two_streams(name: str, loaded: dict[str, LoadedModel]) -> None:
    model, one = loaded[name], pair(BEFORE)
    found: dict[str, HeadRecord] = {r.stream: r for r in records(AttentionProbe(), model, one)}
    assert set(found) == {"encoder", "cross"}
    for arm, text, word in (("a", one.a.text, "She"), ("b", one.b.text, "He")):
        output, row = reported(model, text), tokens_of(model, text, word)
        encoder = [m[0, :, row].numpy() for m in output.encoder_attentions]
        cross = [m[0, :, -1].numpy() for m in output.cross_attentions]
        measures = found["encoder"].measures
        np.testing.assert_allclose(measures[f"coref_{arm}"], lean(model, text, encoder), atol=1e-5)
        measures = found["cross"].measures
        np.testing.assert_allclose(measures[f"coref_{arm}_next"], lean(model, text, cross), atol=1e-5)
    assert found["cross"].measures["jsd"].shape == (
        3,
        FAMILIES[name].settings.get("decoder_attention_heads", 4),
    )
    assert found["cross"].reasons["bias"] == (
        "cross-attention is read from the row that predicts the first word of the answer"
    )


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_answers_are_scored_token_by_token(name: str, loaded: dict[str, LoadedModel]) -> None:
    model, pairs = loaded[name], (pair(AFTER, "p"), pair(BEFORE, "q"))
    found: list[OutputRecord] = records(LikelihoodProbe(), model, *pairs)
    odds = {(r.pair_id, r.arm): r.value for r in found if r.measure == "completion_log_odds"}
    for one in pairs:
        for text in (one.a, one.b):
            first, second = (answer(model, text.text, said) for said in one.completions or ())
            assert odds[one.pair_id, text.arm] == pytest.approx(first - second, abs=2e-4)
    unread = {(r.value, r.reason) for r in found if r.measure == "log_likelihood"}
    assert unread == {(None, "an encoder-decoder reads the text and gives no probability to it")}


@torch.no_grad()
def answer(model: LoadedModel, text: str, said: str) -> float:
    """Log-probability of an answer, each token from a full pass of its own."""
    ids, decoded, total = torch.tensor([model.encode(text).ids]), list(model.target_start), 0.0
    for token in model.tokenizer(said.strip(), add_special_tokens=False)["input_ids"]:
        logits = model.net(input_ids=ids, decoder_input_ids=torch.tensor([decoded])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[token])
        decoded.append(token)
    return total


@pytest.mark.parametrize("name", ["openai-gpt", "bloom", "gptoss", "lfm2", "gptbigcode"])
def test_likelihoods_of_unusual_decoders_equal_stock(name: str, loaded: dict[str, LoadedModel]) -> None:
    model, one = loaded[name], replace(pair(), completions=None)
    found: list[OutputRecord] = records(LikelihoodProbe(), model, one)
    for record, text in zip(found, (one.a, one.b), strict=True):
        ids = torch.tensor([model.encode(text.text).ids])
        with torch.no_grad():
            logits = model.net(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
        assert record.value == pytest.approx(float(logits.gather(-1, ids[0, 1:, None]).sum()), abs=1e-4)


def test_an_encoder_says_why_it_has_no_likelihood(loaded: dict[str, LoadedModel]) -> None:
    found: list[OutputRecord] = records(LikelihoodProbe(), loaded["bert"], pair())
    assert {(r.measure, r.value, r.reason) for r in found} == {
        (
            "log_likelihood",
            None,
            "an encoder sees both sides of every token, so a text has no likelihood from left to right",
        ),
        (
            "completion_log_odds",
            None,
            "an encoder does not continue a text, so completions have no probability",
        ),
    }


def test_an_encoder_without_a_place_to_fill_says_why_nothing_is_intervened_on(
    loaded: dict[str, LoadedModel],
) -> None:
    reason = "the text has 0 masks; expected one that the completions fill"
    (record,) = records(CausalProbe(), loaded["bert"], pair())
    assert (record.measures, record.reasons) == ({}, {"nie": reason, "nie_next": reason})


def test_a_family_without_a_cache_says_that_it_writes_nothing(loaded: dict[str, LoadedModel]) -> None:
    found: list[OutputRecord] = records(GenerationProbe(), loaded["openai-gpt"], pair())
    assert {(r.measure, r.value, r.reason) for r in found} == {
        (
            "generation",
            None,
            "continuations need a cache of keys and values, and OpenAIGPTLMHeadModel keeps none",
        )
    }


def test_what_sinks_take_is_compared_too(loaded: dict[str, LoadedModel]) -> None:
    """Rows of gpt-oss sum to less than 1; the rest is one more bin."""
    model, one = loaded["gptoss"], pair("the nurse asked the doctor a question {}")
    (record,) = records(AttentionProbe(), model, one)
    rows = [
        np.stack([m[0, :, -1].double().numpy() for m in reported(model, t.text).attentions])
        for t in (one.a, one.b)
    ]
    assert rows[0].sum(-1).min() < 0.99
    whole = [np.concatenate([r, 1 - r.sum(-1, keepdims=True)], -1) for r in rows]
    expected = np.abs(whole[0] - whole[1]).sum(-1) / 2
    np.testing.assert_allclose(record.measures["total_variation"], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "t5", "funnel", "lfm2"])
def test_a_run_ends_with_reasons(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    family.folder(tmp_path / name, FAMILIES[name])
    write_suite(tmp_path)
    capsys.readouterr()
    assert main(["run", "jobs.yaml", "--model", name, "--limit", "8", "--out", "run", "--json"]) == 3
    assert capsys.readouterr().err == ""
    assert (tmp_path / "run" / "report.html").is_file()
