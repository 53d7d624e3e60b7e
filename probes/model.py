"""A loaded model as the probes see it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import torch
from transformers import PreTrainedModel

from audit.errors import ModelError
from audit.pairs import Pair, Span
from audit.protocols import Encoding
from audit.results import ModelInfo, SelfTestStep
from probes.projection import ValueNorms

Family = Literal["decoder", "encoder", "encoder-decoder"]

#: What families call the length of their context window.
_WINDOW = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_UNLIMITED = 1_000_000


class LoadedModel:
    """Network and tokenizer, the text as it is measured, and what was loaded.

    Args:
        name: as the user named it.
        net: the network, in evaluation mode, its attention routed through ``probes.route``.
        tokenizer: a fast tokenizer (it tells character offsets).
        family: ``decoder``, ``encoder`` or ``encoder-decoder``.
        hashes: file → SHA-256 of everything that was loaded.
    """

    def __init__(
        self, name: str, net: PreTrainedModel, tokenizer: Any, family: Family, hashes: Mapping[str, str]
    ) -> None:
        self.name, self.net, self.tokenizer = name, net, tokenizer
        self.family, self.hashes = family, hashes
        self.norms = ValueNorms()
        self._encodings: dict[str, Encoding] = {}

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.net.device

    @property
    def layers(self) -> int:
        """Transformer blocks."""
        return int(self._config.num_hidden_layers)

    @property
    def heads(self) -> int:
        """Query heads of a block."""
        return int(self._config.num_attention_heads)

    @property
    def bos(self) -> int | None:
        """The token in front of every text: a decoder's BOS, whenever its tokenizer has one."""
        if self.family != "decoder" or self.tokenizer.bos_token_id is None:
            return None
        return int(self.tokenizer.bos_token_id)

    @property
    def first_context(self) -> int | None:
        """What a decoder reads before a text's first token: BOS, or EOS where the tokenizer has no BOS."""
        if self.family != "decoder" or self.bos is not None:
            return self.bos
        eos = self.tokenizer.eos_token_id
        return None if eos is None else int(eos)

    @cached_property
    def max_length(self) -> int:
        """Tokens that fit into the context window."""
        named = [getattr(self._config, name, None) for name in _WINDOW]
        limits = [n for n in (*named, self.tokenizer.model_max_length) if isinstance(n, int) and n > 0]
        return min([*limits, _UNLIMITED])

    @property
    def _config(self) -> Any:
        return self.net.config.get_text_config()

    def encode(self, text: str) -> Encoding:
        """Tokenise a text as it will be measured.

        A decoder's text starts with BOS exactly once, so that one pass serves likelihood (BOS is the
        first context) and attention; an encoder's has the special tokens that its tokenizer adds.

        Raises:
            ModelError: the tokenizer finds nothing to read in the text.
        """
        if text not in self._encodings:
            self._encodings[text] = self._encode(text)
        return self._encodings[text]

    def encode_plain(self, text: str) -> tuple[int, ...]:
        """Tokenise a text as the tokenizer does by itself, with the special tokens that it adds, or none."""
        return tuple(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def _encode(self, text: str) -> Encoding:
        found = self.tokenizer(
            text,
            add_special_tokens=self.family != "decoder",
            return_offsets_mapping=True,
            truncation=False,
            verbose=False,
        )
        ids: list[int] = list(found["input_ids"])
        offsets: list[Span] = [(int(start), int(end)) for start, end in found["offset_mapping"]]
        if self.bos is not None:
            ids, offsets = [self.bos, *ids], [(0, 0), *offsets]
        if not ids:
            raise ModelError(f"{self.name}: the tokenizer makes no token of {text!r}")
        return Encoding(tuple(ids), self._readable(text, ids, offsets), tuple(offsets))

    def _readable(self, text: str, ids: list[int], offsets: list[Span]) -> tuple[str, ...]:
        """Tokens as the text shows them, with the space that each of them swallowed."""
        tokens, at = [], 0
        for token, (start, end) in zip(ids, offsets, strict=True):
            if start == end:
                tokens.append(str(self.tokenizer.convert_ids_to_tokens(token)))
                continue
            tokens.append(text[min(at, start) : end] if at < end else text[start:end])
            at = end
        return tuple(tokens)

    def why_too_long(self, pair: Pair) -> str | None:
        """Why a pair does not fit into the context window; None if it does."""
        longest = max(len(self.encode(text.text).ids) for text in (pair.a, pair.b))
        if longest <= self.max_length:
            return None
        return f"longer than the context window ({longest} tokens, the model takes {self.max_length})"

    def describe(self, self_test: tuple[SelfTestStep, ...]) -> ModelInfo:
        """Name, shape, route and hashes of everything that was loaded."""
        return ModelInfo(
            name=self.name,
            family=self.family,
            architecture=type(self.net).__name__,
            layers=self.layers,
            heads=self.heads,
            parameters=sum(math.prod(weight.shape) for weight in self.net.parameters()),
            vocabulary=int(self._config.vocab_size),
            context=self.max_length,
            dtype=str(self.net.dtype).removeprefix("torch."),
            device=str(self.device),
            attention_route="rows captured beside SDPA",
            bos=self.bos is not None,
            hashes=dict(self.hashes),
            self_test=self_test,
        )
