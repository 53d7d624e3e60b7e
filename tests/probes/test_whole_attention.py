"""What is kept whole of a pair: every stream against stock eager attention, and queries and keys that give it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audit import kept_attention
from audit.kept_attention import KeptStream, KeptText, streams_of
from audit.pairs import PRONOUN, Pair
from audit.records import DetailRecord
from audit.store import write_detail
from probes import attention
from probes.attention import AttentionProbe
from probes.load import load
from probes.model import LoadedModel
from probes.routing import reported_attention, stock
from tests.probes import family, tiny
from tests.probes.families import FAMILIES
from tests.probes.test_streams import pair as plain_pair

PLACES = (("self", 1, 2), ("self", 0, 3))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    place = tmp_path_factory.mktemp("whole")
    return {
        name: load(str(family.folder(place / name, FAMILIES[name])))
        for name in ("bert", "t5", "bart", "bloom", "gptoss")
    }


def stock_attention(model: LoadedModel, text: str, decoded: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Stream → ``[layers, heads, queries, keys]``, as stock transformers reports it."""
    extra = {"decoder_input_ids": torch.tensor([decoded])} if decoded else {}
    with stock(model.net, "eager"), torch.no_grad():
        output = model.net(input_ids=torch.tensor([model.encode(text).ids]), output_attentions=True, **extra)
    return {
        stream: torch.stack(list(found), 1)[0].numpy() for stream, found in reported_attention(output).items()
    }


def check_against_stock(model: LoadedModel, record: DetailRecord, pair: Pair) -> None:
    by_stream = {kept.stream: kept for kept in record.streams}
    texts = pair.a.text, pair.b.text
    said = attention._decoded(model, texts)
    for side, text, decoded in zip("ab", texts, said, strict=True):
        found = {stream: getattr(kept, side) for stream, kept in by_stream.items()}
        if decoded:
            assert decoded[: len(model.target_start)] == model.target_start
            assert len(found["decoder"].queries.tokens) == len(decoded)
        for stream, whole in stock_attention(model, text, decoded).items():
            np.testing.assert_allclose(found[stream].weights, whole, atol=1e-5, err_msg=stream)


def test_a_decoder_equals_stock_attention(model: LoadedModel) -> None:
    one = tiny.pair("hairdresser", "doctor")
    record = AttentionProbe().detail(model, one, PLACES)
    (kept,) = record.streams
    check_against_stock(model, record, one)
    line = kept.a.queries
    assert line == kept.a.keys
    assert [token.strip() for token in line.tokens[:4]] == ["<s>", "The", "hair", "dresser"]
    assert line.word_of[:5] == (0, 1, 2, 2, 3)
    assert line.words == record.words_a
    assert (kept.query_matches, kept.key_matches) == (record.matches, record.matches)


@pytest.mark.parametrize("name", ["bert", "gptoss"])
def test_other_models_of_one_stream_equal_stock_attention(name: str, loaded: dict[str, LoadedModel]) -> None:
    check_against_stock(loaded[name], AttentionProbe().detail(loaded[name], plain_pair()), plain_pair())


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_an_encoder_decoder_equals_stock_attention(
    name: str, loaded: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it decodes is its own translation; cross-attention looks from there to the text."""
    monkeypatch.setattr(attention, "_WRITTEN", 4)
    record = AttentionProbe().detail(loaded[name], plain_pair(), (("encoder", 0, 1), ("cross", 1, 0)))
    check_against_stock(loaded[name], record, plain_pair())
    encoder, decoder, cross = record.streams
    assert (encoder.stream, decoder.stream, cross.stream) == ("encoder", "decoder", "cross")
    assert decoder.a.queries == cross.a.queries
    assert cross.a.keys == encoder.a.keys
    assert len(decoder.a.queries.tokens) > 1
    assert (encoder.heads, decoder.heads, cross.heads) == (((0, 1),), (), ((1, 0),))
    assert decoder.why_no_vectors == "no head of this stream has a label"
    # T5 adds a position bias to the products of its encoder.
    assert encoder.products_only == (name == "bart",)


def softmax_of(kept: KeptStream, text: KeptText, number: int) -> np.ndarray:
    assert text.vectors is not None
    queries, keys = (part[number].astype(np.float64) for part in (text.vectors.queries, text.vectors.keys))
    scores = queries @ keys.T * kept.scales[number]
    scores[np.triu_indices(len(scores), 1)] = -np.inf
    exp = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True))


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2"])
def test_kept_queries_and_keys_give_the_weights(name: str) -> None:
    """After rotary embedding, and of a grouped head the keys that it shares."""
    model = tiny.decoder(name)
    (kept,) = AttentionProbe().detail(model, tiny.pair(), PLACES).streams
    assert kept.heads == ((1, 2), (0, 3))
    assert kept.products_only == (True, True)
    for text in (kept.a, kept.b):
        for number, place in enumerate(kept.heads):
            found = softmax_of(kept, text, number)
            np.testing.assert_allclose(found, text.weights[place], atol=0.05)


def test_a_family_that_bypasses_the_interface_says_why(loaded: dict[str, LoadedModel]) -> None:
    (kept,) = AttentionProbe().detail(loaded["bloom"], plain_pair(), PLACES).streams
    assert kept.heads == ()
    assert kept.a.vectors is None
    assert kept.why_no_vectors is not None
    assert kept.why_no_vectors.startswith("this family bypasses the attention interface")
    check_against_stock(loaded["bloom"], AttentionProbe().detail(loaded["bloom"], plain_pair()), plain_pair())


def test_sinks_are_not_mistaken_for_products(loaded: dict[str, LoadedModel]) -> None:
    (kept,) = AttentionProbe().detail(loaded["gptoss"], plain_pair(), (("self", 0, 0),)).streams
    assert kept.products_only == (False,)


def test_a_long_text_keeps_only_the_rows_of_its_words(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "LONGEST", 12)
    record = AttentionProbe().detail(model, tiny.pair())
    assert record.streams == ()
    assert record.why_no_whole == ("a text of 13 tokens: whole matrices are kept of texts of at most 12")
    assert record.weights_a.shape == (3, 4, 13, 13)
    assert kept_attention.LONGEST == 160


def test_what_is_written_is_read_back(model: LoadedModel, tmp_path: Path) -> None:
    one = tiny.pair("nurse", "doctor")
    text = "The nurse asked the doctor a question . plumbers said that the"
    span = (text.index("plumbers"), text.index("plumbers") + 8)
    one = replace(one, b=replace(one.b, text=text, swap=(span,), mentions={**one.b.mentions, PRONOUN: span}))
    record = AttentionProbe().detail(model, one, PLACES)
    write_detail(tmp_path, record)
    with np.load(tmp_path / "detail" / "p.npz") as file:
        (read,), why_none = streams_of(file)
    assert why_none is None
    (kept,) = record.streams
    assert (read.heads, read.scales, read.query_matches) == (kept.heads, kept.scales, kept.query_matches)
    for there, here in ((read.a, kept.a), (read.b, kept.b)):
        assert (there.queries, there.keys) == (here.queries, here.keys)
        np.testing.assert_allclose(there.weights, here.weights, atol=5e-4)
        assert there.vectors is not None
        assert here.vectors is not None
        np.testing.assert_array_equal(there.vectors.keys, here.vectors.keys)
