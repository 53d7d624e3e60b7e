"""The survey of head patterns on tiny models, and the texts that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.loader import ROOT
from audit.mentions import spans_of_words
from audit.patterns import PATTERNS, pattern_table
from audit.records import PatternRecord
from audit.yaml_lines import read_document
from probes.load import load
from probes.model import LoadedModel
from probes.patterns import PatternsProbe, neutral_texts
from probes.route import ROUTE
from tests.probes import family as made
from tests.probes import tiny
from tests.probes.families import FAMILIES

CONFIG = RunConfig()


def surveyed(model: LoadedModel) -> PatternRecord:
    (record,) = PatternsProbe().survey(model, (), CONFIG)
    return record


def encoder(seed: int = 0) -> LoadedModel:
    """A tiny BERT whose tokenizer writes [CLS] and [SEP] around a text."""
    config = transformers.BertConfig(
        **{**tiny.BLOCKS, "vocab_size": tiny.SIZE, "max_position_embeddings": 64}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = transformers.BertModel(config).eval()
    net.set_attn_implementation(ROUTE)
    from tokenizers.processors import TemplateProcessing

    reader = tiny.tokenizer()
    reader.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return LoadedModel("tiny-bert", net, reader, "encoder", {})


def flatten(net: torch.nn.Module) -> None:
    """Queries of nothing: every head spreads its attention evenly."""
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "q_proj" in name or ".query." in name:
                weight.zero_()


def test_the_survey_covers_every_head() -> None:
    record = surveyed(tiny.decoder())
    assert record.stream == "self"
    assert record.types.shape == record.scores.shape == (3, 4)
    assert set(record.mass) == set(record.excess) == set(PATTERNS)
    assert np.isnan(record.excess["next_word"]).all()
    assert all(np.isfinite(record.excess[name]).all() for name in PATTERNS if name != "next_word")


@pytest.mark.parametrize("make", [tiny.decoder, encoder], ids=["decoder", "encoder"])
def test_heads_that_see_nothing_are_bags_of_words(make: Callable[[], LoadedModel]) -> None:
    model = make()
    flatten(model.net)
    record = surveyed(model)
    assert set(record.types.ravel()) == {"bag_of_words"}
    assert record.scores == pytest.approx(np.ones((3, 4)), abs=1e-5)
    assert record.excess["first_token"] == pytest.approx(np.zeros((3, 4)), abs=1e-5)


def test_heads_made_by_hand_are_known_by_their_habit() -> None:
    """GPT-2 positions as queries and keys: head 0 looks one back, head 1 at itself, head 2 at the first token."""
    config = transformers.GPT2Config(
        **tiny.SMALL, n_embd=256, n_layer=1, n_head=4, n_positions=64, attn_pdrop=0.0
    )
    net = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        block = net.transformer.h[0]
        block.ln_1.weight.fill_(1.0)
        net.transformer.ln_f.weight.fill_(1.0)
        # Each position has a direction of its own in 64 dimensions; the layer norm scales it to about 16.
        net.transformer.wpe.weight[:, :64] = torch.eye(64)
        query, key = torch.zeros(256, 256), torch.zeros(256, 256)
        shift = torch.zeros(64, 64)
        shift[torch.arange(1, 64), torch.arange(63)] = 1.0
        query[:64, 0:64], key[:64, 0:64] = shift, torch.eye(64)
        query[:64, 64:128], key[:64, 64:128] = torch.eye(64), torch.eye(64)
        query[:64, 128], key[0, 128] = 1.0, 1.0
        block.attn.c_attn.weight[:, :256], block.attn.c_attn.weight[:, 256:512] = query, key
    net.set_attn_implementation(ROUTE)
    record = surveyed(LoadedModel("by-hand", net, tiny.tokenizer(), "decoder", {}))
    assert record.types.tolist() == [["previous_word", "current_word", "first_token", "bag_of_words"]]


def test_an_encoder_sees_what_follows() -> None:
    record = surveyed(encoder())
    assert np.isfinite(record.excess["next_word"]).all()


def test_padding_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = tiny.decoder(), neutral_texts()
    together = surveyed(model)
    monkeypatch.setattr("probes.patterns._TOKENS", 1)
    alone = surveyed(model)
    for name in PATTERNS:
        assert alone.mass[name] == pytest.approx(together.mass[name], abs=1e-5, nan_ok=True)
    assert len(texts) == 18


def test_attention_that_is_no_number_is_told() -> None:
    model = tiny.decoder()
    with torch.no_grad():
        model.net.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(MeasurementError) as caught:
        surveyed(model)
    assert str(caught.value) == f"tiny-llama: its attention is NaN on {neutral_texts()[0]!r}"


def test_texts_that_do_not_fit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.decoder()
    lengths = [len(model.encode(text).ids) for text in neutral_texts()]
    model.max_length = min(lengths)
    assert surveyed(model).types.shape == (3, 4)
    model.max_length = min(lengths) - 1
    with pytest.raises(MeasurementError, match=r"^tiny-llama: no neutral text fits into its context window$"):
        surveyed(model)


def test_the_neutral_texts_hold_what_the_patterns_need_and_no_person() -> None:
    texts = neutral_texts()
    sentences = sum(text.count(".") for text in texts)
    assert sentences >= 30
    persons = set(read_document(ROOT / "suites" / "lists" / "gender_words.yaml").data) | {
        *("i", "you", "we", "they", "them", "their", "who", "person", "people", "child", "someone"),
        *(entry["name"] for entry in read_document(ROOT / "suites" / "lists" / "occupations.yaml").data),
    }
    for text in texts:
        found = [text[start:end].lower() for start, end in spans_of_words(text)]
        assert not persons & set(found), text
        assert any(found.count(word) > 1 for word in found if word.isalpha() and len(word) > 3), text
        assert "." in found[:-1] or ";" in found, text
        assert "," in found or '"' in found, text


#: Of every route and kind: two streams, masks of one row, layers without attention, pooled blocks, two directions.
SOME = ("llama", "gptj", "bert", "debertav2", "t5", "switch", "qwen3next", "funnel", "xlnet")


@pytest.mark.parametrize("name", SOME)
def test_families_are_surveyed_where_they_attend(name: str, tmp_path: Path) -> None:
    model = load(str(made.folder(tmp_path, FAMILIES[name])))
    record = surveyed(model)
    assert record.stream == model.stream
    assert record.types.shape == (model.layers, model.heads)
    silent = tuple(layer for layer in range(model.layers) if (record.types[layer] == "").all())
    assert silent == model.anatomy.missing(model.stream)
    assert (np.isnan(record.scores) == (record.types == "")).all()
    table = pattern_table([record])
    assert table["pattern"].isna().sum() == len(silent) * model.heads
    assert set(table["pattern"].dropna()) <= {*PATTERNS, "mixed"}
    # what looks to the left alone has no next word
    assert np.isnan(record.excess["next_word"]).all() == model.anatomy.causal
