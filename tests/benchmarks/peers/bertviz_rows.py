"""BertViz's way to attention: eager, ``output_attentions``, one prompt at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from bertviz.util import format_attention
from transformers import AutoModelForCausalLM

PACKAGES = ("bertviz",)


def prepare(model: str, parts: list[list[list[int]]]) -> Callable[..., list[float]]:
    """Load a model once; a part holds texts as tokens."""
    logging.disable(logging.WARNING)
    net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()

    def once(part: int) -> list[float]:
        """What ``head_view`` is given, text by text; returns the last row of the first text, all heads."""
        first: torch.Tensor | None = None
        for ids in parts[part]:
            attention = net(torch.tensor([ids]), output_attentions=True).attentions
            found = format_attention(attention)
            first = found[:, :, -1] if first is None else first
        return [] if first is None else first.flatten().tolist()

    return once
