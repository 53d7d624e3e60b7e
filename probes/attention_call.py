"""One attention call of a model: what an instrument sees of it, and attention over it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

#: What goes back into the model, and weights if an implementation gives them. Through the interface
#: that is the output ``[texts, queries, heads, d]``, at the softmax the weights
#: ``[texts, heads, queries, keys]``; an instrument for both hands it on and never looks inside.
Attended = tuple[torch.Tensor, torch.Tensor | None]


class HeadRows(NamedTuple):
    """Single attention rows: of which text of the batch, of which query head, of which query token.

    Args:
        texts, heads, rows: ``[n]``, one entry a row.
    """

    texts: torch.Tensor
    heads: torch.Tensor
    rows: torch.Tensor


class ObservedCall(Protocol):
    """One attention call, whichever route it comes by."""

    @property
    def module(self) -> torch.nn.Module:
        """The attention module that makes it."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Texts, query heads, queries, keys."""

    @property
    def value(self) -> torch.Tensor | None:
        """``[texts, key-value heads, keys, d]``; None where the route does not see the values."""

    def rows(self, rows: torch.Tensor | None) -> torch.Tensor:
        """Post-softmax weights of query rows ``[texts, rows]`` (None: all), float32."""

    def attend(self) -> Attended:
        """Attention as the model computes it unwatched, bit for bit."""

    def scaled(self, heads: Sequence[int], factor: float) -> Attended:
        """Attention with the outputs of some heads multiplied by a factor."""

    def picked(self, places: HeadRows) -> torch.Tensor:
        """Post-softmax weights of single rows, ``[n, keys]`` float32."""

    def edited(self, places: HeadRows, weights: torch.Tensor) -> Attended:
        """Attention in which single rows read along other weights ``[n, keys]``."""

    def replaced(self, attended: Attended, places: HeadRows, outputs: torch.Tensor) -> Attended:
        """What was attended, with other outputs ``[n, d]`` of single rows; raises MeasurementError."""


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
        whole: whether the family computes whole matrices, because SDPA cannot express its attention
            (Gemma 2's soft cap, the sinks of gpt-oss).
    """

    module: torch.nn.Module
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    options: Mapping[str, Any]
    whole: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Texts, query heads, queries, keys."""
        texts, heads, queries, _ = self.query.shape
        return texts, heads, queries, self.key.shape[2]

    def sdpa(self) -> Attended:
        """Stock SDPA, bit for bit."""
        output: Attended = sdpa_attention_forward(
            self.module, self.query, self.key, self.value, self.mask, **self.options
        )
        return output

    def eager(self) -> Attended:
        """The family's own whole-matrix attention, bit for bit."""
        attend = eager_function(self.module)
        output, _ = attend(self.module, self.query, self.key, self.value, self.mask, **self.options)
        return output, None

    def attend(self) -> Attended:
        """Attention as the family means it: SDPA, or its own whole matrices."""
        return self.eager() if self.whole else self.sdpa()

    def scaled(self, heads: Sequence[int], factor: float) -> Attended:
        """Multiply the outputs of some heads by a factor."""
        output, weights = self.attend()
        output[:, :, list(heads)] *= factor
        return output, weights

    def edited(self, places: HeadRows, weights: torch.Tensor) -> Attended:
        """Let single rows read along other weights.

        What the change of the weights reads is added to the output, so that a row's own weights change
        nothing.

        Args:
            places: the rows; one that is named twice gets the same weights twice.
            weights: ``[n, keys]``.
        """
        output, own = self.attend()
        texts, heads, rows = places
        value = self.value[texts, heads // self._group].float()
        change = weights.float() - self.picked(places)
        read = torch.einsum("nk,nkd->nd", change, value)
        output[texts, rows, heads] = (output[texts, rows, heads].float() + read).to(output.dtype)
        return output, own

    def replaced(self, attended: Attended, places: HeadRows, outputs: torch.Tensor) -> Attended:
        """Put other outputs in the place of single rows'.

        Args:
            attended: what another method gave.
            places: the rows.
            outputs: ``[n, d]``, before the output projection.
        """
        output, own = attended
        texts, heads, rows = places
        output[texts, rows, heads] = outputs.to(output)
        return output, own

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
        chosen = rows_of(self.query, rows, texts).float()
        grouped = chosen.reshape(texts, shared, heads // shared * chosen.shape[2], d)
        scores = self.capped((grouped @ self.key.float().mT).reshape(texts, heads, -1, keys))
        if (bias := self.options.get("position_bias")) is not None:
            scores = scores + rows_of(bias, rows, texts).float()
        if (mask := self.mask) is not None:
            # A mask of padding alone has one row for all queries (Switch).
            mask = mask if mask.shape[2] == 1 else rows_of(mask, rows, texts)
        at = torch.arange(queries, device=scores.device)[None] if rows is None else rows
        return self.softmax(self._masked(scores, mask, at[:, None]))

    def picked(self, places: HeadRows) -> torch.Tensor:
        """Post-softmax weights of single rows, computed as :meth:`rows` computes them.

        Args:
            places: the rows.
        Returns:
            ``[n, keys]`` float32.
        """
        texts, heads, rows = places
        query, key = self.query[places].float(), self.key[texts, heads // self._group].float()
        scores = self.capped(torch.einsum("nd,nkd->nk", query, key))
        if (bias := self.options.get("position_bias")) is not None:
            scores = scores + _picked(bias, places).float()
        mask = None if self.mask is None else _picked(self.mask, places)
        scores = self._masked(scores, mask, rows)
        if (sinks := self.options.get("s_aux")) is None:
            return scores.softmax(-1)
        return torch.cat([scores, sinks.float()[heads, None]], -1).softmax(-1)[..., :-1]

    @property
    def scale(self) -> float:
        """What products of queries and keys are multiplied by."""
        scaling = self.options.get("scaling")
        return float(self.query.shape[-1] ** -0.5 if scaling is None else scaling)

    @property
    def _group(self) -> int:
        """Query heads that share a key-value head."""
        return self.query.shape[1] // self.key.shape[1]

    def capped(self, products: torch.Tensor) -> torch.Tensor:
        """Scale ``q k^T`` and apply the family's soft cap."""
        scores = products * self.scale
        if (cap := self.options.get("softcap")) is not None:
            scores = torch.tanh(scores / cap) * cap
        return scores

    def softmax(self, scores: torch.Tensor) -> torch.Tensor:
        """Softmax over the last axis of ``[texts, heads, rows, keys]``, with the family's sinks."""
        if (sinks := self.options.get("s_aux")) is None:
            return scores.softmax(-1)
        column = sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        return torch.cat([scores, column], -1).softmax(-1)[..., :-1]

    def _masked(self, scores: torch.Tensor, mask: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
        """Apply the rows' mask; without one, SDPA is causal from the upper left when the module says so.

        Args:
            scores: ``[..., keys]``.
            mask: of the same rows, broadcastable to the scores, or None.
            rows: ``[...]`` query positions.
        """
        if mask is not None:
            part = mask[..., : scores.shape[-1]]
            if part.dtype == torch.bool:
                return scores.masked_fill(~part, float("-inf"))
            return scores + part.float()
        causal = self.options.get("is_causal")
        causal = getattr(self.module, "is_causal", True) if causal is None else causal
        if self.query.shape[2] == 1 or not causal:
            return scores
        future = torch.arange(scores.shape[-1], device=scores.device) > rows[..., None]
        return scores.masked_fill(future, float("-inf"))


def _picked(tensor: torch.Tensor, places: HeadRows) -> torch.Tensor:
    """Single rows ``[n, keys]`` of what broadcasts over ``[texts, heads, queries, keys]``."""
    index = (
        at if size > 1 else torch.zeros_like(at) for at, size in zip(places, tensor.shape[:3], strict=True)
    )
    found: torch.Tensor = tensor[tuple(index)]
    return found


def eager_function(module: torch.nn.Module) -> Callable[..., Attended]:
    """The whole-matrix attention that a family's code falls back on."""
    code: Any = inspect.unwrap(type(module).forward)
    found: Callable[..., Attended] = code.__globals__["eager_attention_forward"]
    return found


def rows_of(tensor: torch.Tensor, rows: torch.Tensor | None, texts: int) -> torch.Tensor:
    """Take query rows ``[texts, rows]`` of ``[texts or 1, heads or 1, queries, x]``; None takes all."""
    if rows is None:
        return tensor
    _, heads, _, width = tensor.shape
    index = rows[:, None, :, None].expand(texts, heads, rows.shape[1], width)
    return tensor.expand(texts, -1, -1, -1).gather(2, index)
