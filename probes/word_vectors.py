"""Vectors of single words: from the table of input embeddings, and from any block, read in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from audit.coreference import token_indices
from audit.embedding_suite import INPUT, LAST, sentence_of
from audit.errors import MeasurementError, ModelError
from probes.forward import forward
from probes.model import LoadedModel
from probes.row_padding import pad_right
from probes.stack import batches, stack

Array = npt.NDArray[np.float64]
Layer = int | str
#: Where a word is cut into tokens for its input embedding: with the space before it that most tokenizers
#: make part of its first token.
_CARRIER = "This is {word}."
#: Padded tokens of one pass.
_TOKENS = 1024


def word_vectors(
    model: LoadedModel, words: Sequence[str], layers: Sequence[Layer], sentences: Sequence[str]
) -> dict[Layer, Array]:
    """Read words at several layers.

    A word of several tokens has their mean. ``input``: rows of the table of input embeddings, whatever the
    sentences. A number: what that block (from 0) gives at the word's own tokens, the mean over the
    sentences; ``last`` is the last block, after the final norm where the model has one.

    Args:
        model: a decoder, an encoder, or an encoder–decoder, of which the encoder reads.
        words: W words.
        layers: ``input``, ``last`` or numbers.
        sentences: with ``{word}``.
    Returns:
        layer → ``[W, D]`` float64.
    Raises:
        ModelError: the model has no such layer.
        MeasurementError: a word has no token, a sentence does not fit, or a vector is NaN.
    """
    check_layers(model, layers)
    deep = [layer for layer in layers if layer != INPUT]
    found = _hidden(model, words, deep, sentences) if deep else {}
    if INPUT in layers:
        found[INPUT] = _static(model, words)
    for layer, vectors in found.items():
        for word, vector in zip(words, vectors, strict=True):
            if not np.isfinite(vector).all():
                raise MeasurementError(f"{model.name}: the vector of {word!r} at the layer {layer} is NaN")
    return found


def check_layers(model: LoadedModel, layers: Sequence[Layer]) -> None:
    """Refuse layers that the model does not have.

    Raises:
        ModelError: names the first of them.
    """
    for layer in layers:
        if isinstance(layer, int) and layer >= model.layers:
            raise ModelError(
                f"{model.name}: there is no layer {layer} to read words from; expected 0 to {model.layers - 1}"
            )


def _tokens(model: LoadedModel, sentence: str, word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids of the sentence with the word, and which of them spell the word."""
    text, span = sentence_of(sentence, word)
    encoding = model.encode(text)
    own = token_indices(span, encoding)
    if not own:
        raise MeasurementError(f"{model.name}: the tokenizer makes no token of {word!r} in {text!r}")
    if len(encoding.ids) > model.max_length:
        raise MeasurementError(f"{model.name}: {text!r} does not fit into the context window")
    return encoding.ids, own


@torch.no_grad()
def _static(model: LoadedModel, words: Sequence[str]) -> Array:
    table: Any = model.net.get_input_embeddings().weight
    spelled = [_tokens(model, _CARRIER, word) for word in words]
    rows = [table[[ids[at] for at in own]].float().mean(0) for ids, own in spelled]
    return np.asarray(torch.stack(rows).cpu().numpy(), dtype=np.float64)


def _hidden(
    model: LoadedModel, words: Sequence[str], layers: Sequence[Layer], sentences: Sequence[str]
) -> dict[Layer, Array]:
    """Mean over sentences of what the word's tokens hold."""
    spelled = [_tokens(model, sentence, word) for word in words for sentence in sentences]
    states = _states(model, list(dict.fromkeys(ids for ids, _ in spelled)), layers)
    found = {}
    for place, layer in enumerate(layers):
        rows = np.stack([states[ids][place, list(own)].mean(axis=0) for ids, own in spelled])
        found[layer] = rows.reshape(len(words), len(sentences), -1).mean(axis=1)
    return found


@torch.no_grad()
def _states(
    model: LoadedModel, texts: Sequence[tuple[int, ...]], layers: Sequence[Layer]
) -> Mapping[tuple[int, ...], Array]:
    """Tokens of a text → ``[layers, tokens, D]``."""
    found: dict[tuple[int, ...], Array] = {}
    for batch in batches(model, sorted(texts, key=len), _TOKENS):
        ids, mask = pad_right(batch, model.device, model.pad)
        hidden = getattr(forward(stack(model), ids, mask, output_hidden_states=True), "hidden_states", None)
        if (
            hidden is None
            or len(hidden) != model.layers + 1
            or any(h.shape[1] != ids.shape[1] for h in hidden)
        ):
            raise ModelError(f"{model.name}: it does not tell the vector of every token after every block")
        chosen = [hidden[-1 if layer == LAST else int(layer) + 1] for layer in layers]
        whole = torch.stack(chosen, 1).float().cpu().numpy().astype(np.float64)
        found |= {text: states[:, : len(text)] for text, states in zip(batch, whole, strict=True)}
    return found
