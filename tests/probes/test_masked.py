"""Masked models against plain calls of stock transformers."""

from __future__ import annotations

import difflib

import pytest
import torch
from transformers import pipeline

from audit.pairs import MASK, SEP
from probes.masked import MaskedProbe
from tests.probes.answering import log_probability, measured, model, pair

MASKED = ["BertForMaskedLM", "RobertaForMaskedLM"]


@pytest.mark.parametrize("name", MASKED)
def test_pseudo_log_likelihoods_are_sums_over_tokens_masked_in_turn(name: str) -> None:
    loaded = model(name)
    one = pair("masked", "The nurse met the doctor, {} said.", arms=("she", "he pilots"))
    found = measured(MaskedProbe(), loaded, one, pair("masked", "{} was kind.", name="q"))
    both = [loaded.tokenizer(text.text)["input_ids"] for text in (one.a, one.b)]
    blocks = difflib.SequenceMatcher(None, *both).get_matching_blocks()
    for side, (ids, text) in enumerate(zip(both, (one.a, one.b), strict=True)):
        scores = {}
        for place in range(1, len(ids) - 1):
            hidden = [*ids[:place], loaded.tokenizer.mask_token_id, *ids[place + 1 :]]
            scores[place] = log_probability(loaded, hidden, place, ids[place])
        shared = {block[side] + step for block in blocks for step in range(block.size)}
        whole = found["p", text.arm, "pseudo_log_likelihood"].value
        assert whole == pytest.approx(sum(scores.values()), abs=1e-4)
        common = found["p", text.arm, "shared_pseudo_log_likelihood"].value
        assert common == pytest.approx(sum(v for p, v in scores.items() if p in shared), abs=1e-4)
        assert 1 < len(scores.keys() & shared) < len(scores)


@pytest.mark.parametrize("name", MASKED)
def test_the_odds_of_a_hidden_pronoun(name: str) -> None:
    loaded = model(name)
    found = measured(
        MaskedProbe(), loaded, pair("masked", "The nurse said that {} was kind.", arms=("she", "he"))
    )
    ids = loaded.tokenizer("The nurse said that she was kind.")["input_ids"]
    he = loaded.tokenizer("The nurse said that he was kind.")["input_ids"]
    (place,) = [place for place, (a, b) in enumerate(zip(ids, he, strict=True)) if a != b]
    hidden = [*ids[:place], loaded.tokenizer.mask_token_id, *ids[place + 1 :]]
    odds = log_probability(loaded, hidden, place, ids[place]) - log_probability(
        loaded, hidden, place, he[place]
    )
    assert found["p", "she", "pronoun_log_odds"].value == pytest.approx(odds, abs=1e-5)
    assert found["p", "he", "pronoun_log_odds"].value == pytest.approx(-odds, abs=1e-5)
    unequal = measured(
        MaskedProbe(), loaded, pair("masked", "It was {} who left.", arms=("she", "the pilots"))
    )
    assert unequal["p", "she", "pronoun_log_odds"].value is None
    assert "cannot stand for both pronouns" in str(unequal["p", "she", "pronoun_log_odds"].reason)


@pytest.mark.parametrize("name", MASKED)
def test_fillings_of_a_mask_are_those_of_the_pipeline(name: str) -> None:
    loaded = model(name)
    one = pair("masked", f"The {{}} said that {MASK} was kind.", (" she", " he"), arms=("nurse", "doctor"))
    found = measured(MaskedProbe(), loaded, one)
    fill = pipeline("fill-mask", model=loaded.net, tokenizer=loaded.tokenizer, top_k=len(loaded.tokenizer))
    for text in (one.a, one.b):
        scores = {
            each["token_str"]: each["score"]
            for each in fill(text.text.replace(MASK, loaded.tokenizer.mask_token))
        }
        space = " " if name.startswith("Roberta") else ""
        odds = torch.tensor([scores[f"{space}she"], scores[f"{space}he"]]).log()
        value = found["p", text.arm, "completion_log_odds"].value
        assert value == pytest.approx(float(odds[0] - odds[1]), abs=1e-4)
    assert {measure for *_, measure in found} == {"completion_log_odds"}


@pytest.mark.parametrize("name", MASKED)
def test_marked_texts_keep_the_offsets_of_the_suite(name: str) -> None:
    loaded = model(name)
    text = f"Who left?{SEP}The nurse said that {MASK} was kind, {MASK} said."
    found = loaded.encode(text)
    words = [text[start:end].strip() for start, end in found.offsets if end > start]
    assert "".join(words) == text.replace(SEP, "").replace(" ", "")
    masks = [place for place, token in enumerate(found.ids) if token == loaded.tokenizer.mask_token_id]
    assert [text[slice(*found.offsets[place])].strip() for place in masks] == [MASK, MASK]
    parts = [part.replace(MASK, loaded.tokenizer.mask_token) for part in text.split(SEP)]
    assert list(found.ids) == loaded.tokenizer(*parts)["input_ids"]
    assert set(found.types) == ({0, 1} if name.startswith("Bert") else set())
