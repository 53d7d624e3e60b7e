"""All single-head variants of a text's tail in one growing batch.

Two texts of a pair share their prefix, so its keys and values are computed once and never copied.
The tail of every text is one row of the batch; at layer l each chosen head adds one more row, a copy
of the unedited tail, in which that head reads along the *partner* text's attention row. A variant of
layer l therefore costs nothing below layer l, and its own attention row is at hand in the same batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel

from audit.errors import ModelError
from probes.attention_call import Attended, AttentionCall
from probes.route import instrument

Head = tuple[int, int]


@dataclass(slots=True)
class KeyValues:
    """Keys and values by layer, ``[texts, key-value heads, positions, d]``, after rotary embedding."""

    keys: list[torch.Tensor] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Positions held."""
        return self.keys[0].shape[2] if self.keys else 0

    @property
    def texts(self) -> int:
        """Texts held."""
        return self.keys[0].shape[0] if self.keys else 0

    def extended(self, tail: KeyValues, upto: int) -> KeyValues:
        """One set per tail: this prefix, repeated over arms, and the first ``upto`` tail positions."""
        if not self.keys:
            return KeyValues([t[:, :, :upto] for t in tail.keys], [t[:, :, :upto] for t in tail.values])
        repeat = tail.texts // self.texts

        def joined(before: list[torch.Tensor], after: list[torch.Tensor]) -> list[torch.Tensor]:
            repeated = [layer.repeat(repeat, 1, 1, 1) for layer in before]
            return [torch.cat([p, t[:, :, :upto]], 2) for p, t in zip(repeated, after, strict=True)]

        return KeyValues(joined(self.keys, tail.keys), joined(self.values, tail.values))


@dataclass(frozen=True, slots=True)
class Tails:
    """What follows the prefixes.

    Args:
        ids: ``[texts, positions]``; text i continues prefix ``i mod prefixes``.
        start: position of the first tail token in its text.
        rows: tail positions whose attention rows are exchanged.
        partner: ``[texts]``, index of the text that lends its rows.
    """

    ids: torch.Tensor
    start: int
    rows: tuple[int, ...]
    partner: torch.Tensor


def decoder_layers(net: PreTrainedModel) -> list[torch.nn.Module]:
    """The blocks that hidden states pass through, in order.

    Raises:
        ModelError: no list of that many blocks exists.
    """
    count = net.config.get_text_config().num_hidden_layers
    for module in net.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    raise ModelError(f"{type(net).__name__}: no stack of {count} decoder blocks found; causal probe refused")


@torch.no_grad()
def read_prefix(net: PreTrainedModel, ids: torch.Tensor) -> KeyValues:
    """Keys and values of shared prefixes ``[prefixes, positions]`` (no padding)."""
    seen = KeyValues()

    def record(call: AttentionCall) -> Attended:
        seen.keys.append(call.key)
        seen.values.append(call.value)
        return call.attend()

    if ids.shape[1] == 0:
        return seen
    with instrument(record):
        net.base_model(input_ids=ids, use_cache=False)
    return seen


class _Branching:
    """The attention of one pass: shared prefix, causal tail, partner rows for the new variants."""

    def __init__(self, prefix: KeyValues, tails: Tails, heads: Sequence[Sequence[int]]) -> None:
        self.prefix, self.tails, self.heads = prefix, tails, heads
        self.seen = KeyValues()

    def grow(self, layer: int) -> Any:
        """A pre-hook that adds one unedited copy of all tails per chosen head of the layer."""
        texts = self.tails.ids.shape[0]

        def hook(_module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            hidden = args[0] if args else kwargs["hidden_states"]
            hidden = torch.cat([hidden, hidden[:texts].repeat(len(self.heads[layer]), 1, 1)])
            if args:
                return (hidden, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": hidden}

        return hook

    def __call__(self, call: AttentionCall) -> Attended:
        layer, texts = len(self.seen.keys), self.tails.ids.shape[0]
        self.seen.keys.append(call.key[:texts])
        self.seen.values.append(call.value[:texts])
        batch, heads, steps, d = call.query.shape
        shared, width = call.key.shape[1], self.prefix.length
        grouped = call.query.reshape(batch, shared, heads // shared * steps, d)
        products = grouped @ call.key.mT
        if width:
            products = torch.cat([_over_prefix(grouped, self.prefix.keys[layer].mT), products], -1)
        scores = call.capped(products.float().reshape(batch, heads, steps, -1))
        future = torch.ones(steps, steps, dtype=torch.bool, device=scores.device).triu(1)
        scores[..., -steps:].masked_fill_(future, float("-inf"))
        weights = call.softmax(scores).to(call.value.dtype)
        self._exchange(weights, layer, batch)
        weights = weights.reshape(batch, shared, heads // shared * steps, -1)
        out = weights[..., width:] @ call.value
        if width:
            out = out + _over_prefix(weights[..., :width], self.prefix.values[layer])
        return out.reshape(batch, heads, steps, -1).transpose(1, 2), None

    def _exchange(self, weights: torch.Tensor, layer: int, batch: int) -> None:
        texts = self.tails.ids.shape[0]
        lent = weights[:texts][self.tails.partner]
        first = batch - texts * len(self.heads[layer])
        for number, head in enumerate(self.heads[layer]):
            start = first + number * texts
            for row in self.tails.rows:
                weights[start : start + texts, head, row] = lent[:, head, row]


def _over_prefix(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Multiply ``[copies · prefixes, kv, m, x]`` by ``[prefixes, kv, x, y]`` without copying the right side."""
    batch, kv, m, x = left.shape
    prefixes = right.shape[0]
    copies = batch // prefixes
    folded = (
        left.reshape(copies, prefixes, kv, m, x).permute(1, 2, 0, 3, 4).reshape(prefixes, kv, copies * m, x)
    )
    product = (folded @ right).reshape(prefixes, kv, copies, m, -1)
    return product.permute(2, 0, 1, 3, 4).reshape(batch, kv, m, -1)


@torch.no_grad()
def branch(
    net: PreTrainedModel, prefix: KeyValues, tails: Tails, heads: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, KeyValues]:
    """Run the tails and all variants.

    Args:
        net: a decoder whose attention goes through ``probes.route``.
        prefix: keys and values of the shared prefixes.
        tails: the tails, ordered so that tail i continues prefix ``i mod prefixes``.
        heads: for each layer the heads to exchange, one variant each.
    Returns:
        Final hidden states ``[1 + variants, texts, positions, width]`` (index 0: unedited; then layer by
        layer, in the order of ``heads``), and the tails' own keys and values.
    """
    pass_ = _Branching(prefix, tails, heads)
    texts, steps = tails.ids.shape
    positions = torch.arange(tails.start, tails.start + steps, device=tails.ids.device)[None]
    with ExitStack() as stack:
        stack.enter_context(instrument(pass_))
        for number, layer in enumerate(decoder_layers(net)):
            if heads[number]:
                handle = layer.register_forward_pre_hook(pass_.grow(number), with_kwargs=True)
                stack.callback(handle.remove)
        hidden = net.base_model(input_ids=tails.ids, position_ids=positions, use_cache=False)[0]
    return hidden.reshape(-1, texts, steps, hidden.shape[-1]), pass_.seen
