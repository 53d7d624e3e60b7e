"""lm-evaluation-harness: log-likelihoods of requests as its tasks build them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

PACKAGES = ("lm-eval",)


def prepare(model: str, dtype: str, parts: list[list[tuple[str, str]]]) -> Callable[..., list[float]]:
    """Load a model once; requests are ``(context, continuation)``."""
    logging.disable(logging.WARNING)
    lm = HFLM(pretrained=model, tokenizer=model, dtype=getattr(torch, dtype), device="cpu", batch_size=1)

    def once(part: int, batch_size: int, every: int = 1) -> list[float]:
        lm.batch_size_per_gpu = batch_size
        instances = [
            Instance("loglikelihood", doc={}, arguments=tuple(request), idx=0)
            for request in parts[part][::every]
        ]
        return [value for value, _ in lm.loglikelihood(instances, disable_tqdm=True)]

    return once
