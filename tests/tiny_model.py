"""A tiny random model that a user could name; it knows the words of the tiny suite."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

from tests.probes import tiny

WOMEN, MEN = ("nurse", "secretary", "librarian", "baker"), ("doctor", "engineer", "plumber", "pilot")
WORDS = "The the asked met thanked told a question . She He she he said that On Monday Tuesday"
VOCABULARY = [*tiny.SPECIAL, *WOMEN, *MEN, *WORDS.split()]


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, whatever stands before it: " doctor" continues every text with one token."""
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    inner = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def write_model(folder: Path, family: str = "llama") -> Path:
    """Save the tiny model as a user has it: config, safetensors, tokenizer."""
    tiny.network(family).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def write_nan_model(folder: Path, word: str) -> Path:
    """Save a model whose weights are numbers, but whose logits are NaN after a text with the given word."""
    small = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "tie_word_embeddings": False}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = AutoModelForCausalLM.from_config(GPT2Config(**tiny.SMALL, **small))
    with torch.no_grad():  # its layer norm overflows
        net.get_input_embeddings().weight[VOCABULARY.index(word)] = 3e38
    net.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
