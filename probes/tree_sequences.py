"""Runs token sequences of a decoder as prefix trees, and hands on what was asked for of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from probes.layer_groups import LayerGroups
from probes.model import LoadedModel
from probes.prefix_tree import Row, passes, prefix_tree
from probes.route import instrument
from probes.token_sequence import CapturedRows, Receiver, SequenceReading, TokenSequence
from probes.tree_pass import log_probabilities_at, read_rows


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sequence in a pass: its row, and the node of each of its tokens."""

    sequence: TokenSequence
    row: int
    path: tuple[int, ...]


@torch.no_grad()
def run_in_trees(
    model: LoadedModel, sequences: Sequence[TokenSequence], receive: Receiver
) -> list[SequenceReading]:
    """Run sequences; what several of them begin with is computed once.

    Args:
        model: a decoder that computes trees of the longest of them (:func:`probes.tree_pass.takes_trees`).
        sequences: what to run.
        receive: told the rows that they ask for.
    Returns:
        One reading per sequence, in their order.
    """
    tree = prefix_tree(one.ids for one in sequences)
    found: dict[int, SequenceReading] = {}
    first = 0
    for rows in passes(tree.rows):
        placed = {}
        for number, one in enumerate(sequences):
            row, path = tree.paths[one.ids]
            if first <= row < first + len(rows):
                placed[number] = _Placed(one, row - first, path)
        found.update(zip(placed, _read_pass(model, rows, placed, receive), strict=True))
        first += len(rows)
    return [found[number] for number in range(len(sequences))]


def _read_pass(
    model: LoadedModel, rows: Sequence[Row], placed: Mapping[int, _Placed], receive: Receiver
) -> Iterator[SequenceReading]:
    """Run rows of trees, and find the sequences that lie in them."""
    capture = _capture(model, len(rows), placed, receive)
    with instrument(capture) if capture is not None else nullcontext():
        states = read_rows(model.net, rows)
    if capture is not None:
        capture.finish()
    undefined = states.isnan().any(-1).cpu()
    for score, one in zip(_scores(model, states, list(placed.values())), placed.values(), strict=True):
        yield SequenceReading(score, sound=not bool(undefined[one.row, list(one.path)].any()))


def _capture(
    model: LoadedModel, rows: int, placed: Mapping[int, _Placed], receive: Receiver
) -> LayerGroups | None:
    nodes = _query_nodes(rows, list(placed.values()))
    width = max(map(len, nodes))
    if not width:
        return None
    wanted = torch.tensor([[*each, *[0] * (width - len(each))] for each in nodes], device=model.device)

    def deliver(layers: tuple[int, ...], weights: torch.Tensor, norms: torch.Tensor | None) -> None:
        found = {}
        for number, one in placed.items():
            if one.sequence.rows:
                queries = [nodes[one.row][one.path[token]] for token in one.sequence.rows]
                keys = list(one.path[: one.sequence.keys])
                read = np.take(np.take(weights[one.row].numpy(), queries, axis=2), keys, axis=3)
                of_keys = None if norms is None else np.take(norms[one.row].numpy(), keys, axis=2)
                found[number] = CapturedRows(layers, read, of_keys)
        receive(found)

    return LayerGroups(model.anatomy, {model.stream: wanted}, model.norms, model.stream, deliver)


def _query_nodes(rows: int, placed: Sequence[_Placed]) -> list[dict[int, int]]:
    """Of each row the nodes whose attention is wanted: node → its place among them."""
    found: list[dict[int, int]] = [{} for _ in range(rows)]
    for one in placed:
        for token in one.sequence.rows:
            found[one.row].setdefault(one.path[token], len(found[one.row]))
    return found


def _scores(model: LoadedModel, states: torch.Tensor, placed: Sequence[_Placed]) -> list[np.ndarray]:
    """Log-probabilities of all targets; each node meets the vocabulary once."""
    cells = [
        (one.row, one.path[position], token) for one in placed for position, token in one.sequence.targets
    ]
    flat = np.array(log_probabilities_at(model.net, states, cells))
    ends = np.cumsum([len(one.sequence.targets) for one in placed])
    return list(np.split(flat, ends[:-1]))
