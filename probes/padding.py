"""Whether a model may be given padded texts.

Convolutions and pooling (ConvBERT, Funnel) read the padding, whatever the mask says: what such a model says
of a text then depends on the batch. Its texts run together only where they have one length.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from audit.errors import MeasurementError
from probes.forward import TARGET, forward, trial_tokens

#: Parts of the largest hidden state: far above rounding, far below what a layer that reads padding does.
_MOVED = {torch.float32: 1e-3}
_MOVED_ROUNDED = 0.1


@torch.no_grad()
def reads_padding(net: PreTrainedModel, pad: int, head: bool = False) -> bool:
    """Whether padding moves what a network makes of a text by more than rounding.

    Args:
        net: the network.
        pad: the token to pad with.
        head: whether its head is asked too; XLNet's classifier reads the last token, whatever it is.
    """
    ids = trial_tokens(net)
    targets = ids[:, :TARGET] if net.config.is_encoder_decoder else None
    parts: list[Any] = [net.base_model, *([net] if head else [])]
    return any(_moves(part, ids, targets, pad) for part in parts)


def _moves(net: Any, ids: torch.Tensor, targets: torch.Tensor | None, pad: int) -> bool:
    """Whether padding behind the tokens moves the first thing that a network gives."""
    alone = forward(net, ids, None, targets)[0].float()
    bound = _MOVED.get(net.dtype, _MOVED_ROUNDED) * float(alone.abs().max())
    for more in (1, 4):
        padded = torch.cat([ids, ids.new_full((1, more), pad)], 1)
        mask = (torch.arange(padded.shape[1], device=ids.device) < ids.shape[1]).long()[None]
        found = forward(net, padded, mask, targets)[0].float()[:, : alone.shape[1]]
        if float((found - alone).abs().max()) > bound:
            return True
    return False


def refuse_padding(net: PreTrainedModel) -> None:
    """Let the network fail from now on where it is given padded texts."""

    def check(_module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        mask = kwargs.get("attention_mask")
        if mask is not None and not bool(mask.all()):
            raise MeasurementError(
                f"{type(net).__name__} reads padding: texts of different lengths cannot run together"
            )

    net.base_model.register_forward_pre_hook(check, with_kwargs=True)
