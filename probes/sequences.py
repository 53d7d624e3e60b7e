"""Runs many token sequences through a model in few passes, and keeps what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from probes.model import LoadedModel
from probes.padded_sequences import run_padded
from probes.token_sequence import SequenceReading, TokenSequence
from probes.tree_pass import takes_trees
from probes.tree_sequences import run_in_trees


@torch.no_grad()
def run(model: LoadedModel, sequences: Sequence[TokenSequence]) -> list[SequenceReading]:
    """Run sequences; of a decoder that computes trees, what several of them begin with only once.

    Args:
        model: of any family; only decoders and encoder–decoders take targets.
        sequences: what to run.
    Returns:
        One reading per sequence, in their order.
    """
    branching = [takes_trees(model, len(one.ids)) for one in sequences]
    trees = iter(run_in_trees(model, [one for one, fits in zip(sequences, branching, strict=True) if fits]))
    padded = iter(
        run_padded(model, [one for one, fits in zip(sequences, branching, strict=True) if not fits])
    )
    return [next(trees if fits else padded) for fits in branching]
