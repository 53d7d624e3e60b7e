"""All interventions on a text's tail in one growing batch.

Two texts of a pair share their prefix, so its keys and values are computed once and never copied.
The tail of every text is one row of the batch; at layer l each intervention whose first head lies
there adds one more row, a copy of the unedited tail, in which its heads read as it says. It therefore
costs nothing below its first layer, and the unedited attention rows are at hand in the same batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from audit.errors import ModelError
from probes.attention_call import Attended, AttentionCall
from probes.intervention import Intervention, Place
from probes.route import instrument


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
        partner: ``[texts]``, index of each text's counterpart in the other arm.
    """

    ids: torch.Tensor
    start: int
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


class _Slot(NamedTuple):
    """What an intervention does in one layer: its copy of the tails, its places there, its texts' rows."""

    number: int
    intervention: Intervention
    places: tuple[Place, ...]


class _Branching:
    """The attention of one pass: shared prefix, causal tail, edited rows for the copies."""

    def __init__(self, prefix: KeyValues, tails: Tails, interventions: Sequence[Intervention]) -> None:
        self.prefix, self.tails = prefix, tails
        self.seen = KeyValues()
        self.order = sorted(range(len(interventions)), key=lambda number: interventions[number].first)
        self.joining: dict[int, int] = defaultdict(int)
        self._slots: dict[int, list[_Slot]] = defaultdict(list)
        for slot, number in enumerate(self.order):
            intervention = interventions[number]
            self.joining[intervention.first] += 1
            for layer in {place.layer for place in intervention.places}:
                places = tuple(place for place in intervention.places if place.layer == layer)
                self._slots[layer].append(_Slot(slot, intervention, places))

    def grow(self, layer: int) -> Any:
        """A pre-hook that adds one unedited copy of all tails per intervention that begins in the layer."""
        texts = self.tails.ids.shape[0]

        def hook(_module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            hidden = args[0] if args else kwargs["hidden_states"]
            hidden = torch.cat([hidden, hidden[:texts].repeat(self.joining[layer], 1, 1)])
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
        self._edit_rows(weights, layer)
        weights = weights.reshape(batch, shared, heads // shared * steps, -1)
        out = weights[..., width:] @ call.value
        if width:
            out = out + _over_prefix(weights[..., :width], self.prefix.values[layer])
        out = out.reshape(batch, heads, steps, -1)
        self._edit_outputs(out, layer)
        return out.transpose(1, 2), None

    def _copy(self, tensor: torch.Tensor, slot: int) -> torch.Tensor:
        """The texts of one intervention."""
        texts = self.tails.ids.shape[0]
        return tensor[texts * (1 + slot) : texts * (2 + slot)]

    def _edit_rows(self, weights: torch.Tensor, layer: int) -> None:
        partner = self.tails.partner
        lent = weights[: len(partner)][partner]
        for slot, intervention, places in self._slots[layer]:
            own = self._copy(weights, slot)
            for _, head, rows, _ in places:
                for row in rows:
                    match intervention.kind:
                        case "exchange":
                            own[:, head, row] = lent[:, head, row]
                        case "arms-mean":
                            own[:, head, row] = (own[:, head, row] + own[partner, head, row]) / 2
                        case "uniform":
                            visible = self.prefix.length + row + 1
                            own[:, head, row] = 0
                            own[:, head, row, :visible] = 1 / visible
                        case "zero" | "mean":
                            own[:, head, row] = 0

    def _edit_outputs(self, out: torch.Tensor, layer: int) -> None:
        for slot, intervention, places in self._slots[layer]:
            for place in places if intervention.kind == "mean" else ():
                own = self._copy(out, slot)
                own[:, place.head, list(place.rows)] = intervention.means[place].to(out)


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
    net: PreTrainedModel, prefix: KeyValues, tails: Tails, interventions: Sequence[Intervention]
) -> tuple[torch.Tensor, KeyValues]:
    """Run the tails unedited, and once more under every intervention.

    Args:
        net: a decoder whose attention goes through ``probes.route``.
        prefix: keys and values of the shared prefixes.
        tails: the tails, ordered so that tail i continues prefix ``i mod prefixes``.
        interventions: what to edit; their rows count from the tail's first token.
    Returns:
        Final hidden states ``[1 + interventions, texts, positions, width]`` (index 0: unedited; then in the
        order of ``interventions``), and the tails' own keys and values.
    """
    pass_ = _Branching(prefix, tails, interventions)
    texts, steps = tails.ids.shape
    positions = torch.arange(tails.start, tails.start + steps, device=tails.ids.device)[None]
    with ExitStack() as stack:
        stack.enter_context(instrument(pass_))
        for number, layer in enumerate(decoder_layers(net)):
            if pass_.joining[number]:
                handle = layer.register_forward_pre_hook(pass_.grow(number), with_kwargs=True)
                stack.callback(handle.remove)
        hidden = net.base_model(input_ids=tails.ids, position_ids=positions, use_cache=False)[0]
    hidden = hidden.reshape(-1, texts, steps, hidden.shape[-1])
    if pass_.order != sorted(pass_.order):
        hidden = hidden[[0, *(1 + pass_.order.index(number) for number in range(len(interventions)))]]
    return hidden, pass_.seen
