"""Captured rows are the model's own: compared with eager attention, on every family that can be built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from probes.attention_call import Attended, AttentionCall
from probes.capture import RowCapture
from probes.projection import ValueNorms
from probes.route import instrument, interface_names
from tests.probes import family, tiny
from tests.probes.families import FAMILIES as SPECIMENS

FAMILIES = [*tiny.DECODERS, *tiny.WHOLE]
IDS = torch.tensor([[1, 4, 5, 8, 3, 6, 10, 11, 12, 13], [1, 4, 6, 8, 12, 13, 14, 0, 0, 0]])
MASK = torch.tensor([[1] * 10, [1] * 7 + [0] * 3])
ROWS = torch.tensor([[2, 7, 9], [1, 4, 6]])


def eager(net: Any, **inputs: Any) -> Any:
    net.set_attn_implementation("eager")
    with torch.no_grad():
        return net(**inputs, output_attentions=True)


def captured(net: Any, capture: RowCapture, **inputs: Any) -> Any:
    net.set_attn_implementation(interface_names(net)[0])
    with torch.no_grad(), instrument(capture):
        return net(**inputs)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("padded", [False, True])
def test_rows_equal_eager_attention(family: str, padded: bool) -> None:
    net = tiny.network(family)
    inputs = {"input_ids": IDS, "attention_mask": MASK if padded else None}
    whole = eager(net, **inputs)
    capture = RowCapture(ROWS)
    output = captured(net, capture, **inputs)
    assert len(capture.calls) == len(whole.attentions)
    for call, full in zip(capture.calls, whole.attentions, strict=True):
        for text in range(2):
            torch.testing.assert_close(call.weights[text], full[text, :, ROWS[text]], atol=1e-5, rtol=0)
    valid = MASK.bool() if padded else torch.ones_like(IDS, dtype=torch.bool)
    # These networks' weights are scaled up, so their logits are in the hundreds.
    torch.testing.assert_close(output.logits[valid], whole.logits[valid], atol=1e-3, rtol=1e-4)


def test_all_rows_are_captured_where_none_are_named() -> None:
    net = tiny.network("llama")
    capture = RowCapture(None)
    captured(net, capture, input_ids=IDS)
    assert capture.calls[0].weights.shape == (2, 4, 10, 10)
    torch.testing.assert_close(capture.calls[0].weights.sum(-1), torch.ones(2, 4, 10))


def test_attention_is_not_flat_in_these_models() -> None:
    net = tiny.network("llama")
    capture = RowCapture(None)
    captured(net, capture, input_ids=IDS)
    assert max(float(call.weights[0, :, 9].max()) for call in capture.calls) > 0.5


def test_position_bias_of_t5_is_in_the_rows() -> None:
    config = transformers.T5Config(
        vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0
    )
    net = transformers.T5ForConditionalGeneration(config).eval()
    inputs = {"input_ids": IDS, "attention_mask": MASK, "decoder_input_ids": IDS[:, :4]}
    whole = eager(net, **inputs)
    capture = RowCapture(None)
    captured(net, capture, **inputs)
    order = [*whole.encoder_attentions]
    for own, cross in zip(whole.decoder_attentions, whole.cross_attentions, strict=True):
        order += [own, cross]
    for call, full in zip(capture.calls, order, strict=True):
        torch.testing.assert_close(call.weights[0], full[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox", "opt", "phi"])
def test_value_norms_equal_the_projected_values(family: str) -> None:
    net = tiny.network(family)
    seen: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def spy(call: AttentionCall) -> Attended:
        seen.append((call.module, call.value))
        return call.attend()

    net.set_attn_implementation(interface_names(net)[0])
    with torch.no_grad(), instrument(spy):
        net(input_ids=IDS)
    for module, value in seen:
        found = ValueNorms()(module, value, 4)
        assert found is not None
        for head in range(4):
            torch.testing.assert_close(found[:, head], slow_norms(module, value, head), atol=1e-4, rtol=1e-4)


def slow_norms(module: torch.nn.Module, value: torch.Tensor, head: int) -> torch.Tensor:
    """Push one head's values, and nothing else, through the projection as the model has it."""
    name = next(name for name in ("o_proj", "c_proj", "out_proj", "dense") if hasattr(module, name))
    projection = getattr(module, name)
    texts, shared, keys, d = value.shape
    alone = torch.zeros(texts, keys, 4 * d)
    alone[..., head * d : (head + 1) * d] = value[:, head // (4 // shared)]
    with torch.no_grad():
        return (projection(alone) - projection(torch.zeros_like(alone))).norm(dim=-1)


def test_value_norms_are_found_beside_the_module_in_bert() -> None:
    """BERT's projection lies in the neighbour of the module that attends."""
    net = family.network(SPECIMENS["bert"])
    net.set_attn_implementation(interface_names(net)[0])
    seen: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def spy(call: AttentionCall) -> Attended:
        seen.append((call.module, call.value))
        return call.attend()

    with torch.no_grad(), instrument(spy):
        net(input_ids=IDS)
    norms = ValueNorms(net)
    for (module, value), layer in zip(seen, net.bert.encoder.layer, strict=True):
        assert module is layer.attention.self
        found = norms(module, value, 4)
        weight = layer.attention.output.dense.weight.detach().reshape(-1, 4, value.shape[-1])
        expected = torch.einsum("thkd,ohd->thko", value, weight).norm(dim=-1)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_value_norms_are_unknown_without_a_projection() -> None:
    assert ValueNorms()(torch.nn.Identity(), torch.zeros(1, 2, 3, 4), 2) is None
