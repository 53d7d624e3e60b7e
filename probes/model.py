"""A loaded model as the probes see it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from transformers import PreTrainedModel

from audit.errors import ModelError
from audit.pairs import MASK, SEP, Pair, Span
from audit.protocols import Encoding
from audit.records import Stream
from audit.results import ModelInfo, SelfTestStep
from probes.anatomy import Anatomy, survey
from probes.marked_text import tokenise
from probes.padding import reads_padding
from probes.pooling import read_tokens
from probes.projection import ValueNorms
from probes.route import interface_names
from probes.routing import route_of

Family = Literal["decoder", "encoder", "encoder-decoder"]
#: What a network computes from its last hidden states.
Head = Literal[
    "causal-lm",
    "masked-lm",
    "seq2seq-lm",
    "sequence-classification",
    "token-classification",
    "question-answering",
    "none",
]

#: What families call the length of their context window.
_WINDOW = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_UNLIMITED = 1_000_000
#: Texts whose tokens are remembered: those of several batches, not those of a run.
_ENCODINGS = 4096
_NO_TOKEN = -1


class LoadedModel:
    """Network and tokenizer, the text as it is measured, and what was loaded.

    Args:
        name: as the user named it.
        net: the network, in evaluation mode, its attention routed through ``probes.route``.
        tokenizer: a fast tokenizer (it tells character offsets).
        family: ``decoder``, ``encoder`` or ``encoder-decoder``.
        hashes: file → SHA-256 of everything that was loaded.
        head: what the network computes from its last hidden states.
    """

    def __init__(
        self,
        name: str,
        net: PreTrainedModel,
        tokenizer: Any,
        family: Family,
        hashes: Mapping[str, str],
        head: Head = "causal-lm",
    ) -> None:
        self.name, self.net, self.tokenizer = name, net, tokenizer
        self.family, self.hashes, self.head = family, hashes, head
        self.norms = ValueNorms(net)
        self._encodings: dict[str, Encoding] = {}
        if self._looks_for_padding and self._config.pad_token_id is None:
            # Such a head refuses several texts; with a pad token that is no token it reads the last of each.
            self._config.pad_token_id = _NO_TOKEN

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.net.device

    @cached_property
    def anatomy(self) -> Anatomy:
        """Streams, layers and heads of its attention."""
        return survey(self.net)

    @property
    def stream(self) -> Stream:
        """The stream that reads the text."""
        return "encoder" if self.family == "encoder-decoder" else "self"

    @property
    def layers(self) -> int:
        """Layers of the stack that reads the text."""
        return self.anatomy.layers[self.stream]

    @property
    def heads(self) -> int:
        """Query heads of each of these layers."""
        return self.anatomy.heads[self.stream]

    @property
    def pad(self) -> int:
        """The token that stands where a text has ended."""
        named = [self.tokenizer.pad_token_id, getattr(self._config, "pad_token_id", None)]
        if self._looks_for_padding:
            named.reverse()
        return next((int(token) for token in named if token is not None and token >= 0), 0)

    @cached_property
    def reads_padding(self) -> bool:
        """Whether what it says of a text depends on padding, so that only texts of one length run together."""
        classifies = self.head == "sequence-classification" and not self.classifies_at_end
        return reads_padding(self.net, self.pad, head=classifies)

    @property
    def _looks_for_padding(self) -> bool:
        """Whether it is a decoder that classifies: its head reads the last token that is no padding."""
        return self.family == "decoder" and self.head == "sequence-classification"

    def last_read(self, ids: Sequence[int]) -> int:
        """The token of a decoder's text that its head reads last."""
        pad = self._config.pad_token_id if self._looks_for_padding else None
        return max((place for place, token in enumerate(ids) if token != pad), default=0)

    @property
    def classifies_at_end(self) -> bool:
        """Whether it is an encoder–decoder that classifies: its head reads where the text ends for the last time."""
        return self.family == "encoder-decoder" and self.head == "sequence-classification"

    @cached_property
    def classifies_at_start(self) -> bool:
        """Whether it is an encoder that classifies a text by its first token."""
        classifies = self.family == "encoder" and self.head == "sequence-classification"
        return classifies and read_tokens(self.net) == (0,)

    @property
    def decodes(self) -> bool:
        """Whether it answers a text with a text of its own, read by cross-attention."""
        return self.family == "encoder-decoder" and self.head == "seq2seq-lm"

    @property
    def target_start(self) -> tuple[int, ...]:
        """What an encoder–decoder has decoded before the first token that it is asked for."""
        settings = (getattr(self.net, "generation_config", None), self.net.config)
        start, forced = (
            next((token for part in settings if (token := getattr(part, name, None)) is not None), None)
            for name in ("decoder_start_token_id", "forced_bos_token_id")
        )
        return tuple(
            int(token) for token in (self.pad if start is None else start, forced) if token is not None
        )

    @property
    def _continues(self) -> bool:
        """Whether it is a decoder that reads a text to continue it, and not to classify it or to point into it."""
        return self.family == "decoder" and self.head in ("causal-lm", "none")

    @property
    def bos(self) -> int | None:
        """The token in front of every text: BOS of a decoder that continues it, whenever its tokenizer has one."""
        if not self._continues or self.tokenizer.bos_token_id is None:
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
        places = [int(n) - self._reserved for n in named if isinstance(n, int) and n > 0]
        own = self.tokenizer.model_max_length
        return min([*places, own if own > 0 else _UNLIMITED, _UNLIMITED])

    @property
    def _reserved(self) -> int:
        """Positions that hold no token: RoBERTa and its kin count from behind the padding's own."""
        tables = (part for name, part in self.net.named_modules() if name.endswith("position_embeddings"))
        marks = (getattr(part, "padding_idx", None) for part in tables)
        return max((int(mark) + 1 for mark in marks if mark is not None), default=0)

    @property
    def _config(self) -> Any:
        return self.net.config.get_text_config()

    def encode(self, text: str) -> Encoding:
        """Tokenise a text as it will be measured.

        The text of a decoder that continues it starts with BOS exactly once, so that one pass serves likelihood
        (BOS is the first context) and attention; any other has the special tokens that its tokenizer adds.

        Raises:
            ModelError: the tokenizer finds nothing to read in the text.
        """
        if text not in self._encodings:
            if len(self._encodings) == _ENCODINGS:
                del self._encodings[next(iter(self._encodings))]
            self._encodings[text] = self._encode(text)
        return self._encodings[text]

    def encode_plain(self, text: str) -> tuple[int, ...]:
        """Tokenise a text as the tokenizer does by itself, with the special tokens that it adds, or none."""
        return tuple(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def _encode(self, text: str) -> Encoding:
        if self.head in ("causal-lm", "seq2seq-lm") and (marks := [m for m in (MASK, SEP) if m in text]):
            raise ModelError(
                f"{self.name}: a model with the head '{self.head}' has no use for {marks[0]!r} in {text!r}"
            )
        found = tokenise(self.tokenizer, text, special=not self._continues)
        ids, offsets, types = found.ids, found.offsets, found.types
        if self.bos is not None and ids[:1] != [self.bos]:  # a chat template may begin with it
            ids, offsets = [self.bos, *ids], [(0, 0), *offsets]
        if not ids:
            raise ModelError(f"{self.name}: the tokenizer makes no token of {text!r}")
        return Encoding(tuple(ids), self._readable(text, ids, offsets), tuple(offsets), types)

    def chat(self, text: str) -> str:
        """The text as the user's turn of a chat, with the model's turn to follow.

        Raises:
            ModelError: the tokenizer has no chat template, or the template refuses the text.
        """
        if not self.tokenizer.chat_template:
            raise ModelError(
                f"{self.name}: the tokenizer has no chat template; expected a suite with 'prompt: plain'"
            )
        turns = [{"role": "user", "content": text}]
        try:
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except (TemplateError, TypeError, ValueError) as error:
            raise ModelError(f"{self.name}: the chat template cannot be filled ({error})") from error

    def _readable(self, text: str, ids: list[int], offsets: list[Span]) -> tuple[str, ...]:
        """Tokens as the text shows them, with the space that each of them swallowed; equal ones are one object."""
        context = text.find(SEP) + len(SEP) if SEP in text else 0
        tokens, at = [], 0
        for token, (start, end) in zip(ids, offsets, strict=True):
            if start == end:
                tokens.append(sys.intern(str(self.tokenizer.convert_ids_to_tokens(token))))
                continue
            at = max(at, context if start >= context else 0)  # what stands between two parts is no token's
            tokens.append(sys.intern(text[min(at, start) : end] if at < end else text[start:end]))
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
            attention_route=self._told_route(),
            bos=self.bos is not None,
            hashes=dict(self.hashes),
            self_test=self_test,
        )

    def _told_route(self) -> str:
        """How attention is seen, and which layers have none of their own."""
        if route_of(self.net) == "softmax":
            how = "weights read at the softmax"
        elif interface_names(self.net)[1] == "sdpa":
            how = "rows captured beside SDPA"
        else:
            how = "rows captured beside eager attention, which SDPA cannot express"
        told = [how]
        for stream, count in self.anatomy.layers.items():
            if self.family == "encoder-decoder":
                told.append(f"{stream} {count} layers × {self.anatomy.heads[stream]} heads")
            if missing := self.anatomy.missing(stream):
                told.append(f"no attention by token in layers {', '.join(map(str, missing))} of {count}")
        if self.reads_padding:
            told.append("only texts of one length run together, because it reads padding")
        return "; ".join(told)
