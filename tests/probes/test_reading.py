"""One pass for many texts gives what each text gives alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.protocols import HeadChoice
from probes import prefix_tree, reading, sequences
from probes.attention import AttentionProbe
from probes.likelihood import LikelihoodProbe
from probes.model import LoadedModel
from probes.reading import read, read_whole
from tests.probes import tiny

PAIRS = (
    tiny.pair("nurse", "doctor", name="p1"),
    tiny.pair("hairdresser", "plumbers", name="p2", tail="said"),
    tiny.pair("nurse", "engineer", name="p3", tail="", order=1),
    tiny.pair("hairdresser", "doctor", name="p4"),
)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of sequences of each run."""
    seen: list[int] = []

    def counted(model: LoadedModel, wanted: Any) -> Any:
        seen.append(len(wanted))
        return sequences.run(model, wanted)

    monkeypatch.setattr(reading, "run", counted)
    return seen


@torch.no_grad()
def stock_log_probability(model: LoadedModel, prompt: tuple[int, ...], tokens: tuple[int, ...]) -> float:
    """Token by token, each from a full pass of its own."""
    total, ids = 0.0, list(prompt)
    for token in tokens:
        logits = model.net(input_ids=torch.tensor([ids])).logits[0, -1].double()
        total += float(logits.log_softmax(-1)[token])
        ids.append(token)
    return total


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_a_batch_equals_each_pair_alone(family: str) -> None:
    model = tiny.decoder(family)
    together = read(model, PAIRS)
    for pair in PAIRS:
        alone = read(model, [pair])
        for text in (pair.a.text, pair.b.text):
            one, other = together.texts[text], alone.texts[text]
            assert one.rows == other.rows
            np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=2e-4)
            np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)
            np.testing.assert_allclose(one.norms, other.norms, atol=1e-4, rtol=1e-4)
            for completion, value in other.completions.items():
                assert one.completions[completion] == pytest.approx(value, abs=2e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_completions_of_any_length_equal_a_pass_for_each_token(family: str) -> None:
    model = tiny.decoder(family)
    found = read(model, PAIRS)
    lengths = set()
    for pair in PAIRS:
        for completion, value in found.texts[pair.a.text].completions.items():
            prompt = model.encode(pair.a.text).ids
            tokens = model.encode(pair.a.text + completion).ids[len(prompt) :]
            lengths.add(len(tokens))
            assert value == pytest.approx(stock_log_probability(model, prompt, tokens), abs=2e-4)
    assert lengths == {1, 2, 3}


def test_log_probabilities_equal_a_pass_for_each_token(model: LoadedModel) -> None:
    text = PAIRS[1].a.text
    found = read(model, PAIRS).texts[text]
    ids = model.encode(text).ids
    for place in (0, 3, len(ids) - 2):
        expected = stock_log_probability(model, ids[: place + 1], (ids[place + 1],))
        assert found.log_probabilities[place] == pytest.approx(expected, abs=2e-4)


def test_identical_texts_are_read_once(passes: list[int]) -> None:
    model = tiny.decoder()
    same = tiny.pair("nurse", "doctor", name="again")
    read(model, [PAIRS[0], same], scores=False)
    assert passes == [2]


def test_both_probes_share_one_pass(passes: list[int]) -> None:
    model, config = tiny.decoder(), RunConfig()
    list(AttentionProbe().measure(model, PAIRS, config, HeadChoice()))
    list(LikelihoodProbe().measure(model, PAIRS, config, HeadChoice()))
    assert len(passes) == 1
    list(LikelihoodProbe().measure(model, PAIRS[:2], config, HeadChoice()))
    assert len(passes) == 2


def test_a_reading_without_rows_does_not_serve_for_one_with_rows(passes: list[int]) -> None:
    model = tiny.decoder()
    assert read(model, PAIRS, rows=False).texts[PAIRS[0].a.text].weights is None
    assert read(model, PAIRS, rows=True).texts[PAIRS[0].a.text].weights is not None
    assert len(passes) == 2


def test_the_size_of_the_batches_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    large = read(tiny.decoder(), PAIRS)
    monkeypatch.setattr(prefix_tree, "_NODES", 1)
    small = read(tiny.decoder(), PAIRS)
    for text, found in large.texts.items():
        np.testing.assert_allclose(found.log_probabilities, small.texts[text].log_probabilities, atol=2e-4)
        np.testing.assert_allclose(found.weights, small.texts[text].weights, atol=1e-5)


def test_whole_texts_have_every_row(model: LoadedModel) -> None:
    found = read_whole(model, [PAIRS[0].a.text])[PAIRS[0].a.text]
    tokens = len(found.encoding.ids)
    assert found.rows == tuple(range(tokens))
    assert found.weights is not None
    assert found.weights.shape == (3, 4, tokens, tokens)
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-5)


def test_nan_logits_name_the_pair() -> None:
    model = tiny.decoder()
    with torch.no_grad():
        model.net.model.embed_tokens.weight[tiny.VOCABULARY["engineer"]] = float("nan")
    assert read(model, PAIRS[:2]).texts
    with pytest.raises(MeasurementError, match=r"^tiny: pair p3: the model's logits are NaN$"):
        read(model, PAIRS)


def test_a_completion_that_does_not_fit_is_left_unscored() -> None:
    model = tiny.decoder()
    model.__dict__["max_length"] = len(model.encode(PAIRS[1].a.text).ids)
    found = read(model, PAIRS[1:2])
    assert set(found.unscored.values()) == {"text and completion do not fit into the context window"}


def test_nan_logits_are_seen_where_nothing_is_scored() -> None:
    model = tiny.decoder()
    with torch.no_grad():
        model.net.model.norm.weight[0] = float("nan")
    with pytest.raises(MeasurementError, match="the model's logits are NaN"):
        read(model, PAIRS, scores=False)


def test_the_vocabulary_is_not_met_where_nothing_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.decoder()
    monkeypatch.setattr(model.net.lm_head, "forward", lambda _: pytest.fail("the vocabulary was met"))
    assert not len(read(model, PAIRS, scores=False).texts[PAIRS[0].a.text].log_probabilities)
