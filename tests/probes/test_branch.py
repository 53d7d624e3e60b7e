"""The growing batch against one-by-one patching of the whole text through another attention function."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.masking_utils import sdpa_mask

from probes.branch import Tails, branch, read_prefix
from probes.route import ROUTE

LAYERS, HEADS, VOCABULARY = 3, 4, 50


def patched(module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
    """Plain attention over whole matrices; one head's rows may be replaced (the oracle)."""
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    scores = query @ key.mT * (kwargs.get("scaling") or query.shape[-1] ** -0.5)
    length = query.shape[2]
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    weights = scores.softmax(-1)
    STATE["seen"].append(weights.clone())
    layer = len(STATE["seen"]) - 1
    if STATE["edit"] and STATE["edit"][0] == layer:
        _, head, rows, donor = STATE["edit"]
        for row in rows:
            weights[:, head, row] = donor[layer][:, head, row]
    return (weights @ value).transpose(1, 2), None


STATE: dict[str, Any] = {"seen": [], "edit": None}
AttentionInterface.register("oracle", patched)
AttentionMaskInterface.register("oracle", sdpa_mask)


def oracle(
    net: PreTrainedModel, ids: torch.Tensor, edit: Any = None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    net.set_attn_implementation("oracle")
    STATE.update(seen=[], edit=edit)
    with torch.no_grad():
        hidden = net.base_model(input_ids=ids)[0]
    net.set_attn_implementation(ROUTE)
    return hidden, STATE["seen"]


def llama() -> PreTrainedModel:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config)


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=LAYERS, n_head=HEADS))


@pytest.fixture(params=[llama, gpt2], ids=["llama", "gpt2"])
def net(request: pytest.FixtureRequest) -> PreTrainedModel:
    torch.manual_seed(1)
    made = request.param().eval()
    for name, weight in made.named_parameters():
        if "norm" not in name and "ln" not in name:
            torch.nn.init.normal_(weight, std=0.3)
    made.set_attn_implementation(ROUTE)
    return made


A = torch.tensor([[1, 7, 9, 3, 20, 4, 5], [1, 8, 2, 3, 20, 6, 5]])
B = torch.tensor([[1, 7, 9, 3, 21, 4, 5], [1, 8, 2, 3, 21, 6, 5]])
START, PAIRS = 4, 2


@pytest.mark.parametrize("rows", [(4,), (4, 5)])
def test_every_variant_equals_patching_one_head_of_the_whole_text(
    net: PreTrainedModel, rows: tuple[int, ...]
) -> None:
    heads = [list(range(HEADS)) for _ in range(LAYERS)]
    tails = Tails(
        torch.cat([A, B])[:, START:], START, tuple(row - START for row in rows), torch.tensor([2, 3, 0, 1])
    )
    hidden, _ = branch(net, read_prefix(net, A[:, :START]), tails, heads)
    (base_a, rows_a), (base_b, rows_b) = oracle(net, A), oracle(net, B)
    torch.testing.assert_close(hidden[0, :PAIRS], base_a[:, START:], atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden[0, PAIRS:], base_b[:, START:], atol=1e-5, rtol=0)
    variant = 1
    moved = 0.0
    for layer in range(LAYERS):
        for head in range(HEADS):
            edited_a, _ = oracle(net, A, (layer, head, rows, rows_b))
            edited_b, _ = oracle(net, B, (layer, head, rows, rows_a))
            torch.testing.assert_close(hidden[variant, :PAIRS], edited_a[:, START:], atol=1e-5, rtol=0)
            torch.testing.assert_close(hidden[variant, PAIRS:], edited_b[:, START:], atol=1e-5, rtol=0)
            moved = max(moved, float((edited_a - base_a).abs().max()))
            variant += 1
    assert moved > 1e-3


def test_the_predicting_row_continues_from_the_tails_own_keys(net: PreTrainedModel) -> None:
    last = A.shape[1] - 1
    prefix = read_prefix(net, A[:, :START])
    partner = torch.tensor([2, 3, 0, 1])
    none: list[list[int]] = [[] for _ in range(LAYERS)]
    _, seen = branch(net, prefix, Tails(torch.cat([A, B])[:, START:], START, (0,), partner), none)
    longer = prefix.extended(seen, last - START)
    heads = [[], [1], [0, 3]]
    hidden, _ = branch(net, longer, Tails(torch.cat([A, B])[:, last:], last, (0,), partner), heads)
    _, rows_b = oracle(net, B)
    for variant, (layer, head) in enumerate([(1, 1), (2, 0), (2, 3)], 1):
        edited, _ = oracle(net, A, (layer, head, (last,), rows_b))
        torch.testing.assert_close(hidden[variant, :PAIRS], edited[:, last:], atol=1e-5, rtol=0)


def test_a_texts_own_row_changes_nothing(net: PreTrainedModel) -> None:
    heads = [list(range(HEADS)) for _ in range(LAYERS)]
    tails = Tails(A[:, START:], START, (0,), torch.tensor([0, 1]))
    hidden, _ = branch(net, read_prefix(net, A[:, :START]), tails, heads)
    assert torch.equal(hidden[1:], hidden[:1].expand(LAYERS * HEADS, -1, -1, -1))


def test_texts_may_differ_from_their_first_token_on(net: PreTrainedModel) -> None:
    tails = Tails(torch.cat([A, B]), 0, (4,), torch.tensor([2, 3, 0, 1]))
    hidden, seen = branch(net, read_prefix(net, A[:, :0]), tails, [[0], [], [2]])
    _, rows_b = oracle(net, B)
    edited, _ = oracle(net, A, (2, 2, (4,), rows_b))
    torch.testing.assert_close(hidden[2, :PAIRS], edited, atol=1e-5, rtol=0)
    assert seen.length == A.shape[1]
