"""Captures the attention rows that are wanted, while SDPA computes the output.

Whole matrices are never stored: from the query and key that reach the attention interface only the
wanted query rows are turned into post-softmax weights, in float32 whatever the model's dtype.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from probes.projection import ValueNorms


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """One attention call.

    Args:
        module: the attention module that made it.
        weights: ``[texts, heads, rows, keys]`` float32 post-softmax weights of the wanted rows.
        norms: ``[texts, heads, keys]`` float32 ``‖v_k W_O^h‖``; None where no output projection was found.
    """

    module: torch.nn.Module
    weights: torch.Tensor
    norms: torch.Tensor | None


class RowCapture:
    """An instrument for ``probes.route`` that records rows and changes nothing.

    Args:
        rows: ``[texts, rows]`` query positions; None for all of them.
        norms: computes the value norms; None leaves them out.
    """

    def __init__(self, rows: torch.Tensor | None, norms: ValueNorms | None = None) -> None:
        self.rows, self._norms = rows, norms
        self.calls: list[CapturedCall] = []

    def __call__(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Record the rows and return what ``attend`` returns."""
        weights = attention_rows(module, query, key, attention_mask, kwargs, self.rows)
        norms = self._norms(module, value, query.shape[1]) if self._norms is not None else None
        self.calls.append(CapturedCall(module, weights, norms))
        return attend(module, query, key, value, attention_mask, **kwargs)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attention as the family means it: SDPA, or whole matrices where SDPA cannot express it.

    SDPA knows neither Gemma 2's soft cap nor the sinks of gpt-oss.

    Returns:
        ``[texts, queries, heads, d]`` output, and None.
    """
    if kwargs.get("softcap") is None and kwargs.get("s_aux") is None:
        output: tuple[torch.Tensor, torch.Tensor | None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **kwargs
        )
        return output
    weights = attention_rows(module, query, key, attention_mask, kwargs, None).to(value.dtype)
    texts, heads, queries, keys = weights.shape
    shared = value.shape[1]
    grouped = weights.reshape(texts, shared, heads // shared * queries, keys)
    whole = (grouped @ value).reshape(texts, heads, queries, value.shape[-1])
    return whole.transpose(1, 2).contiguous(), None


def attention_rows(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    kwargs: Mapping[str, Any],
    rows: torch.Tensor | None,
) -> torch.Tensor:
    """Post-softmax attention weights of some query rows.

    ``softmax(cap(q k^T · scaling) + position bias + mask)``; with sinks the softmax has one more
    column, which is dropped, so that rows sum to less than 1.

    Args:
        module: the attention module, for its ``is_causal``.
        query: ``[texts, heads, queries, d]``.
        key: ``[texts, key-value heads, keys, d]``, not repeated for grouped-query attention.
        mask: boolean (True takes part) or additive, broadcastable to ``[texts, heads, queries, keys]``.
        kwargs: what the family passed: ``scaling, softcap, s_aux, position_bias, is_causal``.
        rows: ``[texts, rows]`` query positions; None for all.
    Returns:
        ``[texts, heads, rows, keys]`` float32.
    """
    texts, heads, queries, d = query.shape
    shared, keys = key.shape[1:3]
    chosen = _rows_of(query, rows, texts).float()
    scaling = kwargs.get("scaling")
    grouped = chosen.reshape(texts, shared, heads // shared * chosen.shape[2], d)
    scores = (grouped @ key.float().mT).reshape(texts, heads, -1, keys)
    scores = scores * (d**-0.5 if scaling is None else scaling)
    if (cap := kwargs.get("softcap")) is not None:
        scores = torch.tanh(scores / cap) * cap
    if (bias := kwargs.get("position_bias")) is not None:
        scores = scores + _rows_of(bias, rows, texts).float()
    scores = _masked(scores, module, mask, kwargs, rows, queries)
    if (sinks := kwargs.get("s_aux")) is None:
        return scores.softmax(-1)
    column = sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
    return torch.cat([scores, column], -1).softmax(-1)[..., :-1]


def _rows_of(tensor: torch.Tensor, rows: torch.Tensor | None, texts: int) -> torch.Tensor:
    """Take query rows of ``[texts or 1, heads or 1, queries, x]``."""
    if rows is None:
        return tensor
    _, heads, _, width = tensor.shape
    index = rows[:, None, :, None].expand(texts, heads, rows.shape[1], width)
    return tensor.expand(texts, -1, -1, -1).gather(2, index)


def _masked(
    scores: torch.Tensor,
    module: torch.nn.Module,
    mask: torch.Tensor | None,
    kwargs: Mapping[str, Any],
    rows: torch.Tensor | None,
    queries: int,
) -> torch.Tensor:
    """Apply the mask; without one, SDPA is causal from the upper left when the module says so."""
    if mask is not None:
        part = _rows_of(mask, rows, scores.shape[0])[..., : scores.shape[-1]]
        return scores.masked_fill(~part, float("-inf")) if part.dtype == torch.bool else scores + part.float()
    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    if queries == 1 or not causal:
        return scores
    at = torch.arange(queries, device=scores.device)[None] if rows is None else rows
    future = torch.arange(scores.shape[-1], device=scores.device) > at[:, None, :, None]
    return scores.masked_fill(future, float("-inf"))
