"""Blocks in a wider dtype: nearer to the truth, and the network is afterwards as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from probes.continuation import Continuation
from probes.head import log_probabilities
from probes.model import LoadedModel
from probes.precision import wider_blocks
from probes.scoring import log_likelihoods
from tests.probes import tiny

FAMILIES = [*tiny.DECODERS]
IDS = [tuple(range(3, 3 + length)) for length in (5, 9, 7, 12)]


@torch.no_grad()
def exact(model: LoadedModel, ids: tuple[int, ...]) -> float:
    """A float64 copy of the stock network, one text at a time."""
    net = copy.deepcopy(model.net).double()
    net.set_attn_implementation("sdpa")
    logits = net(input_ids=torch.tensor([ids])).logits[0, :-1]
    return float(logits.log_softmax(-1).gather(-1, torch.tensor(ids)[1:, None]).sum())


@pytest.mark.parametrize("family", FAMILIES)
def test_sums_are_those_of_a_float64_network(family: str) -> None:
    model = tiny.decoder(family)
    found = log_likelihoods(model, [Continuation(ids[:1], ids[1:]) for ids in IDS])
    for value, ids in zip(found, IDS, strict=True):
        assert value == pytest.approx(exact(model, ids), abs=2e-4)


def test_the_network_is_given_back_as_it_was() -> None:
    model = tiny.decoder()
    before = {name: (weight, weight.data_ptr()) for name, weight in model.net.named_parameters()}
    ids = torch.tensor([IDS[0]])
    plain = model.net.base_model(input_ids=ids)[0]
    with wider_blocks(model.net):
        precise = model.net.base_model(input_ids=ids)[0]
    assert precise.dtype == torch.float32
    assert not torch.equal(plain, precise)
    after = {name: (weight, weight.data_ptr()) for name, weight in model.net.named_parameters()}
    assert before.keys() == after.keys()
    assert all(
        after[name][0] is weight and after[name][1] == place for name, (weight, place) in before.items()
    )
    assert torch.equal(model.net.base_model(input_ids=ids)[0], plain)


def test_a_kernel_without_float64_is_left_to_float32() -> None:
    model = tiny.decoder()
    block = next(module for module in model.net.modules() if isinstance(module, torch.nn.ModuleList))[1]
    seen = []

    def narrow(_module: object, args: tuple[torch.Tensor, ...]) -> None:
        seen.append(args[0].dtype)
        if args[0].dtype == torch.float64:
            raise RuntimeError("expected Float32, got Double")

    block.mlp.register_forward_pre_hook(narrow)
    ids = torch.tensor([IDS[0]])
    plain = model.net.base_model(input_ids=ids)[0]
    for _ in range(2):
        with wider_blocks(model.net):
            assert torch.equal(model.net.base_model(input_ids=ids)[0], plain)
    assert seen == [torch.float32, torch.float64, torch.float32, torch.float32]


def test_a_pass_that_fails_gives_the_network_back() -> None:
    model = tiny.decoder()
    block = next(module for module in model.net.modules() if isinstance(module, torch.nn.ModuleList))[1]

    def fail(*_: object) -> None:
        raise ArithmeticError

    handle = block.mlp.register_forward_hook(fail)
    with pytest.raises(ArithmeticError), wider_blocks(model.net):
        model.net.base_model(input_ids=torch.tensor([IDS[0]]))
    handle.remove()
    assert {weight.dtype for weight in model.net.parameters()} == {torch.float32}
    model.net.base_model(input_ids=torch.tensor([IDS[0]]))


@torch.no_grad()
def test_a_network_in_bf16_computes_in_float32_and_is_given_back() -> None:
    model = tiny.decoder()
    model.net.to(torch.bfloat16)
    ids = torch.tensor([IDS[0]])
    exact = copy.deepcopy(model.net).double().base_model(input_ids=ids)[0]
    plain = model.net.base_model(input_ids=ids)[0]
    with wider_blocks(model.net):
        wide = model.net.base_model(input_ids=ids)[0]
    assert wide.dtype == torch.bfloat16
    assert (wide - exact).abs().mean() < 0.5 * (plain - exact).abs().mean()
    assert torch.equal(model.net.base_model(input_ids=ids)[0], plain)


@torch.no_grad()
def test_a_head_in_bf16_does_not_round_the_logits_of_what_is_predicted() -> None:
    net = tiny.decoder().net.to(torch.bfloat16)
    states = torch.randn(40, net.config.hidden_size, generator=torch.Generator().manual_seed(1)).bfloat16()
    tokens = torch.arange(40) % net.config.vocab_size
    exact = (states.double() @ net.get_output_embeddings().weight.double().T).log_softmax(-1)
    expected = exact[torch.arange(40), tokens]
    stock = net.get_output_embeddings()(states).float().log_softmax(-1)[torch.arange(40), tokens]
    off = (log_probabilities(net, states, tokens).double() - expected).abs().mean()
    assert off < 0.5 * (stock - expected).abs().mean()


def test_batch_and_threads_change_nothing() -> None:
    wanted = [Continuation(ids[:1], ids[1:]) for ids in IDS]
    together = log_likelihoods(tiny.decoder(), wanted)
    alone = [log_likelihoods(tiny.decoder(), [one])[0] for one in wanted]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
