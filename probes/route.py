"""The one door through which evenhand sees and edits attention.

The function registered here stands in for SDPA. Without an instrument it *is* SDPA, bit for bit;
with one, the instrument receives every attention call of the model (transformers' attention
interface; the mask function must be registered too, or the mask is silently None).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from probes.attention_call import Attended, AttentionCall

ROUTE = "evenhand"


#: Receives one attention call and returns its output.
Instrument = Callable[[AttentionCall], Attended]

_instruments: list[Instrument] = []


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> Attended:
    call = AttentionCall(module, query, key, value, attention_mask, options)
    return _instruments[-1](call) if _instruments else call.sdpa()


AttentionInterface.register(ROUTE, _attend)
AttentionMaskInterface.register(ROUTE, sdpa_mask)


@contextmanager
def instrument(receive: Instrument) -> Iterator[None]:
    """Send every attention call of the block through ``receive``."""
    _instruments.append(receive)
    try:
        yield
    finally:
        _instruments.pop()
