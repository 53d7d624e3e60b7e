"""All attention rows of whole texts, for those who look at single pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from probes.model import LoadedModel
from probes.sequences import run
from probes.token_sequence import Array, CapturedRows, TokenSequence


def read_whole(model: LoadedModel, texts: Iterable[str]) -> dict[str, Array]:
    """Read texts with every query row captured; this holds ``tokens²`` weights of every head.

    Args:
        model: of any family.
        texts: what to read.
    Returns:
        Text → ``[layers, heads, tokens, tokens]`` float32, NaN in layers that do not attend.
    """
    wanted = list(dict.fromkeys(texts))
    layers = model.anatomy.layers[model.stream]
    found: dict[str, Array] = {}

    def receive(captured: Mapping[int, CapturedRows]) -> None:
        for number, rows in captured.items():
            _, heads, *square = rows.weights.shape
            whole = found.setdefault(wanted[number], np.full((layers, heads, *square), np.nan, np.float32))
            whole[list(rows.layers)] = rows.weights

    run(model, [_whole(model, text) for text in wanted], receive)
    return found


def _whole(model: LoadedModel, text: str) -> TokenSequence:
    encoding = model.encode(text)
    length = len(encoding.ids)
    decoded = model.target_start if model.family == "encoder-decoder" else ()
    return TokenSequence(encoding.ids, (), tuple(range(length)), length, decoded, encoding.types)
