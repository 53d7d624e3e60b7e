"""A tokenizer of whole words for models that are trained from nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

PAD, CLS, SEP, MASK, UNK = SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")


def words_of(sentences: Iterable[str]) -> list[str]:
    """Every word and sign once, in the order of the sentences."""
    return list(
        dict.fromkeys(word for sentence in sentences for word in re.findall(r"\w+|[^\w\s]", sentence))
    )


def encoder_tokenizer(sentences: Iterable[str]) -> PreTrainedTokenizerFast:
    """One token a word, between ``[CLS]`` and ``[SEP]``, as BERT reads it."""
    return _tokenizer(sentences, f"{CLS} $A {SEP}", mask_token=MASK, cls_token=CLS, sep_token=SEP)


def translator_tokenizer(sentences: Iterable[str]) -> PreTrainedTokenizerFast:
    """One token a word and ``[SEP]`` at the end, for both languages, as Marian reads and writes it."""
    return _tokenizer(sentences, f"$A {SEP}", eos_token=SEP)


def _tokenizer(sentences: Iterable[str], form: str, **named: str) -> PreTrainedTokenizerFast:
    numbers = {word: number for number, word in enumerate([*SPECIAL, *words_of(sentences)])}
    inner = Tokenizer(models.WordLevel(numbers, unk_token=UNK))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single=form, special_tokens=[(word, numbers[word]) for word in (CLS, SEP)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=PAD, unk_token=UNK, model_max_length=32, **named
    )


def padded(tokenizer: PreTrainedTokenizerFast, sentences: Sequence[str]) -> Tensor:
    """`[sentences, tokens]` ids, padded on the right."""
    found: Tensor = tokenizer(list(sentences), padding=True, return_tensors="pt")["input_ids"]
    return torch.as_tensor(found)
