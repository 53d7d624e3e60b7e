"""The one door through which evenhand sees and edits attention.

Two functions are registered with transformers' attention interface: one stands in for SDPA, the
other for a family's own whole-matrix attention, where SDPA cannot express it. Without an instrument
they *are* these, bit for bit; with one, the instrument receives every attention call of the model
(the mask functions must be registered too, or the mask is silently None). Families that bypass the
interface come to the same instruments through ``probes.softmax_route``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask, sdpa_mask

from probes.attention_call import Attended, AttentionCall

ROUTE = "evenhand"
WHOLE_ROUTE = "evenhand-whole"

#: Receives one attention call (``ObservedCall``; ``AttentionCall``, where it needs queries, keys and
#: values and therefore the interface) and returns what the call's own methods give.
Instrument = Callable[[Any], Attended]

_instruments: list[Instrument] = []


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    whole: bool,
    **options: Any,
) -> Attended:
    call = AttentionCall(module, query, key, value, attention_mask, options, whole)
    receive = watching()
    return call.attend() if receive is None else receive(call)


for _name, _mask, _whole in ((ROUTE, sdpa_mask, False), (WHOLE_ROUTE, eager_mask, True)):
    AttentionInterface.register(_name, partial(_attend, whole=_whole))
    AttentionMaskInterface.register(_name, _mask)


@contextmanager
def instrument(receive: Instrument) -> Iterator[None]:
    """Send every attention call of the block through ``receive``."""
    _instruments.append(receive)
    try:
        yield
    finally:
        _instruments.pop()


def watching() -> Instrument | None:
    """The instrument that receives attention calls now."""
    return _instruments[-1] if _instruments else None


def interface_names(net: PreTrainedModel) -> tuple[str, str]:
    """Of a network: the registered name that suits it, and the stock attention that this stands in for."""
    return (ROUTE, "sdpa") if net._supports_sdpa else (WHOLE_ROUTE, "eager")


def through_interface(net: PreTrainedModel) -> bool:
    """Whether the network's attention goes through the interface to evenhand."""
    return net.config._attn_implementation in (ROUTE, WHOLE_ROUTE)
