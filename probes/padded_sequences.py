"""Runs token sequences side by side, padded to one length, and keeps what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

import numpy as np
import torch

from audit.records import Stream
from probes.forward import forward
from probes.head import log_probabilities
from probes.layer_groups import LayerGroups
from probes.model import LoadedModel
from probes.precision import wider_blocks
from probes.route import instrument
from probes.row_padding import pad_right, pad_types
from probes.token_sequence import Array, CapturedRows, Receiver, SequenceReading, TokenSequence

#: Padded tokens of one pass: more gains nothing on a CPU and costs memory.
_TOKENS = 1024


def ignore(_rows: Mapping[int, CapturedRows]) -> None:
    """Receive rows that nobody asked for."""


@torch.no_grad()
def run_padded(
    model: LoadedModel,
    sequences: Sequence[TokenSequence],
    receive: Receiver = ignore,
    *,
    precise: bool = False,
) -> list[SequenceReading]:
    """Run sequences, similar lengths together.

    Args:
        model: of any family; only decoders and encoder–decoders take targets.
        sequences: what to run.
        receive: told the rows that they ask for.
        precise: whether the blocks of a float32 network compute in float64, which takes twice as long.
    Returns:
        One reading per sequence, in their order.
    """
    found: dict[int, SequenceReading] = {}
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    widened = precise and model.net.dtype == torch.float32
    with wider_blocks(model.net) if widened else nullcontext():
        for numbers in _batches(sequences, order, one_length=model.reads_padding):
            readings = _run_batch(model, {number: sequences[number] for number in numbers}, receive)
            found.update(zip(numbers, readings, strict=True))
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


def _run_batch(
    model: LoadedModel, numbered: Mapping[int, TokenSequence], receive: Receiver
) -> list[SequenceReading]:
    batch = list(numbered.values())
    ids, mask = pad_right([sequence.ids for sequence in batch], model.device, model.pad)
    decoded = None
    if model.family == "encoder-decoder":
        # What stands behind the decoded tokens changes nothing before it, so it needs no mask.
        decoded, _ = pad_right([sequence.decoded for sequence in batch], model.device, model.pad)
    types = pad_types([sequence.types for sequence in batch], ids)
    net = model.net if model.decodes else model.net.base_model
    capture = _capture(model, numbered, receive)
    with instrument(capture) if capture is not None else nullcontext():
        states = forward(net, ids, mask, decoded, types)[0]
    cross, norms = None, None
    if capture is not None:
        capture.finish()
        if model.decodes:
            cross, norms = capture.weights("cross"), capture.norms("cross")
    return [
        SequenceReading(
            score,
            _kept(cross, index, sequence),
            _kept(norms, index, sequence),
            _is_sound(model, states[index], sequence),
        )
        for index, (score, sequence) in enumerate(zip(_scores(model, states, batch), batch, strict=True))
    ]


def _is_sound(model: LoadedModel, states: torch.Tensor, sequence: TokenSequence) -> bool:
    tokens = sequence.decoded if model.family == "encoder-decoder" else sequence.ids
    return not bool(states[: len(tokens)].isnan().any())


def _kept(found: torch.Tensor | None, index: int, sequence: TokenSequence) -> Array | None:
    """One sequence's part of what was captured; None where it asked for no rows."""
    if found is None or not sequence.rows:
        return None
    kept: Array = found[index, ..., : sequence.keys].numpy()
    return kept


def _capture(
    model: LoadedModel, numbered: Mapping[int, TokenSequence], receive: Receiver
) -> LayerGroups | None:
    batch = list(numbered.values())
    width = max(len(sequence.rows) for sequence in batch)
    if not width:
        return None
    rows = [[*sequence.rows, *[0] * (width - len(sequence.rows))] for sequence in batch]
    wanted: dict[Stream, torch.Tensor] = {model.stream: torch.tensor(rows, device=model.device)}
    if model.decodes:
        first = len(model.target_start) - 1
        wanted["cross"] = torch.full((len(batch), 1), first, device=model.device)

    def deliver(layers: tuple[int, ...], weights: torch.Tensor, norms: torch.Tensor | None) -> None:
        found = {}
        for index, (number, one) in enumerate(numbered.items()):
            read = weights[index, :, :, : len(one.rows), : one.keys].numpy()
            found[number] = CapturedRows(layers, read, _kept(norms, index, one))
        receive({number: each for number, each in found.items() if numbered[number].rows})

    return LayerGroups(model.anatomy, wanted, model.norms, model.stream, deliver)


def _scores(model: LoadedModel, states: torch.Tensor, batch: Sequence[TokenSequence]) -> list[np.ndarray]:
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
