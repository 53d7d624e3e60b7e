"""A model with planted heads, saved and measured like any other: the truth that an audit must find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from audit.errors import InputError
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.planting import Place, Planting
from audit.protocols import PlantedModel
from audit.results import Label
from probes.model import LoadedModel
from probes.planted_weights import HEADS, INNER, LAYERS, POSITIONS, WIDTH, Part, Word, make_weights
from probes.quiet import quiet
from probes.route import ROUTE

_UNKNOWN, _FIRST, _END = "<unk>", "<s>", "</s>"


class PlantedGpt2:
    """Plants heads into a random GPT-2 of 6 layers × 8 heads (entry point ``evenhand.planters``)."""

    name = "gpt2"

    def plant(self, pairs: Sequence[Pair], planting: Planting) -> PlantedModel:
        """Build the model in memory, its attention routed as that of a loaded one.

        Raises:
            InputError: the pairs have mentions that nothing can be planted for.
        """
        net, tokenizer, truth = _build(pairs, planting)
        net.set_attn_implementation(ROUTE)
        return PlantedModel(LoadedModel(f"planted-{planting.seed}", net, tokenizer, "decoder", {}), truth)

    def save(self, folder: Path, pairs: Sequence[Pair], planting: Planting) -> Mapping[Place, Label]:
        """Save the model as any model is: configuration, safetensors, fast tokenizer.

        Raises:
            InputError: the pairs have mentions that nothing can be planted for.
        """
        net, tokenizer, truth = _build(pairs, planting)
        with quiet():
            net.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return truth


def _build(
    pairs: Sequence[Pair], planting: Planting
) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast, dict[Place, Label]]:
    """Draw places, directions and weights and put them into a network that knows the words of the pairs."""
    tokenizer, words = _vocabulary(pairs)
    rng = np.random.default_rng(planting.seed)
    places = rng.choice(LAYERS * HEADS, size=len(planting.labels), replace=False)
    signs = rng.choice([-1, 1], size=len(places))
    parts = {
        (int(place) // HEADS, int(place) % HEADS): Part(label, int(sign))
        for place, label, sign in zip(places, planting.labels, signs, strict=True)
    }
    weights = make_weights(words, parts, planting.dose, rng)
    with torch.random.fork_rng():  # a network is filled at random when it is made
        net = GPT2LMHeadModel(_config(len(words))).eval()
    values = {name: torch.tensor(value, dtype=torch.float32) for name, value in weights.items()}
    unknown = net.load_state_dict(values, strict=False).unexpected_keys
    if unknown:
        raise KeyError(f"GPT-2 has no parameters {unknown}")
    return net, tokenizer, {place: part.label for place, part in parts.items()}


def _config(vocabulary: int) -> GPT2Config:
    return GPT2Config(
        vocab_size=vocabulary,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        n_inner=INNER,
        n_positions=POSITIONS,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )


def _vocabulary(pairs: Sequence[Pair]) -> tuple[PreTrainedTokenizerFast, list[Word]]:
    """A tokenizer of one token a word, and what the model knows of each."""
    known = _known(pairs)
    split = pre_tokenizers.Whitespace()
    texts = {text.text for pair in pairs for text in (pair.a, pair.b)}
    texts |= {completion for pair in pairs for completion in pair.completions or ()}
    words = {word for text in texts for word, _ in split.pre_tokenize_str(text)}
    if missing := sorted(known.keys() - words):
        told = f"{missing[0]!r} is not one word; heads can be planted only for mentions of one word"
        pair = next(pair for pair in pairs if missing[0] in _mentions(pair))
        raise InputError.single(told, pair.file, pair.line)
    order = [_UNKNOWN, _FIRST, _END, *sorted(words)]
    inner = Tokenizer(models.WordLevel({word: n for n, word in enumerate(order)}, unk_token=_UNKNOWN))
    inner.pre_tokenizer = split
    names = {"unk_token": _UNKNOWN, "bos_token": _FIRST, "eos_token": _END}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    return tokenizer, [Word(first=True) if word == _FIRST else known.get(word, Word()) for word in order]


def _known(pairs: Sequence[Pair]) -> dict[str, Word]:
    """Pronouns, and nouns with the arm that the suite ties them to."""
    known: dict[str, Word] = {}
    for pair in sorted(pairs, key=lambda pair: not pair.directed):
        for text, gender in ((pair.a, 1), (pair.b, -1)):
            if pronoun := _mention(text, PRONOUN):
                known.setdefault(pronoun, Word(gender=gender))
        for name, tie in ((CANDIDATE_1, 1), (CANDIDATE_2, -1)):
            if noun := _mention(pair.a, name):
                known.setdefault(noun, Word(tie=tie if pair.directed else 0, candidate=True))
    return known


def _mentions(pair: Pair) -> set[str | None]:
    return {_mention(text, name) for text in (pair.a, pair.b) for name in text.mentions}


def _mention(text: Text, name: str) -> str | None:
    span = text.mentions.get(name)
    return None if span is None else text.text[slice(*span)]
