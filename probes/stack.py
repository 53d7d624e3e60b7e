"""The blocks of a model that read a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probes.model import LoadedModel


def stack(model: LoadedModel) -> Any:
    """A decoder, an encoder, or the encoder of an encoder–decoder model, without its head.

    Called with ``input_ids`` and ``attention_mask`` it returns the final hidden states first.
    """
    return model.net.get_encoder() if model.family == "encoder-decoder" else model.net.base_model


def batches(
    model: LoadedModel, texts: Sequence[tuple[int, ...]], tokens: int
) -> Iterator[Sequence[tuple[int, ...]]]:
    """Cut tokenised texts, in their order, into batches of at most so many padded tokens.

    A model that reads padding gets texts of one length together.
    """
    start = 0
    for end in range(1, len(texts) + 1):
        lengths = set(map(len, texts[start : end + 1]))
        mixed = model.reads_padding and len(lengths) > 1
        if end == len(texts) or mixed or max(lengths) * (end + 1 - start) > tokens:
            yield texts[start:end]
            start = end
