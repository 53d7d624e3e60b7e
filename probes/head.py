"""Logits of chosen tokens from final hidden states, without the rest of the vocabulary."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

#: Heads that score a whole vocabulary at every position (see ``probes.model.Head``).
VOCABULARY_HEADS = ("causal-lm", "masked-lm", "seq2seq-lm")
#: Logits that are computed together: as many as memory bears, since few positions are a slow product.
_LOGITS = 2**25
#: Positions whose softmax is taken together: few, so that their logits still lie in the cache.
_ROWS = 32


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
def log_probabilities(
    net: PreTrainedModel, hidden: torch.Tensor, tokens: torch.Tensor, at: torch.Tensor | None = None
) -> torch.Tensor:
    """Log-probabilities of tokens over the whole vocabulary, which each position meets once.

    Args:
        hidden: ``[n, width]`` final hidden states.
        tokens: ``[m]`` what is predicted.
        at: ``[m]`` the position that predicts it; None where each of the n predicts one token.
    Returns:
        ``[m]`` float32, in nats.
    """
    at = torch.arange(len(hidden), device=hidden.device) if at is None else at
    found = torch.empty(len(at), device=hidden.device)
    head = net.get_output_embeddings()
    together = max(1, _LOGITS // head.weight.shape[0] // _ROWS) * _ROWS
    for start in range(0, len(hidden), together):
        logits = head(hidden[start : start + together])
        for first in range(start, min(start + together, len(hidden)), _ROWS):
            here = ((at >= first) & (at < first + _ROWS)).nonzero()[:, 0]
            row = at[here] - first
            some = _adjust(net, logits[first - start : first - start + _ROWS].float())
            # A head in bf16 rounds every logit; of the predicted tokens they are there unrounded.
            some[row, tokens[here]] = token_logits(net, hidden[at[here]], tokens[here, None])[:, 0]
            found[here] = some.log_softmax(-1)[row, tokens[here]]  # logsumexp takes five times as long
    return found
