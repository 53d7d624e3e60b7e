"""Floating-point operations that the effects of all heads of a pair need, and that one forward per head takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from probes.model import LoadedModel
from tests.benchmarks.one_by_one import Exchange

_ARMS = 2


@dataclass(frozen=True, slots=True)
class LayerWork:
    """Operations of the parts of one layer for one token, two for every weight.

    Args:
        query, key_value, output, mlp: of the projections and of what comes behind attention.
        look: of attention to one token.
    """

    query: float
    key_value: float
    output: float
    mlp: float
    look: float

    @property
    def whole(self) -> float:
        """All parts but attention."""
        return self.query + self.key_value + self.output + self.mlp


def layer_work(model: LoadedModel) -> LayerWork:
    """Count the weights of a layer of the demo model."""
    layer = model.net.base_model.layers[0]

    def of(*modules: torch.nn.Module) -> float:
        return 2.0 * sum(weight.numel() for module in modules for weight in module.parameters())

    own = layer.self_attn
    return LayerWork(
        of(own.q_proj),
        of(own.k_proj, own.v_proj),
        of(own.o_proj),
        of(layer.mlp),
        4.0 * own.q_proj.out_features,
    )


def least(work: LayerWork, layers: int, heads: int, tokens: int, rows: Sequence[int]) -> float:
    """Operations without which the effects of all heads of a pair cannot be known exactly.

    Both texts are read once, what they share once for both. A head that is edited in layer l changes

    - in layer l the edited rows: what it adds to them, and their MLP;
    - in layer l + 1 of these rows queries, keys and values; of every row from the first edited one on
      attention, output and MLP;
    - in later layers every row from the first edited one on;
    - in the last layer, keys and values apart, only the last row, which predicts.

    Args:
        work: of one layer.
        layers, heads: of the model.
        tokens: of each text, which predict after the last one.
        rows: the edited rows, the first of which is the first token in which the texts differ.
    """
    tail = range(rows[0], tokens)
    looks = [work.look * (row + 1) for row in range(tokens)]

    def after(changed: Sequence[int], layer: int) -> float:
        """A layer in which the inputs of some rows are changed, and so all outputs from the first edited row on."""
        told = tail if layer < layers - 1 else tail[-1:]
        asked = [row for row in told if row in changed]
        projected = len(changed) * work.key_value + len(asked) * work.query
        return projected + sum(work.output + work.mlp + looks[row] for row in told)

    total = rows[0] * layers * work.whole + layers * sum(looks[: rows[0]])
    total += _ARMS * sum(after(tail, layer) for layer in range(layers))
    for layer in range(layers):
        edited = [row for row in rows if layer < layers - 1 or row == tokens - 1]
        own = len(edited) * (work.output / heads + work.mlp)
        later = sum(after(rows if at == layer + 1 else tail, at) for at in range(layer + 1, layers))
        total += _ARMS * heads * (own + later)
    return total


def least_of(model: LoadedModel, exchange: Exchange) -> float:
    """The same for one pair, the logits of two answers included."""
    tokens = len(exchange.ids[0])
    logits = 2.0 * _ARMS * (1 + model.layers * model.heads) * 2 * model.net.config.hidden_size
    return least(layer_work(model), model.layers, model.heads, tokens, exchange.rows) + logits


def published_of(model: LoadedModel, exchange: Exchange) -> float:
    """Operations of one forward of both texts per head and one unedited, with the whole vocabulary at every token."""
    work, tokens = layer_work(model), len(exchange.ids[0])
    vocabulary = 2.0 * model.net.get_output_embeddings().weight.numel()
    text = tokens * (model.layers * work.whole + vocabulary) + model.layers * tokens * tokens * work.look
    return (1 + model.layers * model.heads) * _ARMS * text
