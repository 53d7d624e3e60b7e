"""Writes what an encoder–decoder says to each text, and which of two translations it prefers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache, LogitsProcessor, LogitsProcessorList

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.answered import answer_log_odds, texts_of
from probes.decoding import end_tokens, until_end
from probes.model import LoadedModel
from probes.quiet import quiet
from probes.row_padding import pad_right

#: Texts that are translated together.
_TEXTS = 32


class TranslationProbe:
    """The greedy translation of each text (in ``text``; ``value`` is its number of tokens).

    The model's own generation config says what a translation begins with, what ends it and which tokens are never
    written; beams and sampling are off. ``completion_log_odds`` compares two translations that the suite names,
    whole or by their beginnings.
    """

    name = "translation"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs of suites whose task it is."""
        return pair.task == "translation"

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Measure a batch of pairs.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair, or the first one of the batch.
        """
        yield from answer_log_odds(model, pairs)
        steps = config.generation.max_new_tokens
        reason = why_too_long(model, steps)
        texts = dict.fromkeys(text.text for _, text in texts_of(pairs))
        try:
            written = {} if reason else translate(model, list(texts), steps)
        except MeasurementError as error:
            raise MeasurementError(f"{pairs[0].suite}: pair {pairs[0].pair_id}: {error}") from error
        for pair, text in texts_of(pairs):
            if reason:
                yield OutputRecord(pair.pair_id, text.arm, "translation", None, reason=reason)
                continue
            tokens = written[text.text]
            said = model.tokenizer.decode(tokens, skip_special_tokens=True)
            yield OutputRecord(pair.pair_id, text.arm, "translation", float(len(tokens)), said)


def why_too_long(model: LoadedModel, steps: int) -> str | None:
    """Why a translation of so many tokens does not fit into the context window; None if it does."""
    length = len(model.target_start) + steps
    if length <= model.max_length:
        return None
    return f"the translation needs {length} tokens, the context window holds {model.max_length}"


class _RefuseNaN(LogitsProcessor):
    """Stops where the logits are no numbers; the likeliest token would be a lie."""

    def __call__(self, _ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if torch.isnan(scores).any():
            raise MeasurementError("the model's logits are NaN")
        return scores


@torch.no_grad()
def translate(model: LoadedModel, texts: Sequence[str], longest: int) -> dict[str, tuple[int, ...]]:
    """Text → the tokens of its greedy translation, without those that it begins and ends with.

    Args:
        model: that answers a text with a text of its own.
        texts: what is translated.
        longest: tokens that are written at most.
    Raises:
        MeasurementError: the model's logits are NaN.
    """
    net: Any = model.net  # torch types what is looked up on a module as a tensor
    start, ends = model.target_start, end_tokens(model).tolist()
    written: dict[str, tuple[int, ...]] = {}
    for batch in _batches(model, texts):
        ids, mask = pad_right([model.encode(text).ids for text in batch], model.device, model.pad)
        with quiet():
            found = net.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids) if mask is None else mask,
                decoder_input_ids=torch.tensor([start] * len(batch), device=model.device),
                decoder_start_token_id=start[0],
                logits_processor=LogitsProcessorList([_RefuseNaN()]),
                do_sample=False,
                num_beams=1,
                min_length=0,
                max_new_tokens=longest,
                # generate() itself makes room for as many layers as the encoder has
                past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
            )
        for text, tokens in zip(batch, found[:, len(start) :].tolist(), strict=True):
            written[text] = until_end(tokens, ends)
    return written


def _batches(model: LoadedModel, texts: Sequence[str]) -> Iterator[list[str]]:
    """Similar lengths together; only one length where padding would be read."""
    lengths = {text: len(model.encode(text).ids) for text in texts}
    batch: list[str] = []
    for text in sorted(texts, key=lambda text: (lengths[text], text)):
        other = model.reads_padding and batch and lengths[text] != lengths[batch[0]]
        if other or len(batch) == _TEXTS:
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch
