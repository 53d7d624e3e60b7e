"""Sets of heads edited in whole pairs, and what that costs on neutral text."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.protocols import HeadChoice
from probes.ablation import ablate
from probes.intervention import Kind
from probes.perplexity import perplexities
from tests.probes import tiny
from tests.probes.test_branch import oracle
from tests.probes.test_causal import log_odds, measure

BOTH = HeadChoice(frozenset({(0, 1), (2, 3)}), frozenset({(1, 0)}))


@torch.no_grad()
def by_hand(model: tiny.LoadedModel, pair: tiny.Pair, edit: object) -> list[float]:
    """``y`` of both arms: two whole texts in one batch of plain attention, edited."""
    texts = [model.encode(text.text).ids for text in (pair.a, pair.b)]
    hidden, _ = oracle(model.net, torch.tensor(texts), edit)
    logits = model.net.get_output_embeddings()(hidden[:, -1]).log_softmax(-1)
    first, second = (model.encode(word.strip()).ids[-1] for word in pair.completions or ())
    return (logits[:, first] - logits[:, second]).tolist()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_rows_set_to_the_arms_mean_equal_whole_texts_edited_by_hand(family: str) -> None:
    model, pair = tiny.decoder(family), tiny.pair("nurse", "doctor")
    tokens = [token.strip() for token in model.encode(pair.a.text).tokens]
    pronoun, last = tokens.index("She"), len(tokens) - 1

    def edit(layer: int, weights: torch.Tensor) -> None:
        for heads, row in ((BOTH.pronoun, pronoun), (BOTH.next, last)):
            for _, head in (place for place in heads or () if place[0] == layer):
                weights[:, head, row] = weights[:, head, row].mean(0, keepdim=True)

    (found,) = ablate(model, [pair], [BOTH], "arms-mean")
    assert found.log_odds is not None
    unedited = [log_odds(model, pair, text.text, [], [], None) for text in (pair.a, pair.b)]
    np.testing.assert_allclose(found.log_odds[0], unedited, atol=1e-4)
    np.testing.assert_allclose(found.log_odds[1], by_hand(model, pair, edit), atol=1e-4)
    assert np.abs(found.log_odds[1] - found.log_odds[0]).max() > 1e-3


def test_all_heads_at_their_mean_leave_no_difference_but_the_word_itself() -> None:
    """Every row after the swapped word averaged: what remains passes through the word's own vector."""
    model, pair = tiny.decoder(), tiny.pair("nurse", "doctor")
    everything = frozenset(np.ndindex(model.layers, model.heads))
    (found,) = ablate(model, [pair], [HeadChoice(everything, everything)], "arms-mean")
    (causal,) = measure(model, pair)
    assert found.log_odds is not None
    assert np.isfinite(found.log_odds).all()
    assert causal.measures["nie"].shape == (model.layers, model.heads)


def test_one_head_alone_falls_by_about_its_own_effect() -> None:
    """Averaged rows take half of the exchange away in each arm: the fall is near NIE for small effects."""
    model, pair = tiny.decoder(seed=3), tiny.pair("nurse", "doctor")
    (record,) = measure(model, pair)
    places = list(np.ndindex(model.layers, model.heads))
    sets = [HeadChoice(frozenset({place}), frozenset()) for place in places]
    (found,) = ablate(model, [pair], sets, "arms-mean")
    assert found.log_odds is not None
    effect = found.log_odds[:, 0] - found.log_odds[:, 1]
    falls, nies = effect[0] - effect[1:], np.array([record.measures["nie"][place] for place in places])
    assert np.corrcoef(falls, nies)[0, 1] > 0.9


def test_a_pair_that_cannot_be_intervened_on_says_why() -> None:
    pair = tiny.pair("nurse", "doctor")
    longer = replace(pair, b=replace(pair.b, text=pair.b.text.replace("He said", "He said said")))
    (found,) = ablate(tiny.decoder(), [longer], [BOTH], "zero")
    assert found.log_odds is None
    assert found.reason == "attention rows cannot be exchanged: 13 against 14 tokens"


@torch.no_grad()
@pytest.mark.parametrize("kind", ["zero", "uniform"])
def test_perplexity_of_edited_heads_equals_whole_texts_edited_by_hand(kind: Kind) -> None:
    model = tiny.decoder()
    texts = ["The doctor told the nurse .", "On Monday the engineer asked a question ."]
    chosen = frozenset({(0, 1), (2, 3)})

    def edit(layer: int, weights: torch.Tensor) -> None:
        for _, head in (place for place in chosen if place[0] == layer):
            length = weights.shape[-1]
            even = torch.ones(length, length).tril() / torch.arange(1, length + 1)[:, None]
            weights[:, head] = even if kind == "uniform" else 0

    expected = []
    for edited in (None, edit):
        total, count = 0.0, 0
        for text in texts:
            ids = torch.tensor([model.encode(text).ids])
            hidden, _ = oracle(model.net, ids, edited)
            scores = model.net.get_output_embeddings()(hidden[0, :-1]).log_softmax(-1)
            total += float(scores.gather(-1, ids[0, 1:, None]).sum())
            count += ids.shape[1] - 1
        expected.append(math.exp(-total / count))
    found = perplexities(model, texts, [chosen, frozenset({(1, 1)})], kind)
    assert found[:2] == pytest.approx(expected, rel=1e-4)
    assert len(set(found.round(3))) == 3
