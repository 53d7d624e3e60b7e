"""The MiniLM encoder with a new head: its first layers are frozen and read once, its last ones are trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from tests.needs import encoder_folder

#: A text, or a question and its context.
Read = str | tuple[str, str]


def encoder_and_tokenizer(factory: Any, **settings: Any) -> tuple[Any, Any]:
    """A network of the given class on the encoder's weights, and its tokenizer.

    Args:
        factory: such as ``BertForQuestionAnswering``; its head is new.
        settings: of the configuration, such as ``num_hidden_layers`` where the last layers are left out.
    """
    folder = encoder_folder()
    chances = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    net = factory.from_pretrained(folder, **chances, **settings)
    return net, AutoTokenizer.from_pretrained(folder)


class Frozen:
    """What the first layers make of texts; the rest of the network goes on from there.

    Args:
        net: a BERT with a head.
        tokenizer: its own.
        texts: N texts to read once.
        layers: how many are frozen, with the embeddings.
    """

    def __init__(self, net: Any, tokenizer: Any, texts: Sequence[Read], layers: int) -> None:
        self.net, self.layers = net, layers
        parts = list(zip(*texts, strict=True)) if isinstance(texts[0], tuple) else [texts]
        self.encoded = tokenizer(*(list(part) for part in parts), padding=True, return_tensors="pt")
        self.lengths = self.encoded["attention_mask"].sum(1)
        self.states = self._read()

    @torch.no_grad()
    def _read(self) -> Tensor:
        """`[N, tokens, width]` after the frozen layers, similar lengths together."""
        longest, width = self.encoded["input_ids"].shape[1], self.net.config.hidden_size
        states = torch.zeros(len(self.lengths), longest, width)
        bert = self.net.bert
        for rows in self.lengths.argsort().split(64):
            length = int(self.lengths[rows].max())
            batch = {name: self.encoded[name][rows, :length] for name in ("input_ids", "token_type_ids")}
            hidden = bert.embeddings(**batch)
            states[rows, :length] = self._through(bert.encoder.layer[: self.layers], hidden, rows, length)
        return states

    def _through(self, layers: nn.ModuleList, hidden: Tensor, rows: Tensor, length: int) -> Tensor:
        seen = self.encoded["attention_mask"][rows, None, None, :length].bool()
        for layer in layers:
            found = layer(hidden, attention_mask=seen)
            hidden = found[0] if isinstance(found, tuple) else found
        return hidden

    def last(self, rows: Tensor) -> Tensor:
        """`[rows, tokens, width]` after the last layer."""
        length = int(self.lengths[rows].max())
        layers = self.net.bert.encoder.layer[self.layers :]
        return self._through(layers, self.states[rows, :length], rows, length)

    def trained(self, *heads: nn.Module) -> list[nn.Parameter]:
        """The parameters of the layers that are not frozen, and of heads; all others no longer take gradients."""
        self.net.requires_grad_(False)
        parts = [*self.net.bert.encoder.layer[self.layers :], *heads]
        for part in parts:
            part.requires_grad_(True)
        return [weight for part in parts for weight in part.parameters()]


def save(net: Any, tokenizer: Any, folder: Path) -> Path:
    """Save network and tokenizer as a user has them."""
    net.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
