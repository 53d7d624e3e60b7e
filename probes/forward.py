"""How a network is called, whatever its family."""

from __future__ import annotations

import inspect
from typing import Any

import torch


def forward(
    net: torch.nn.Module,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    targets: torch.Tensor | None = None,
    **options: Any,
) -> Any:
    """Run a network without a cache.

    Args:
        net: the network with or without its head.
        ids: ``[texts, tokens]`` token ids; the encoder's in an encoder–decoder.
        mask: ``[texts, tokens]``, 0 where a text is padded; None where nothing is padded.
        targets: ``[texts, tokens]`` tokens that an encoder–decoder has decoded so far.
        options: handed on to the network.
    Returns:
        The network's output.
    """
    if targets is not None:
        options["decoder_input_ids"] = targets
    if "use_cache" in inspect.signature(net.forward).parameters:
        options["use_cache"] = False
    return net(input_ids=ids, attention_mask=mask, **options)
