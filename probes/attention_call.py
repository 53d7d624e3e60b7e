"""One attention call of a model: what reaches the attention interface, and attention over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

#: Output ``[texts, queries, heads, d]`` and, if an implementation gives them, weights.
Attended = tuple[torch.Tensor, torch.Tensor | None]


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """What an attention module hands to its implementation.

    Args:
        module: the attention module.
        query: ``[texts, heads, queries, d]``.
        key, value: ``[texts, key-value heads, keys, d]``, not repeated for grouped-query attention.
        mask: boolean (True takes part) or additive, broadcastable to ``[texts, heads, queries, keys]``;
            None where the module is causal by itself.
        options: what the family passed: ``scaling, softcap, s_aux, position_bias, is_causal``.
    """

    module: torch.nn.Module
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    options: Mapping[str, Any]

    def sdpa(self) -> Attended:
        """Stock SDPA, bit for bit."""
        output: Attended = sdpa_attention_forward(
            self.module, self.query, self.key, self.value, self.mask, **self.options
        )
        return output

    def attend(self) -> Attended:
        """Attention as the family means it: SDPA, or whole matrices where SDPA cannot express it.

        SDPA knows neither Gemma 2's soft cap nor the sinks of gpt-oss.
        """
        if self.options.get("softcap") is None and self.options.get("s_aux") is None:
            return self.sdpa()
        weights = self.rows(None).to(self.value.dtype)
        texts, heads, queries, keys = weights.shape
        shared = self.value.shape[1]
        grouped = weights.reshape(texts, shared, heads // shared * queries, keys)
        whole = (grouped @ self.value).reshape(texts, heads, queries, self.value.shape[-1])
        return whole.transpose(1, 2).contiguous(), None

    def rows(self, rows: torch.Tensor | None) -> torch.Tensor:
        """Post-softmax weights of some query rows, in float32 whatever the model's dtype.

        ``softmax(cap(q k^T · scaling) + position bias + mask)``; with sinks the softmax has one more
        column, which is dropped, so that rows sum to less than 1.

        Args:
            rows: ``[texts, rows]`` query positions; None for all.
        Returns:
            ``[texts, heads, rows, keys]`` float32.
        """
        texts, heads, queries, d = self.query.shape
        shared, keys = self.key.shape[1:3]
        chosen = _rows_of(self.query, rows, texts).float()
        grouped = chosen.reshape(texts, shared, heads // shared * chosen.shape[2], d)
        scores = self.capped((grouped @ self.key.float().mT).reshape(texts, heads, -1, keys))
        if (bias := self.options.get("position_bias")) is not None:
            scores = scores + _rows_of(bias, rows, texts).float()
        return self.softmax(self._masked(scores, rows, queries))

    def capped(self, products: torch.Tensor) -> torch.Tensor:
        """Scale ``q k^T`` and apply the family's soft cap."""
        scaling = self.options.get("scaling")
        scores: torch.Tensor = products * (self.query.shape[-1] ** -0.5 if scaling is None else scaling)
        if (cap := self.options.get("softcap")) is not None:
            scores = torch.tanh(scores / cap) * cap
        return scores

    def softmax(self, scores: torch.Tensor) -> torch.Tensor:
        """Softmax over the last axis of ``[texts, heads, rows, keys]``, with the family's sinks."""
        if (sinks := self.options.get("s_aux")) is None:
            return scores.softmax(-1)
        column = sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        return torch.cat([scores, column], -1).softmax(-1)[..., :-1]

    def _masked(self, scores: torch.Tensor, rows: torch.Tensor | None, queries: int) -> torch.Tensor:
        """Apply the mask; without one, SDPA is causal from the upper left when the module says so."""
        if self.mask is not None:
            part = _rows_of(self.mask, rows, scores.shape[0])[..., : scores.shape[-1]]
            if part.dtype == torch.bool:
                return scores.masked_fill(~part, float("-inf"))
            return scores + part.float()
        causal = self.options.get("is_causal")
        causal = getattr(self.module, "is_causal", True) if causal is None else causal
        if queries == 1 or not causal:
            return scores
        at = torch.arange(queries, device=scores.device)[None] if rows is None else rows
        future = torch.arange(scores.shape[-1], device=scores.device) > at[:, None, :, None]
        return scores.masked_fill(future, float("-inf"))


def _rows_of(tensor: torch.Tensor, rows: torch.Tensor | None, texts: int) -> torch.Tensor:
    """Take query rows of ``[texts or 1, heads or 1, queries, x]``."""
    if rows is None:
        return tensor
    _, heads, _, width = tensor.shape
    index = rows[:, None, :, None].expand(texts, heads, rows.shape[1], width)
    return tensor.expand(texts, -1, -1, -1).gather(2, index)
