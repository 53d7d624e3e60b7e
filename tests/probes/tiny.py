"""Tiny random models of many families, with a tokenizer that splits some words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Kind, Pair, Text
from probes.model import LoadedModel
from probes.routing import open_attention

WORDS = "the The nurse doctor engineer asked told a question . She He said that Monday On , met"
PIECES = "hair ##dresser plum ##ber ##s"
SPECIAL = ["<unk>", "<s>", "</s>"]
VOCABULARY = {token: number for number, token in enumerate([*SPECIAL, *WORDS.split(), *PIECES.split()])}
SIZE = 64  # rounded up; the last rows belong to no token

SMALL = {"vocab_size": SIZE, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
BLOCKS = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
GROUPED = {**BLOCKS, "num_key_value_heads": 2, "max_position_embeddings": 64}

DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {**GROUPED}),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "mistral": ("MistralConfig", {**GROUPED, "sliding_window": 4}),
    "qwen2": ("Qwen2Config", {**GROUPED}),
    "gpt-neox": ("GPTNeoXConfig", {**BLOCKS, "max_position_embeddings": 64}),
    "opt": (
        "OPTConfig",
        {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "max_position_embeddings": 64,
        },
    ),
    "phi": ("PhiConfig", {**BLOCKS, "max_position_embeddings": 64}),
}
WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma2": (
        "Gemma2Config",
        {**GROUPED, "head_dim": 8, "sliding_window": 4, "attn_logit_softcapping": 2.0},
    ),
    "gpt-oss": (
        "GptOssConfig",
        {**GROUPED, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 4},
    ),
}


def tokenizer(bos: bool = True) -> PreTrainedTokenizerFast:
    """Words and a few pieces of words; nothing is added in front or behind."""
    inner = Tokenizer(models.WordPiece(VOCABULARY, unk_token="<unk>", max_input_chars_per_word=50))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"unk_token": "<unk>", "eos_token": "</s>", **({"bos_token": "<s>"} if bos else {})}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def network(family: str, seed: int = 0, scale: float = 8.0) -> PreTrainedModel:
    """A random network whose attention is not flat: weights are scaled up."""
    name, settings = (DECODERS | WHOLE)[family]
    config = getattr(transformers, name)(**SMALL, **settings)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim > 1:
                weight.mul_(scale)
    return net


def decoder(family: str = "llama", bos: bool = True, seed: int = 0) -> LoadedModel:
    """A tiny decoder, routed."""
    net = network(family, seed)
    open_attention(net)
    return LoadedModel(f"tiny-{family}", net, tokenizer(bos), "decoder", {})


def folder(path: Path, family: str = "llama", **saving: Any) -> Path:
    """Save a tiny model as a user has it."""
    network(family).save_pretrained(path, **saving)
    tokenizer().save_pretrained(path)
    return path


def pair(
    first: str = "nurse",
    second: str = "doctor",
    *,
    name: str = "p",
    tail: str = "said that the",
    kind: Kind = "treatment",
    directed: bool = True,
    mentions: bool = True,
    order: int = 0,
    stop: str = " .",
) -> Pair:
    """``The nurse asked the doctor a question . She said that the``."""
    texts = []
    left, right = (first, second) if order == 0 else (second, first)
    for arm, group, word in (("she", "female", "She"), ("he", "male", "He")):
        start = f"The {left} asked the {right} a question{stop} "
        text = f"{start}{word} {tail}".strip()
        spans = {
            PRONOUN: (len(start), len(start) + len(word)),
            CANDIDATE_1: _span(text, first),
            CANDIDATE_2: _span(text, second),
        }
        texts.append(Text(arm, group, text, (spans[PRONOUN],), spans if mentions else {}))
    completions = (f" {second}", f" {first}")
    item = "/".join(sorted((first, second)))
    return Pair(
        "tiny",
        name,
        "gender",
        kind,
        None,
        "asked",
        item,
        order,
        directed,
        *texts,
        completions,
        None,
        "t.yaml",
        1,
    )


def _span(text: str, word: str) -> tuple[int, int]:
    return text.index(word), text.index(word) + len(word)
