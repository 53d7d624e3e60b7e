"""A tiny random model of some family, as a user has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

WORDS = (
    "On Monday the baker told the painter a story about the old bridge by the river . The listened "
    "nurse doctor engineer asked question She He said that met ,"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
VOCABULARY = [*SPECIAL, *dict.fromkeys(WORDS.split())]

CAUSAL, MASKED, SEQ2SEQ = (f"AutoModelFor{kind}" for kind in ("CausalLM", "MaskedLM", "Seq2SeqLM"))

_TOKENS = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


@dataclass(frozen=True, slots=True)
class Tiny:
    """One family.

    Args:
        config: the configuration's class.
        auto: the automatic class that builds the network.
        settings: what makes it small.
        route: by which way its attention must be seen.
        looks: which way its text tokens look.
        scale: what its weights are multiplied by, so that attention is not flat.
    """

    config: str
    auto: str = CAUSAL
    settings: dict[str, Any] = field(default_factory=dict)
    route: str = "interface"
    looks: str = "left"
    scale: float = 8.0

    @property
    def family(self) -> str:
        """What evenhand must call it."""
        if self.auto == SEQ2SEQ:
            return "encoder-decoder"
        return "decoder" if self.looks == "left" else "encoder"


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; nothing is added in front or behind."""
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def network(tiny: Tiny, seed: int = 0) -> PreTrainedModel:
    """A random network of a family whose attention is not flat."""
    config = getattr(transformers, tiny.config)(**{**_TOKENS, **tiny.settings})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net: PreTrainedModel = getattr(transformers, tiny.auto).from_config(config).eval()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim > 1:
                weight.mul_(tiny.scale)
    return net


def folder(path: Path, tiny: Tiny) -> Path:
    """Save a family's network as a user has it."""
    network(tiny).save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path
