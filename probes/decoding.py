"""Continues many texts at once, greedily or from given random numbers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from audit.errors import MeasurementError
from probes.model import LoadedModel

#: Texts continued together: the cache of keys and values stays small beside the weights.
_TEXTS = 64


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    Args:
        temperature: divides the logits.
        top_p: the smallest set of tokens with this probability is drawn from.
    """

    temperature: float = 1.0
    top_p: float = 1.0


@torch.no_grad()
def continue_texts(
    model: LoadedModel,
    prompts: Sequence[tuple[int, ...]],
    steps: int,
    chances: torch.Tensor | None = None,
    sampling: Sampling | None = None,
) -> list[tuple[int, ...]]:
    """Continue prompts token by token until end-of-text or until ``steps`` tokens are written.

    Args:
        model: a decoder.
        prompts: token ids of each prompt.
        steps: tokens to write at most.
        chances: ``[prompts, steps]`` float64 numbers in [0, 1), one per token that is drawn; None
            continues greedily. A token is the first whose cumulative probability exceeds its number,
            most probable tokens first, so a prompt's continuation does not depend on the batch.
        sampling: how tokens are drawn; plain sampling if None.
    Returns:
        The written tokens of each prompt, without end-of-text.
    Raises:
        MeasurementError: the model's logits are NaN.
    """
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    written: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(order), _TEXTS):
        batch = order[start : start + _TEXTS]
        drawn = None if chances is None else chances[batch]
        tokens = _continue(model, [prompts[index] for index in batch], steps, drawn, sampling or Sampling())
        written.update(zip(batch, tokens, strict=True))
    return [written[index] for index in range(len(prompts))]


def _continue(
    model: LoadedModel,
    prompts: Sequence[tuple[int, ...]],
    steps: int,
    chances: torch.Tensor | None,
    sampling: Sampling,
) -> list[tuple[int, ...]]:
    """Decode one batch, padded on the left, with a cache of keys and values."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[*[0] * (longest - len(p)), *p] for p in prompts], device=model.device)
    lengths = torch.tensor([[len(p)] for p in prompts], device=model.device)
    mask = (torch.arange(longest, device=model.device) >= longest - lengths).long()
    cache, ends = DynamicCache(config=model.net.config), end_tokens(model)
    done = torch.zeros(len(prompts), dtype=torch.bool, device=model.device)
    columns: list[torch.Tensor] = []
    for step in range(steps):
        logits = _next_logits(model, ids, mask, cache)
        token = _greedy(logits) if chances is None else _draw(logits, chances[:, step], sampling)
        columns.append(torch.where(done, -1, token))
        done |= torch.isin(token, ends)
        if done.all():
            break
        ids = token[:, None]
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], 1)
    return [until_end(row, ends.tolist()) for row in torch.stack(columns, 1).tolist()]


def _next_logits(
    model: LoadedModel, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Float32 logits of the next token, ``[texts, vocabulary]``."""
    extra: dict[str, Any] = {}
    accepted = inspect.signature(model.net.forward).parameters
    if "position_ids" in accepted:
        extra["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    if "logits_to_keep" in accepted:
        extra["logits_to_keep"] = 1
    output = model.net(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **extra)
    logits: torch.Tensor = output.logits[:, -1].float()
    if torch.isnan(logits).any():
        raise MeasurementError("the model's logits are NaN")
    return logits


def _greedy(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(-1)


def _draw(logits: torch.Tensor, chance: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Inverse-transform sampling over the tokens in falling order of probability."""
    ranked, tokens = (logits.double() / sampling.temperature).softmax(-1).sort(dim=-1, descending=True)
    cumulative = ranked.cumsum(-1)
    # The nucleus ends with the first token that reaches top_p (Holtzman et al. 2020).
    size = (cumulative < sampling.top_p).sum(-1, keepdim=True).clamp(max=ranked.shape[-1] - 1)
    total = cumulative.gather(-1, size)
    place = torch.searchsorted(cumulative, chance.to(cumulative)[:, None] * total, right=True)
    return tokens.gather(-1, torch.minimum(place, size))[:, 0]


def end_tokens(model: LoadedModel) -> torch.Tensor:
    """Every token that ends a text, as configuration and tokenizer name them."""
    generation = getattr(model.net, "generation_config", None)
    named = [getattr(generation, "eos_token_id", None), model.tokenizer.eos_token_id]
    flat = [token for ids in named for token in (ids if isinstance(ids, list) else [ids])]
    return torch.tensor(sorted({token for token in flat if token is not None}), device=model.device)


def until_end(row: Sequence[int], ends: Sequence[int]) -> tuple[int, ...]:
    """The tokens before the first that ends a text; -1 does, too."""
    stop = next((at for at, token in enumerate(row) if token == -1 or token in ends), len(row))
    return tuple(row[:stop])
