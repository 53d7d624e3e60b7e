"""Continuations: greedy as transformers writes them, samples from the seed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from audit.config import GenerationSettings, RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.decoding import Sampling, continue_texts
from probes.generation import GenerationProbe
from probes.model import LoadedModel
from tests.probes import tiny

PAIRS = (tiny.pair(name="p1"), tiny.pair("hairdresser", "plumbers", name="p2", tail="said"))


def measure(model: LoadedModel, *pairs: Pair, seed: int = 0, **settings: Any) -> list[OutputRecord]:
    config = RunConfig(seed=seed, generation=GenerationSettings(**{"max_new_tokens": 8, **settings}))
    return list(GenerationProbe().measure(model, pairs, config, HeadChoice()))


def texts(records: list[OutputRecord], measure: str) -> list[str | None]:
    return [record.text for record in records if record.measure == measure]


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "mistral"])
def test_greedy_continuations_equal_those_of_transformers(family: str) -> None:
    model = tiny.decoder(family)
    prompts = [model.encode(text.text).ids for pair in PAIRS for text in (pair.a, pair.b)]
    found = continue_texts(model, prompts, 8)
    for prompt, tokens in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt])
        whole = model.net.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, pad_token_id=0
        )
        expected = [token for token in whole[0, len(prompt) :].tolist() if token != 2]
        assert list(tokens) == expected


def test_end_of_text_ends_a_continuation(model: LoadedModel) -> None:
    prompt = model.encode(PAIRS[0].a.text).ids
    (tokens,) = continue_texts(model, [prompt], 8)
    model.net.generation_config.eos_token_id = [tokens[3], 2]
    try:
        (shorter,) = continue_texts(model, [prompt], 8)
    finally:
        model.net.generation_config.eos_token_id = 2
    assert shorter == tokens[: tokens.index(tokens[3])]


def test_samples_come_from_the_seed_and_not_from_the_batch(model: LoadedModel) -> None:
    together = measure(model, *PAIRS, samples=2)
    alone = [record for pair in PAIRS for record in measure(model, pair, samples=2)]
    assert together == alone
    assert {record.measure for record in together} == {
        "generation",
        "generation_sample_0",
        "generation_sample_1",
    }
    other = measure(model, *PAIRS, samples=2, seed=1)
    assert texts(other, "generation") == texts(together, "generation")
    assert texts(other, "generation_sample_0") != texts(together, "generation_sample_0")
    assert texts(together, "generation_sample_0") != texts(together, "generation_sample_1")


def test_both_arms_are_sampled_with_the_same_numbers(model: LoadedModel) -> None:
    same = replace(PAIRS[0], b=replace(PAIRS[0].a, arm="he"))
    one, other = texts(measure(model, same, samples=1), "generation_sample_0")
    assert one == other


def test_the_global_generator_is_left_alone(model: LoadedModel) -> None:
    before = torch.get_rng_state()
    measure(model, *PAIRS, samples=2)
    assert torch.equal(before, torch.get_rng_state())


@torch.no_grad()
def test_tokens_are_drawn_as_often_as_they_are_likely(model: LoadedModel) -> None:
    prompt = model.encode("The nurse").ids
    sampling = Sampling(temperature=200.0, top_p=1.0)
    logits = model.net(input_ids=torch.tensor([prompt])).logits[0, -1].double()
    expected = (logits / sampling.temperature).softmax(-1)
    draws = 3000
    chances = torch.rand(draws, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = continue_texts(model, [prompt] * draws, 1, chances, sampling)
    counts = torch.bincount(torch.tensor([row[0] if row else 2 for row in found]), minlength=tiny.SIZE)
    errors = (counts / draws - expected) / (expected * (1 - expected) / draws).sqrt()
    assert float(errors.abs().max()) < 4.5


@torch.no_grad()
def test_top_p_keeps_to_the_nucleus(model: LoadedModel) -> None:
    prompt = model.encode("The nurse").ids
    probabilities = (model.net(input_ids=torch.tensor([prompt])).logits[0, -1].double() / 200).softmax(-1)
    ranked, tokens = probabilities.sort(descending=True)
    nucleus = set(tokens[: int((ranked.cumsum(-1) < 0.3).sum()) + 1].tolist())
    chances = torch.linspace(0, 1, 201, dtype=torch.float64)[:-1, None]
    found = continue_texts(model, [prompt] * 200, 1, chances, Sampling(200.0, 0.3))
    assert {row[0] if row else 2 for row in found} == nucleus


def test_values_are_numbers_of_tokens(model: LoadedModel) -> None:
    for record in measure(model, PAIRS[0]):
        assert record.value is not None
        assert 0 <= record.value <= 8
        assert isinstance(record.text, str)


def test_only_the_kinds_of_the_config_are_continued() -> None:
    probe, control = GenerationProbe(), tiny.pair(kind="control")
    assert probe.wants(PAIRS[0], RunConfig())
    assert not probe.wants(control, RunConfig())


def test_a_text_without_room_for_a_continuation(model: LoadedModel) -> None:
    assert {record.reason for record in measure(model, PAIRS[0], max_new_tokens=51)} == {None}
    full = measure(model, PAIRS[0], max_new_tokens=52)
    assert {record.reason for record in full} == {
        "text and continuation need 65 tokens, the context window holds 64"
    }


def test_nan_logits_name_the_pair() -> None:
    model = tiny.decoder()
    with torch.no_grad():
        model.net.lm_head.weight[7] = float("nan")
    with pytest.raises(MeasurementError, match=r"^tiny: pair p1: the model's logits are NaN$"):
        measure(model, *PAIRS)


def test_an_encoder_says_why_it_writes_nothing(model: LoadedModel) -> None:
    encoder = LoadedModel("e", model.net, model.tokenizer, "encoder", {}, "masked-lm")
    records = measure(encoder, *PAIRS)
    assert {(record.value, record.text) for record in records} == {(None, None)}
    assert {record.reason for record in records} == {
        "continuations need a decoder with a language-model head; this is an encoder (masked-lm)"
    }
