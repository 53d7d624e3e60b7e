"""How a network is called, whatever its family, and a trial text for it."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers import PreTrainedModel

#: Tokens of the trial text, and decoded ones: so different that a call's shape tells its stream.
SOURCE, TARGET = 7, 4


def forward(
    net: torch.nn.Module,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    targets: torch.Tensor | None = None,
    types: torch.Tensor | None = None,
    **options: Any,
) -> Any:
    """Run a network without a cache.

    Args:
        net: the network with or without its head.
        ids: ``[texts, tokens]`` token ids; the encoder's in an encoder–decoder.
        mask: ``[texts, tokens]``, 0 where a text is padded; None where nothing is padded.
        targets: ``[texts, tokens]`` tokens that an encoder–decoder has decoded so far.
        types: ``[texts, tokens]`` which part of its text each token is of; None where no text has two.
        options: handed on to the network.
    Returns:
        The network's output.
    """
    if types is not None and "token_type_ids" in inspect.signature(net.forward).parameters:
        options["token_type_ids"] = types
    if targets is not None:
        options["decoder_input_ids"] = targets
    if "use_cache" in inspect.signature(net.forward).parameters:
        options["use_cache"] = False
    return net(input_ids=ids, attention_mask=mask, **options)


def trial_tokens(net: PreTrainedModel) -> torch.Tensor:
    """A few tokens, ``[1, tokens]``, none of them special."""
    config = net.config.get_text_config()
    named = (getattr(config, f"{name}_token_id", None) for name in ("pad", "bos", "eos", "unk", "mask"))
    special = {token for ids in named for token in (ids if isinstance(ids, list) else [ids])}
    ids = [token for token in range(5, min(config.vocab_size, 64)) if token not in special][:SOURCE]
    return torch.tensor([ids], device=net.device)


@torch.no_grad()
def trial_run(net: PreTrainedModel, **options: Any) -> Any:
    """Run a network on the trial text.

    Args:
        net: with or without a head, which is left out.
        options: handed on to the network.
    """
    tokens = trial_tokens(net)
    targets = tokens[:, :TARGET] if net.config.is_encoder_decoder else None
    return forward(net.base_model, tokens, None, targets, **options)
