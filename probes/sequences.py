"""Runs many token sequences through a model in few passes, and hands on what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from probes.model import LoadedModel
from probes.padded_sequences import run_padded
from probes.token_sequence import CapturedRows, Receiver, SequenceReading, TokenSequence
from probes.tree_pass import takes_trees
from probes.tree_sequences import run_in_trees


@torch.no_grad()
def run(model: LoadedModel, sequences: Sequence[TokenSequence], receive: Receiver) -> list[SequenceReading]:
    """Run sequences; of a decoder that computes trees, what several of them begin with only once.

    Args:
        model: of any family; only decoders and encoder–decoders take targets.
        sequences: what to run.
        receive: told the rows that they ask for.
    Returns:
        One reading per sequence, in their order.
    """
    kinds: tuple[list[int], list[int]] = [], []
    for number, one in enumerate(sequences):
        kinds[takes_trees(model, len(one.ids))].append(number)
    found: dict[int, SequenceReading] = {}
    for numbers, run_all in zip(kinds, (run_padded, run_in_trees), strict=True):

        def renumbered(rows: Mapping[int, CapturedRows], numbers: Sequence[int] = numbers) -> None:
            receive({numbers[number]: each for number, each in rows.items()})

        readings = run_all(model, [sequences[number] for number in numbers], renumbered)
        found.update(zip(numbers, readings, strict=True))
    return [found[number] for number in range(len(sequences))]
