"""Text as it is measured: BOS once, offsets, readable tokens, and the context window."""

from __future__ import annotations

import pytest
from tokenizers.processors import TemplateProcessing

from audit.errors import ModelError
from probes.model import LoadedModel
from tests.probes import tiny


def test_bos_stands_in_front_once(model: LoadedModel) -> None:
    found = model.encode("The hairdresser met He")
    assert found.tokens == ("<s>", "The", " hair", "dresser", " met", " He")
    assert found.offsets == ((0, 0), (0, 3), (4, 8), (8, 15), (16, 19), (20, 22))
    assert found.ids[0] == 1


def test_bos_is_not_doubled_where_the_tokenizer_adds_its_own() -> None:
    model = tiny.decoder()
    model.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert model.encode("The nurse").ids == (1, tiny.VOCABULARY["The"], tiny.VOCABULARY["nurse"])


def test_without_bos_the_text_stands_alone() -> None:
    model = tiny.decoder(bos=False)
    assert model.encode("The nurse").tokens == ("The", " nurse")
    assert not model.describe(()).bos
    with pytest.raises(ModelError, match=r"the tokenizer makes no token of ''"):
        model.encode("")


def test_readable_tokens_spell_the_text(demo: LoadedModel) -> None:
    text = "The Doctor’s café asked — twice. She"
    found = demo.encode(text)
    assert found.tokens[0] == "<|im_start|>"
    assert "".join(found.tokens[1:]) == text
    assert all(0 <= start <= end <= len(text) for start, end in found.offsets)


def test_the_context_window(model: LoadedModel) -> None:
    assert model.max_length == 64
    assert model.why_too_long(tiny.pair()) is None
    long = tiny.pair(tail="said that the " * 20)
    assert model.why_too_long(long) == "longer than the context window (70 tokens, the model takes 64)"


def test_few_texts_are_remembered_and_none_is_read_otherwise_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, fresh = tiny.decoder(), tiny.decoder()
    monkeypatch.setattr("probes.model._ENCODINGS", 2)
    texts = ["The nurse", "The doctor", "She", "The nurse", "He", "She"]
    assert [model.encode(text) for text in texts] == [fresh.encode(text) for text in texts]
    assert [*model._encodings] == ["He", "She"]
