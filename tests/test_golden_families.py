"""Log-likelihoods of seeded networks of several families, against lm-evaluation-harness 0.4.13.

Origin of the numbers: ``HFLM(pretrained=network, tokenizer=tokenizer, batch_size=16).loglikelihood`` with an
empty context, float32, torch 2.13.0, transformers 5.23.0, on the networks and texts below. Weights come from
numpy's generator, whose streams are the same everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import PreTrainedModel

from audit.config import RunConfig
from audit.protocols import HeadChoice
from probes.likelihood import LikelihoodProbe
from probes.model import LoadedModel
from probes.route import ROUTE
from tests.probes import tiny

TEXTS = (
    "The nurse asked the doctor a question . She said that the doctor said that the nurse asked the doctor .",
    "The doctor asked the nurse a question . He said that the nurse",
    "The hairdresser asked the plumbers a question .",
    "She said that the doctor asked the nurse a question . The doctor said that the nurse said that the engineer "
    "asked a question . He said that the doctor asked the hairdresser .",
)
GEMMA = {**tiny.GROUPED, "head_dim": 8, "sliding_window": 8, "vocab_size": 262_144}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: tiny.DECODERS[name] for name in ("llama", "gpt2", "gpt-neox", "mistral", "qwen2")},
    "gemma3": ("Gemma3TextConfig", GEMMA),
}
#: Family → nats of each text; ``mistral`` looks 4 tokens back, ``gemma3`` 8, ``qwen2`` has no BOS token.
GOLDEN: dict[str, tuple[float, ...]] = {
    "llama": (-97.93655, -62.16487, -55.29710, -172.40553),
    "gpt2": (-111.23502, -68.61967, -54.25608, -174.59534),
    "gpt-neox": (-92.21544, -58.74141, -55.17023, -168.07941),
    "mistral": (-103.09538, -62.52620, -57.59790, -170.20224),
    "qwen2": (-98.09404, -63.49930, -54.85855, -174.65862),
    "gemma3": (-267.95502, -163.87102, -138.89095, -451.06357),
}


def seeded(family: str) -> PreTrainedModel:
    """A network with weights from numpy's generator."""
    name, settings = FAMILIES[family]
    config = getattr(transformers, name)(**{**tiny.SMALL, **settings})
    net = transformers.AutoModelForCausalLM.from_config(config).eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for _, weight in sorted(net.named_parameters()):
            if weight.ndim > 1:  # norms and biases begin as ones and zeros
                drawn = rng.standard_normal(tuple(weight.shape), dtype=np.float32)
                weight.copy_(torch.from_numpy(drawn) * 0.2)
    return net


@pytest.mark.parametrize("family", FAMILIES)
def test_log_likelihoods_are_those_of_another_program(family: str) -> None:
    net = seeded(family)
    net.set_attn_implementation(ROUTE)
    model = LoadedModel(family, net, tiny.tokenizer(bos=family != "qwen2"), "decoder", {})
    example = tiny.pair()
    pairs = [
        replace(
            example,
            pair_id=f"p{number}",
            a=replace(example.a, text=first),
            b=replace(example.b, text=second),
            completions=None,
        )
        for number, (first, second) in enumerate(zip(TEXTS[::2], TEXTS[1::2], strict=True))
    ]
    records = LikelihoodProbe().measure(model, pairs, RunConfig(probes=("likelihood",)), HeadChoice())
    assert [record.value for record in records] == pytest.approx(GOLDEN[family], abs=2e-4)
