"""TransformerLens: activation patching of every head's attention pattern, batched as it does."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM

PACKAGES = ("transformer-lens",)


def prepare(model: str) -> Callable[..., list[list[float]]]:
    """Load a model once, through the door for models that lie in a folder."""
    logging.disable(logging.WARNING)
    patching.tqdm = lambda rows: rows
    net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    bridge = TransformerBridge.boot_transformers(model, hf_model=net, device="cpu", dtype=torch.float32)
    bridge.eval()
    names = {name for name in bridge.hook_dict if name.endswith("hook_pattern")}

    def once(ids: list[list[int]], rows: list[int], answers: list[int]) -> list[list[float]]:
        """Log-odds of both texts with every head's rows lent by the other text, the unedited ones first."""

        def log_odds(logits: torch.Tensor) -> torch.Tensor:
            return logits[:, -1, answers[0]] - logits[:, -1, answers[1]]

        def lend(pattern: torch.Tensor, index: list[int], clean: torch.Tensor) -> torch.Tensor:
            for row in rows:
                pattern[:, index[1], row] = clean[:, index[1], row]
            return pattern

        corrupted = torch.tensor(ids)
        _, cache = bridge.run_with_cache(corrupted.flip(0), names_filter=lambda name: name in names)
        found = patching.generic_activation_patch(
            bridge,
            corrupted,
            cache,
            log_odds,
            patch_setter=lend,
            activation_name="pattern",
            index_axis_names=("layer", "head"),
            reduce="none",
            baseline=True,
        )
        return [found.baseline.tolist(), *found.values.flatten(0, 1).tolist()]

    return once
