"""All attention rows of a whole text in every stream, for those who look at single pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from audit.kept_attention import HeadPlace
from audit.records import Stream
from probes.attention_call import AttentionCall, ObservedCall
from probes.capture import RowCapture
from probes.forward import forward
from probes.model import LoadedModel
from probes.route import instrument
from probes.token_sequence import Array

#: How far the softmax of ``q · k`` alone may lie from the weights before something else is said to enter it.
_ROUNDING = 1e-3


class HeadVectors(NamedTuple):
    """What one head multiplies.

    Args:
        queries, keys: ``[tokens, d]`` float32, after rotary embedding.
        scale: what their products are multiplied by.
        products_only: whether nothing else enters the softmax.
    """

    queries: Array
    keys: Array
    scale: float
    products_only: bool


@dataclass(frozen=True, slots=True)
class WholeText:
    """The attention of one text.

    Args:
        weights: stream → ``[layers, heads, queries, keys]`` float32, NaN in layers that do not attend.
        vectors: of the heads that were asked for and are seen.
    """

    weights: dict[Stream, Array]
    vectors: dict[HeadPlace, HeadVectors] = field(default_factory=dict)


class WholeCapture(RowCapture):
    """Records whole matrices of one text, and queries and keys of a few heads.

    Args:
        model: that reads.
        heads: whose queries and keys are wanted.
    """

    def __init__(self, model: LoadedModel, heads: Collection[HeadPlace]) -> None:
        super().__init__(None)
        self._anatomy = model.anatomy
        self._wanted: dict[tuple[Stream, int], list[int]] = defaultdict(list)
        for stream, layer, head in heads:
            self._wanted[stream, layer].append(head)
        self._layers: dict[Stream, dict[int, Array]] = defaultdict(dict)
        self._vectors: dict[HeadPlace, HeadVectors] = {}

    def record(self, call: ObservedCall, count: int) -> None:
        """Keep a call whose rows belong to tokens."""
        place = self._anatomy.places[call.module, count]
        if not place.by_token:
            return
        weights = call.rows(None)[0].cpu().numpy()
        self._layers[place.stream][place.layer] = weights
        if isinstance(call, AttentionCall):
            for head in self._wanted[place.stream, place.layer]:
                found = _vectors(call, head, weights[head])
                self._vectors[place.stream, place.layer, head] = found

    def text(self) -> WholeText:
        """What was recorded."""
        weights = {}
        for stream, found in self._layers.items():
            like = next(iter(found.values()))
            whole = np.full((self._anatomy.layers[stream], *like.shape), np.nan, np.float32)
            whole[list(found)] = np.stack(list(found.values()))
            weights[stream] = whole
        return WholeText(weights, self._vectors)


@torch.no_grad()
def read_whole(
    model: LoadedModel, text: str, decoded: tuple[int, ...] = (), heads: Collection[HeadPlace] = ()
) -> WholeText:
    """Read a text with every query row captured; this holds ``tokens²`` weights of every head.

    Args:
        model: of any family.
        text: what to read.
        decoded: what an encoder–decoder has decoded so far; by default what it begins with.
        heads: whose queries and keys are wanted.
    """
    encoding = model.encode(text)
    targets, types = None, None
    if model.family == "encoder-decoder":
        targets = torch.tensor([decoded or model.target_start], device=model.device)
    if encoding.types:
        types = torch.tensor([encoding.types], device=model.device)
    capture = WholeCapture(model, heads)
    with instrument(capture):
        forward(model.net.base_model, torch.tensor([encoding.ids], device=model.device), None, targets, types)
    return capture.text()


def _vectors(call: AttentionCall, head: int, weights: Array) -> HeadVectors:
    group = call.query.shape[1] // call.key.shape[1]
    queries, keys = call.query[0, head].float(), call.key[0, head // group].float()
    products = (queries @ keys.mT * call.scale).cpu().numpy()
    # A key without weight is masked, or so far below the others that it counts for nothing.
    scores = np.where(weights > 0, products, -np.inf)
    alone = np.exp(scores - scores.max(axis=-1, keepdims=True, initial=-1e30))
    alone /= alone.sum(axis=-1, keepdims=True) + np.finfo(np.float32).tiny
    only = bool(np.abs(alone - weights).max(initial=0.0) < _ROUNDING)
    return HeadVectors(queries.cpu().numpy(), keys.cpu().numpy(), call.scale, only)
