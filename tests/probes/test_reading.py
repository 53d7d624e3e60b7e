"""One pass for many texts gives what each text gives alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.protocols import HeadChoice
from probes import layer_groups, prefix_tree, reading, sequences
from probes.attention import AttentionProbe
from probes.likelihood import LikelihoodProbe
from probes.model import LoadedModel
from probes.pair_rows import PairRows
from probes.reading import Reading, read
from probes.token_sequence import Receiver
from probes.whole_attention import read_whole
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

    def counted(model: LoadedModel, wanted: Any, receive: Receiver) -> Any:
        seen.append(len(wanted))
        return sequences.run(model, wanted, receive)

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


def assert_same_measures(one: Reading, other: Reading) -> None:
    for pair_id, streams in other.measures.items():
        for stream, (measures, reasons) in streams.items():
            known, same = one.measures[pair_id][stream]
            assert (known.keys(), same) == (measures.keys(), reasons)
            for name, values in measures.items():
                np.testing.assert_allclose(known[name], values, atol=1e-5, err_msg=f"{pair_id} {name}")


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_a_batch_equals_each_pair_alone(family: str) -> None:
    model = tiny.decoder(family)
    together = read(model, PAIRS)
    for pair in PAIRS:
        alone = read(model, [pair])
        assert_same_measures(together, alone)
        for text in (pair.a.text, pair.b.text):
            one, other = together.texts[text], alone.texts[text]
            np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=2e-4)
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
    assert not read(model, PAIRS, rows=False).measures
    assert read(model, PAIRS, rows=True).measures.keys() == {pair.pair_id for pair in PAIRS}
    assert len(passes) == 2


def test_the_size_of_the_batches_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    large = read(tiny.decoder(), PAIRS)
    monkeypatch.setattr(prefix_tree, "_NODES", 1)
    small = read(tiny.decoder(), PAIRS)
    assert_same_measures(small, large)
    for text, found in large.texts.items():
        np.testing.assert_allclose(found.log_probabilities, small.texts[text].log_probabilities, atol=2e-4)


def test_whole_texts_have_every_row(model: LoadedModel) -> None:
    weights = read_whole(model, PAIRS[0].a.text).weights["self"]
    tokens = len(model.encode(PAIRS[0].a.text).ids)
    assert weights.shape == (3, 4, tokens, tokens)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


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


@pytest.mark.parametrize("held", [1, 300])
@pytest.mark.parametrize("trees", [True, False])
def test_how_many_layers_and_pairs_are_held_at_once_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch, held: int, trees: bool
) -> None:
    monkeypatch.setattr(sequences, "takes_trees", lambda *_: trees)
    monkeypatch.setattr(prefix_tree, "_NODES", 1)
    every = read(tiny.decoder(), PAIRS)
    monkeypatch.setattr(layer_groups, "_HELD", held)
    few = read(tiny.decoder(), PAIRS)
    for pair_id, streams in every.measures.items():
        for name, values in streams["self"][0].items():
            np.testing.assert_array_equal(few.measures[pair_id]["self"][0][name], values)


def test_pairs_with_much_attention_are_read_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, passes: list[int]
) -> None:
    together = read(tiny.decoder(), PAIRS)
    monkeypatch.setattr(reading, "_HELD", 1)
    passes.clear()
    assert_same_measures(read(tiny.decoder(), PAIRS), together)
    assert len(passes) == len(PAIRS)


def test_no_attention_is_held_once_a_pair_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[PairRows] = []
    right = PairRows.receive

    def noted(self: PairRows, captured: Any) -> None:
        right(self, captured)
        seen.append(self)

    monkeypatch.setattr(PairRows, "receive", noted)
    read(tiny.decoder(), PAIRS)
    assert seen
    assert not any(seen[-1]._held.values())
