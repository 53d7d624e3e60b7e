"""The growing batch against one-by-one patching of the whole text through another attention function."""

from __future__ import annotations

from collections.abc import Callable
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

from probes.branch import Tails, branch
from probes.intervention import Intervention, Kind, Place
from probes.layers import calls_at, decoder_layers
from probes.prefix import read_prefix
from probes.preparation import prepare
from probes.route import ROUTE
from probes.tail_batch import TailBatch
from tests.probes import tiny

LAYERS, HEADS, VOCABULARY = 3, 4, 50


def patched(module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
    """Plain attention over whole matrices, whose rows and outputs a test may edit (the oracle)."""
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    scores = query @ key.mT * (kwargs.get("scaling") or query.shape[-1] ** -0.5)
    length = query.shape[2]
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    weights = scores.softmax(-1)
    STATE["seen"].append(weights.clone())
    layer = len(STATE["seen"]) - 1
    if STATE["edit"]:
        STATE["edit"](layer, weights)
    output = weights @ value
    if STATE["edit_output"]:
        STATE["edit_output"](layer, output)
    return output.transpose(1, 2), None


Edit = Callable[[int, torch.Tensor], None]
STATE: dict[str, Any] = {"seen": [], "edit": None, "edit_output": None}
AttentionInterface.register("oracle", patched)
AttentionMaskInterface.register("oracle", sdpa_mask)


def oracle(
    net: PreTrainedModel, ids: torch.Tensor, edit: Any = None, edit_output: Any = None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Final hidden states of whole texts, and the attention of every layer."""
    net.set_attn_implementation("oracle")
    STATE.update(seen=[], edit=edit, edit_output=edit_output)
    with torch.no_grad():
        hidden = net.base_model(input_ids=ids)[0]
    net.set_attn_implementation(ROUTE)
    return hidden, STATE["seen"]


def lend(layer: int, head: int, rows: tuple[int, ...], donor: list[torch.Tensor]) -> Edit:
    """An edit: one head reads rows along the donor's attention."""

    def edit(at: int, weights: torch.Tensor) -> None:
        for row in rows if at == layer else ():
            weights[:, head, row] = donor[layer][:, head, row]

    return edit


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


PARTNER = torch.tensor([2, 3, 0, 1])


def exchanges(heads: list[tuple[int, int]], rows: tuple[int, ...]) -> list[Intervention]:
    return [Intervention((Place(layer, head, rows),)) for layer, head in heads]


A = torch.tensor([[1, 7, 9, 3, 20, 4, 5], [1, 8, 2, 3, 20, 6, 5]])
B = torch.tensor([[1, 7, 9, 3, 21, 4, 5], [1, 8, 2, 3, 21, 6, 5]])
START, PAIRS = 4, 2


@pytest.mark.parametrize("rows", [(4,), (4, 5)])
def test_every_variant_equals_patching_one_head_of_the_whole_text(
    net: PreTrainedModel, rows: tuple[int, ...]
) -> None:
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    tails = Tails(torch.cat([A, B])[:, START:], START, PARTNER)
    edits = exchanges(heads, tuple(row - START for row in rows))
    hidden, _ = branch(net, read_prefix(net, A[:, :START]), tails, edits)
    (base_a, rows_a), (base_b, rows_b) = oracle(net, A), oracle(net, B)
    torch.testing.assert_close(hidden[0, :PAIRS], base_a[:, START:], atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden[0, PAIRS:], base_b[:, START:], atol=1e-5, rtol=0)
    variant = 1
    moved = 0.0
    for layer in range(LAYERS):
        for head in range(HEADS):
            edited_a, _ = oracle(net, A, lend(layer, head, rows, rows_b))
            edited_b, _ = oracle(net, B, lend(layer, head, rows, rows_a))
            torch.testing.assert_close(hidden[variant, :PAIRS], edited_a[:, START:], atol=1e-5, rtol=0)
            torch.testing.assert_close(hidden[variant, PAIRS:], edited_b[:, START:], atol=1e-5, rtol=0)
            moved = max(moved, float((edited_a - base_a).abs().max()))
            variant += 1
    assert moved > 1e-3


def test_the_predicting_row_continues_from_the_tails_own_keys(net: PreTrainedModel) -> None:
    last = A.shape[1] - 1
    prefix = read_prefix(net, A[:, :START])
    _, seen = branch(net, prefix, Tails(torch.cat([A, B])[:, START:], START, PARTNER), ())
    longer = prefix.extended(seen, last - START)
    heads = [(2, 3), (1, 1), (2, 0)]  # not in the order of their layers
    hidden, _ = branch(net, longer, Tails(torch.cat([A, B])[:, last:], last, PARTNER), exchanges(heads, (0,)))
    _, rows_b = oracle(net, B)
    for variant, (layer, head) in enumerate(heads, 1):
        edited, _ = oracle(net, A, lend(layer, head, (last,), rows_b))
        torch.testing.assert_close(hidden[variant, :PAIRS], edited[:, last:], atol=1e-5, rtol=0)


def test_a_texts_own_row_changes_nothing(net: PreTrainedModel) -> None:
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    tails = Tails(A[:, START:], START, torch.tensor([0, 1]))
    hidden, _ = branch(net, read_prefix(net, A[:, :START]), tails, exchanges(heads, (0,)))
    assert torch.equal(hidden[1:], hidden[:1].expand(LAYERS * HEADS, -1, -1, -1))


def test_texts_may_differ_from_their_first_token_on(net: PreTrainedModel) -> None:
    tails = Tails(torch.cat([A, B]), 0, PARTNER)
    hidden, seen = branch(net, read_prefix(net, A[:, :0]), tails, exchanges([(0, 0), (2, 2)], (4,)))
    _, rows_b = oracle(net, B)
    edited, _ = oracle(net, A, lend(2, 2, (4,), rows_b))
    torch.testing.assert_close(hidden[2, :PAIRS], edited, atol=1e-5, rtol=0)
    assert seen.length == A.shape[1]


PLACES = (Place(0, 1, (4 - START,)), Place(1, 3, (4 - START, 6 - START)), Place(2, 0, (6 - START,)))


@pytest.mark.parametrize("kind", ["exchange", "arms-mean", "uniform", "zero", "mean"])
def test_heads_edited_together_equal_whole_texts_edited_in_every_layer(
    net: PreTrainedModel, kind: Kind
) -> None:
    """Beside another intervention that begins in a later layer, and given first."""
    both, d = torch.cat([A, B]), 32 // HEADS
    means = {place: torch.linspace(-1, 1, d) * (1 + place.layer) for place in PLACES}
    _, clean = oracle(net, both)

    def edit(layer: int, weights: torch.Tensor) -> None:
        for _, head, rows, _ in (place for place in PLACES if place.layer == layer):
            for row in (START + row for row in rows):
                own = weights[:, head, row].clone()
                weights[:, head, row] = {
                    "exchange": clean[layer][PARTNER][:, head, row],
                    "arms-mean": own / 2 + own[PARTNER] / 2,
                    "uniform": (torch.arange(both.shape[1]) <= row) / (row + 1.0),
                    "zero": torch.zeros_like(own),
                    "mean": own,
                }[kind]

    def edit_output(layer: int, output: torch.Tensor) -> None:
        for place in (place for place in PLACES if place.layer == layer and kind == "mean"):
            for row in place.rows:
                output[:, place.head, START + row] = means[place]

    expected, _ = oracle(net, both, edit, edit_output)
    later = exchanges([(2, 2)], (0,))
    edits = [*later, Intervention(PLACES, kind, means if kind == "mean" else {})]
    hidden, _ = branch(net, read_prefix(net, A[:, :START]), Tails(both[:, START:], START, PARTNER), edits)
    torch.testing.assert_close(hidden[2], expected[:, START:], atol=1e-5, rtol=0)
    assert float((hidden[2] - hidden[0]).abs().max()) > 1e-3


@pytest.mark.parametrize("asked", [(2,), (0, 2)])
def test_rows_that_nobody_asked_for_are_left_out(net: PreTrainedModel, asked: tuple[int, ...]) -> None:
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    prefix, ids = read_prefix(net, A[:, :START]), torch.cat([A, B])[:, START:]
    edits = [*exchanges(heads, (0,)), *exchanges(heads, (2,)), *exchanges(heads, (0, 1))]
    every, seen = branch(net, prefix, Tails(ids, START, PARTNER), edits)
    some, same = branch(net, prefix, Tails(ids, START, PARTNER, asked), edits)
    assert some.shape[2] == len(asked)
    torch.testing.assert_close(some, every[:, :, list(asked)], atol=1e-5, rtol=0)
    for one, other in zip((*seen.keys, *seen.values), (*same.keys, *same.values), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("positions", [1, 24, 30, 10_000])
def test_portions_of_the_copies_change_nothing(
    net: PreTrainedModel, positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    together = Intervention(PLACES)
    edits = [*exchanges(heads, (0,)), together, *exchanges(heads[::-1], (0, 2))]
    prefix, tails = read_prefix(net, A[:, :START]), Tails(torch.cat([A, B])[:, START:], START, PARTNER)
    expected, _ = branch(net, prefix, tails, edits)
    sizes = []

    def counted(_module: Any, args: Any, _output: Any) -> None:
        sizes.append(args[0].shape[0] * args[0].shape[1])

    ends = ("0.mlp.up_proj", "0.mlp.c_fc")
    first = next(module for name, module in net.named_modules() if name.endswith(ends))
    handle = first.register_forward_hook(counted)
    monkeypatch.setattr("probes.branch.TOGETHER", positions)
    found, _ = branch(net, prefix, tails, edits)
    handle.remove()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert max(sizes) <= max(positions, len(PARTNER) * 3)
    assert (len(sizes) > 5) == (positions < 10_000)


def test_the_network_is_left_as_it_was(net: PreTrainedModel) -> None:
    layers = decoder_layers(net)
    own = layers[1].forward
    layers[1].forward = lambda *args, **kwargs: own(*args, **kwargs)  # as some libraries do
    before = [vars(layer).get("forward") for layer in layers]
    tails = Tails(torch.cat([A, B])[:, START:], START, PARTNER, (2,))
    branch(net, read_prefix(net, A[:, :START]), tails, exchanges([(0, 0)], (0,)))
    assert [vars(layer).get("forward") for layer in layers] == before
    with pytest.raises(IndexError):
        branch(net, read_prefix(net, A[:, :START]), tails, exchanges([(0, HEADS)], (0,)))
    assert [vars(layer).get("forward") for layer in layers] == before


def test_rows_at_other_positions_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family in whose code single rows cannot be computed as they are in the whole text."""
    model = tiny.decoder()
    ((work,), _) = prepare(model, [tiny.pair("nurse", "doctor")])
    assert TailBatch(model, work.jobs).route_error() < 1e-4
    stock = calls_at
    monkeypatch.setattr("probes.branch.calls_at", lambda net, ids, at: stock(net, ids, at // 2))
    assert TailBatch(model, work.jobs).route_error() > 1e-3
