"""Runs many token sequences through a model in few passes, and keeps what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from audit.records import Stream
from probes.capture import StreamCapture
from probes.forward import forward
from probes.head import log_probabilities
from probes.model import LoadedModel
from probes.precision import float64_blocks
from probes.route import instrument

Array = npt.NDArray[np.float32]

#: Padded tokens of one pass: more gains nothing on a CPU and costs memory.
_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """Tokens to run.

    Args:
        ids: the tokens; the encoder's in an encoder–decoder.
        targets: ``(position, token)`` pairs whose log-probability is wanted; positions count what the
            decoder reads.
        rows: query positions whose attention is wanted; empty for none.
        keys: how many of the first tokens the rows may look at.
        decoded: what an encoder–decoder has decoded so far.
        types: of a text of two parts, which part each token is of; else empty.
    """

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    keys: int
    decoded: tuple[int, ...] = ()
    types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceReading:
    """What one pass told about a sequence.

    Args:
        log_probabilities: ``[targets]`` float64, nats.
        weights: ``[layers, heads, rows, keys]`` float32, NaN in layers that do not attend; None if no rows
            were asked for.
        norms: ``[layers, heads, keys]`` float32 ``‖v_k W_O^h‖``; None if not asked for or unknown.
        cross, cross_norms: the same of an encoder–decoder's cross-attention, from the one row that predicts
            the first token.
    """

    log_probabilities: npt.NDArray[np.float64]
    weights: Array | None
    norms: Array | None
    cross: Array | None = None
    cross_norms: Array | None = None


@torch.no_grad()
def run(
    model: LoadedModel, sequences: Sequence[TokenSequence], *, precise: bool = False
) -> list[SequenceReading]:
    """Run sequences, similar lengths together.

    Args:
        model: of any family; only decoders and encoder–decoders take targets.
        sequences: what to run.
        precise: whether the blocks of a float32 network compute in float64, which takes twice as long.
    Returns:
        One reading per sequence, in their order.
    """
    found: dict[int, SequenceReading] = {}
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    with float64_blocks(model.net) if precise else nullcontext():
        for batch in _batches(sequences, order, one_length=model.reads_padding):
            readings = _run_batch(model, [sequences[index] for index in batch])
            found.update(zip(batch, readings, strict=True))
    return [found[index] for index in range(len(sequences))]


def _batches(
    sequences: Sequence[TokenSequence], order: Sequence[int], *, one_length: bool
) -> Iterator[list[int]]:
    """Cut the order so that no batch holds more than ``_TOKENS`` padded tokens, or sequences of two lengths."""
    batch: list[int] = []
    for index in order:
        length = len(sequences[index].ids)
        other = one_length and batch and length != len(sequences[batch[0]].ids)
        if other or (batch and (len(batch) + 1) * length > _TOKENS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def pad_right(
    sequences: Sequence[Sequence[int]], device: torch.device, pad: int = 0
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids ``[texts, longest]`` and their mask; no mask where nothing had to be padded."""
    longest = max(map(len, sequences))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in sequences], device=device)
    if min(map(len, sequences)) == longest:
        return ids, None
    lengths = torch.tensor([[len(row)] for row in sequences], device=device)
    return ids, (torch.arange(longest, device=device) < lengths).long()


def pad_types(types: Sequence[tuple[int, ...]], ids: torch.Tensor) -> torch.Tensor | None:
    """Token types like ``ids``, 0 where a text has none; None where no text has any."""
    if not any(types):
        return None
    return torch.tensor([[*row, *[0] * (ids.shape[1] - len(row))] for row in types], device=ids.device)


def _run_batch(model: LoadedModel, batch: Sequence[TokenSequence]) -> list[SequenceReading]:
    ids, mask = pad_right([sequence.ids for sequence in batch], model.device, model.pad)
    decoded = None
    if model.family == "encoder-decoder":
        # What stands behind the decoded tokens changes nothing before it, so it needs no mask.
        decoded, _ = pad_right([sequence.decoded for sequence in batch], model.device, model.pad)
    types = pad_types([sequence.types for sequence in batch], ids)
    net = model.net if model.decodes else model.net.base_model
    capture = _capture(model, batch)
    with instrument(capture) if capture is not None else nullcontext():
        states = forward(net, ids, mask, decoded, types)[0]
    scores = _scores(model, states, batch)
    if capture is None:
        return [SequenceReading(score, None, None) for score in scores]
    weights, norms = capture.weights(model.stream), capture.norms(model.stream)
    cross, cross_norms = None, None
    if model.decodes:
        cross, cross_norms = capture.weights("cross"), capture.norms("cross")
    return [
        SequenceReading(
            scores[index],
            _kept(weights[:, :, :, : len(s.rows)], index, s),
            _kept(norms, index, s),
            _kept(cross, index, s),
            _kept(cross_norms, index, s),
        )
        for index, s in enumerate(batch)
    ]


def _kept(found: torch.Tensor | None, index: int, sequence: TokenSequence) -> Array | None:
    """One sequence's part of what was captured; None where it asked for no rows."""
    if found is None or not sequence.rows:
        return None
    kept: Array = found[index, ..., : sequence.keys].numpy()
    return kept


def _capture(model: LoadedModel, batch: Sequence[TokenSequence]) -> StreamCapture | None:
    width = max(len(sequence.rows) for sequence in batch)
    if not width:
        return None
    rows = [[*sequence.rows, *[0] * (width - len(sequence.rows))] for sequence in batch]
    wanted: dict[Stream, torch.Tensor] = {model.stream: torch.tensor(rows, device=model.device)}
    if model.decodes:
        first = len(model.target_start) - 1
        wanted["cross"] = torch.full((len(batch), 1), first, device=model.device)
    return StreamCapture(model.anatomy, wanted, model.norms)


def _scores(
    model: LoadedModel, states: torch.Tensor, batch: Sequence[TokenSequence]
) -> list[npt.NDArray[np.float64]]:
    """Log-probabilities of all targets; only their positions meet a decoder's vocabulary.

    Args:
        states: last hidden states of a decoder, logits of an encoder–decoder.
    """
    wanted = [(index, *target) for index, sequence in enumerate(batch) for target in sequence.targets]
    if not wanted:
        return [np.empty(0) for _ in batch]
    text, position, token = torch.tensor(wanted, device=states.device).T
    found = states[text, position]
    if model.family == "decoder":
        flat = log_probabilities(model.net, found, token)
    else:
        flat = found.float().log_softmax(-1).gather(-1, token[:, None])[:, 0]
    ends = np.cumsum([len(sequence.targets) for sequence in batch])
    return list(np.split(flat.double().cpu().numpy(), ends[:-1]))
