"""Which tokens a classifier's head looks at."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from probes.forward import forward, trial_tokens


def read_tokens(net: PreTrainedModel) -> tuple[int, ...]:
    """Positions of a trial text whose last hidden state moves the logits, as their gradient tells.

    Args:
        net: a classifier that is a decoder or an encoder.
    Returns:
        ``(0,)`` where the head reads the first token, all where it takes their mean; empty where it cannot be
        found out.
    """
    ids = trial_tokens(net)
    with torch.enable_grad():
        output = forward(net, ids, None, output_hidden_states=True)
        if not output.logits.requires_grad:
            return ()
        # Unequal parts of the logits, whose sum may be constant.
        parts = torch.arange(1, output.logits.shape[-1] + 1, device=net.device)
        states = output.hidden_states[-1]
        (slopes,) = torch.autograd.grad((output.logits * parts).sum(), states, allow_unused=True)
    if slopes is None or slopes.shape[:2] != ids.shape:
        return ()
    return tuple(slopes[0].abs().amax(-1).nonzero()[:, 0].tolist())
