"""The one door through which evenhand sees and edits attention.

The function registered here stands in for SDPA. Without an instrument it *is* SDPA, bit for bit;
with one, the instrument receives every attention call of the model (transformers' attention
interface; the mask function must be registered too, or the mask is silently None).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ROUTE = "evenhand"


class Instrument(Protocol):
    """Receives one attention call: ``[batch, heads, queries, d]`` query, unrepeated key and value."""

    def __call__(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the output ``[batch, queries, heads, d]`` and, if wanted, weights."""


_instruments: list[Instrument] = []


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    call = _instruments[-1] if _instruments else sdpa_attention_forward
    return call(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(ROUTE, _attend)
AttentionMaskInterface.register(ROUTE, sdpa_mask)


@contextmanager
def instrument(call: Instrument) -> Iterator[None]:
    """Send every attention call of the block through ``call``."""
    _instruments.append(call)
    try:
        yield
    finally:
        _instruments.pop()
