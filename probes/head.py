"""Logits of chosen tokens from final hidden states, without the rest of the vocabulary."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

#: Heads that score a whole vocabulary at every position (see ``probes.model.Head``).
VOCABULARY_HEADS = ("causal-lm", "masked-lm", "seq2seq-lm")


def _adjust(net: PreTrainedModel, logits: torch.Tensor) -> torch.Tensor:
    """Apply what a family does to its logits after the projection (Cohere, Granite, Gemma 2)."""
    config = net.config.get_text_config()
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits


@torch.no_grad()
def token_logits(net: PreTrainedModel, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Logits of a few tokens.

    Args:
        hidden: ``[..., texts, width]`` final hidden states (after the last norm).
        tokens: ``[texts, k]`` token ids.
    Returns:
        ``[..., texts, k]`` float32 logits.
    """
    head = net.get_output_embeddings()
    rows = head.weight[tokens].float()
    logits = torch.einsum("...tw,tkw->...tk", hidden.float(), rows)
    if getattr(head, "bias", None) is not None:
        logits = logits + head.bias[tokens].float()
    return _adjust(net, logits)


@torch.no_grad()
def log_probabilities(net: PreTrainedModel, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probability of one token per position, over the whole vocabulary.

    Args:
        hidden: ``[n, width]`` final hidden states.
        tokens: ``[n]`` token ids.
    Returns:
        ``[n]`` float32, in nats.
    """
    pieces = []
    for part, wanted in zip(hidden.split(512), tokens.split(512), strict=True):
        logits = _adjust(net, net.get_output_embeddings()(part).float())
        pieces.append(logits.gather(-1, wanted[:, None])[:, 0] - logits.logsumexp(-1))
    return torch.cat(pieces)
