"""Families that cannot be measured exactly are refused, by name or by the self-test."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import ModelError
from probes.load import load
from probes.selftest import self_test
from tests.probes.families import BART, BLOCKS, T5
from tests.probes.family import CAUSAL, MASKED, SEQ2SEQ, Tiny, folder

_NONE = "no attention was seen in {}; there is nothing to measure"
_NO_ROWS = "the attention of {} has no row of 7 weights for each of 7 tokens; it cannot be measured exactly"
_MISREPORTS = "{} reports other attention than it computes; it cannot be measured exactly"

#: Families that are refused when they are loaded: what is built, and the message.
REFUSED: dict[str, tuple[Tiny, str]] = {
    "mamba": (
        Tiny("MambaConfig", settings={"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
        _NONE.format("MambaForCausalLM"),
    ),
    "rwkv": (
        Tiny("RwkvConfig", settings={"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32}),
        _NONE.format("RwkvForCausalLM"),
    ),
    "fnet": (Tiny("FNetConfig", MASKED, BLOCKS), _NONE.format("FNetForMaskedLM")),
    "yoso": (Tiny("YosoConfig", MASKED, BLOCKS), _NONE.format("YosoForMaskedLM")),
    "longt5": (
        Tiny("LongT5Config", SEQ2SEQ, T5),
        _NO_ROWS.format("LongT5ForConditionalGeneration"),
    ),
    "diffllama": (
        Tiny("DiffLlamaConfig", settings={**BLOCKS, "num_key_value_heads": 2}),
        "DiffLlamaForCausalLM reports 2 attention matrices, and 4 were seen; it cannot be measured exactly",
    ),
    "nystromformer, approximate": (
        Tiny("NystromformerConfig", MASKED, {**BLOCKS, "num_landmarks": 1, "segment_means_seq_len": 7}),
        _NO_ROWS.format("NystromformerForMaskedLM"),
    ),
    "bigbird, sparse": (
        Tiny("BigBirdConfig", MASKED, {**BLOCKS, "attention_type": "block_sparse"}),
        "block-sparse attention gives no row over all tokens, and becomes full attention after the first "
        'short text; write "attention_type": "original_full" into its config.json',
    ),
    "longformer": (Tiny("LongformerConfig", MASKED, BLOCKS), _MISREPORTS.format("longformer")),
    "led": (Tiny("LEDConfig", SEQ2SEQ, BART), _MISREPORTS.format("led")),
    "prophetnet": (
        Tiny(
            "ProphetNetConfig",
            SEQ2SEQ,
            {
                "hidden_size": 32,
                "num_encoder_layers": 1,
                "num_decoder_layers": 1,
                "num_encoder_attention_heads": 4,
                "num_decoder_attention_heads": 4,
                "encoder_ffn_dim": 48,
                "decoder_ffn_dim": 48,
                "max_position_embeddings": 64,
            },
        ),
        _MISREPORTS.format("prophetnet"),
    ),
}
#: Families that load, and that the self-test refuses: the step that fails.
UNPROVEN: dict[str, tuple[Tiny, str]] = {
    "squeezebert": (  # reports scores before the softmax
        Tiny("SqueezeBertConfig", MASKED, {**BLOCKS, "embedding_size": 32}),
        "captured rows equal eager attention",
    ),
    "bert as a decoder": (  # its head transforms the hidden states before the vocabulary sees them
        Tiny("BertConfig", CAUSAL, {**BLOCKS, "is_decoder": True}),
        "log-probabilities equal those of the logits",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_family_that_cannot_be_measured_is_refused_by_name(name: str, tmp_path: Path) -> None:
    tiny, message = REFUSED[name]
    place = folder(tmp_path / "m", tiny)
    with pytest.raises(ModelError) as caught:
        load(str(place))
    assert str(caught.value) == f"{place}: {message}"


@pytest.mark.parametrize("name", UNPROVEN)
def test_the_self_test_refuses_what_loading_cannot_find_out(name: str, tmp_path: Path) -> None:
    tiny, step = UNPROVEN[name]
    steps = self_test(load(str(folder(tmp_path, tiny))))
    assert [failed.name for failed in steps if not failed.passed] == [step]
