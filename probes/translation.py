"""Writes what an encoder–decoder says to each text, and which of two translations it prefers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.answered import answer_log_odds, texts_of
from probes.model import LoadedModel
from probes.sequences import pad_right

#: Texts that are translated together.
_TEXTS = 32


class TranslationProbe:
    """The greedy translation of each text (in ``text``; ``value`` is its number of tokens).

    ``completion_log_odds`` compares two translations that the suite names, whole or by their beginnings.
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
            MeasurementError: the model's logits are NaN; names the pair.
        """
        yield from answer_log_odds(model, pairs)
        texts = dict.fromkeys(text.text for _, text in texts_of(pairs))
        written = _translate(model, list(texts), config.generation.max_new_tokens)
        for pair, text in texts_of(pairs):
            tokens = written[text.text]
            said = model.tokenizer.decode(tokens, skip_special_tokens=True)
            yield OutputRecord(pair.pair_id, text.arm, "translation", float(len(tokens)), said)


@torch.no_grad()
def _translate(model: LoadedModel, texts: Sequence[str], longest: int) -> dict[str, list[int]]:
    """Text → the tokens of its greedy translation, without those that it begins with and without padding."""
    net: Any = model.net  # torch types what is looked up on a module as a tensor
    written: dict[str, list[int]] = {}
    for batch in _batches(model, texts):
        ids, mask = pad_right([model.encode(text).ids for text in batch], model.device, model.pad)
        if mask is None:
            mask = torch.ones_like(ids)
        found = net.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            num_beams=1,
            max_new_tokens=longest,
            # generate() itself makes room for as many layers as the encoder has
            past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
        )
        for text, tokens in zip(batch, found[:, 1:].tolist(), strict=True):
            while tokens and tokens[-1] == model.pad:
                tokens.pop()
            written[text] = tokens
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
