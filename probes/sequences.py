"""Runs many token sequences through a decoder in few passes, and keeps what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from probes.capture import RowCapture
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
        ids: the tokens.
        targets: ``(position, token)`` pairs whose log-probability is wanted.
        rows: query positions whose attention is wanted; empty for none.
        keys: how many of the first tokens the rows may look at.
    """

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    keys: int


@dataclass(frozen=True, slots=True)
class SequenceReading:
    """What one pass told about a sequence.

    Args:
        log_probabilities: ``[targets]`` float64, nats.
        weights: ``[layers, heads, rows, keys]`` float32; None if no rows were asked for.
        norms: ``[layers, heads, keys]`` float32 ``‖v_k W_O^h‖``; None if not asked for or unknown.
    """

    log_probabilities: npt.NDArray[np.float64]
    weights: Array | None
    norms: Array | None


@torch.no_grad()
def run(
    model: LoadedModel, sequences: Sequence[TokenSequence], *, precise: bool = False
) -> list[SequenceReading]:
    """Run sequences, similar lengths together.

    Args:
        model: a decoder.
        sequences: what to run.
        precise: whether the blocks of a float32 network compute in float64, which takes twice as long.
    Returns:
        One reading per sequence, in their order.
    """
    found: dict[int, SequenceReading] = {}
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    with float64_blocks(model.net) if precise else nullcontext():
        for batch in _batches(sequences, order):
            readings = _run_batch(model, [sequences[index] for index in batch])
            found.update(zip(batch, readings, strict=True))
    return [found[index] for index in range(len(sequences))]


def _batches(sequences: Sequence[TokenSequence], order: Sequence[int]) -> Iterator[list[int]]:
    """Cut the order so that no batch holds more than ``_TOKENS`` padded tokens."""
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * len(sequences[index].ids) > _TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def pad_right(
    sequences: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids ``[texts, longest]`` and their mask; no mask where nothing had to be padded."""
    longest = max(map(len, sequences))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in sequences], device=device)
    if min(map(len, sequences)) == longest:
        return ids, None
    lengths = torch.tensor([[len(row)] for row in sequences], device=device)
    return ids, (torch.arange(longest, device=device) < lengths).long()


def _run_batch(model: LoadedModel, batch: Sequence[TokenSequence]) -> list[SequenceReading]:
    ids, mask = pad_right([sequence.ids for sequence in batch], model.device)
    capture = None
    if width := max(len(sequence.rows) for sequence in batch):
        rows = [[*sequence.rows, *[0] * (width - len(sequence.rows))] for sequence in batch]
        capture = RowCapture(torch.tensor(rows, device=model.device), model.norms)
    hidden = _hidden(model, ids, mask, capture)
    scores = _scores(model, hidden, batch)
    weights, norms = _gathered(capture)
    return [
        SequenceReading(
            scores[index],
            weights[index, :, :, : len(s.rows), : s.keys].numpy() if weights is not None and s.rows else None,
            norms[index, :, :, : s.keys].numpy() if norms is not None and s.rows else None,
        )
        for index, s in enumerate(batch)
    ]


def _hidden(
    model: LoadedModel, ids: torch.Tensor, mask: torch.Tensor | None, capture: RowCapture | None
) -> torch.Tensor:
    """Final hidden states ``[texts, positions, width]``."""
    with instrument(capture) if capture is not None else nullcontext():
        hidden: torch.Tensor = model.net.base_model(input_ids=ids, attention_mask=mask, use_cache=False)[0]
    return hidden


def _scores(
    model: LoadedModel, hidden: torch.Tensor, batch: Sequence[TokenSequence]
) -> list[npt.NDArray[np.float64]]:
    """Log-probabilities of all targets; only their positions meet the vocabulary."""
    wanted = [(index, *target) for index, sequence in enumerate(batch) for target in sequence.targets]
    if not wanted:
        return [np.empty(0) for _ in batch]
    text, position, token = torch.tensor(wanted, device=hidden.device).T
    flat = log_probabilities(model.net, hidden[text, position], token).double().cpu().numpy()
    ends = np.cumsum([len(sequence.targets) for sequence in batch])
    return list(np.split(flat, ends[:-1]))


def _gathered(capture: RowCapture | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Stack the calls to ``[texts, layers, heads, rows, keys]`` and ``[texts, layers, heads, keys]``."""
    if capture is None:
        return None, None
    norms = [call.norms for call in capture.calls if call.norms is not None]
    return (
        torch.stack([call.weights for call in capture.calls], 1).cpu(),
        torch.stack(norms, 1).cpu() if len(norms) == len(capture.calls) else None,
    )
