"""Runs token sequences of a decoder as prefix trees, and keeps what was asked for of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch

from probes.capture import StreamCapture
from probes.model import LoadedModel
from probes.prefix_tree import Row, passes, prefix_tree
from probes.route import instrument
from probes.token_sequence import SequenceReading, TokenSequence
from probes.tree_pass import log_probabilities_at, read_rows

#: Row of a pass, and the node of each token.
_Path = tuple[int, tuple[int, ...]]


def run_in_trees(model: LoadedModel, sequences: Sequence[TokenSequence]) -> list[SequenceReading]:
    """Run sequences; what several of them begin with is computed once.

    Args:
        model: a decoder that computes trees of the longest of them (:func:`probes.tree_pass.takes_trees`).
        sequences: what to run.
    Returns:
        One reading per sequence, in their order.
    """
    tree = prefix_tree(one.ids for one in sequences)
    found: list[SequenceReading | None] = [None] * len(sequences)
    first = 0
    for rows in passes(tree.rows):
        inside = [n for n, one in enumerate(sequences) if 0 <= tree.paths[one.ids][0] - first < len(rows)]
        some = [sequences[number] for number in inside]
        paths = [(tree.paths[one.ids][0] - first, tree.paths[one.ids][1]) for one in some]
        for number, reading in zip(inside, _read_pass(model, rows, some, paths), strict=True):
            found[number] = reading
        first += len(rows)
    return [reading for reading in found if reading is not None]


def _read_pass(
    model: LoadedModel, rows: Sequence[Row], sequences: Sequence[TokenSequence], paths: Sequence[_Path]
) -> Iterator[SequenceReading]:
    """Run rows of trees, and find the sequences that lie in them."""
    places = _query_nodes(len(rows), sequences, paths)
    capture = None
    if width := max(map(len, places)):
        nodes = [[*each, *[0] * (width - len(each))] for each in places]
        wanted = torch.tensor(nodes, device=model.device)
        capture = StreamCapture(model.anatomy, {model.stream: wanted}, model.norms)
    with instrument(capture) if capture is not None else nullcontext():
        states = read_rows(model.net, rows)
    scores = _scores(model, states, sequences, paths)
    weights = None if capture is None else capture.weights(model.stream).numpy()
    norms = None if capture is None else capture.norms(model.stream)
    undefined = states.isnan().any(-1).cpu()
    for score, one, (row, path) in zip(scores, sequences, paths, strict=True):
        sound = not bool(undefined[row, list(path)].any())
        if weights is None or not one.rows:
            yield SequenceReading(score, None, None, sound=sound)
            continue
        queries = [places[row][path[token]] for token in one.rows]
        keys = list(path[: one.keys])
        read = np.take(np.take(weights[row], queries, axis=2), keys, axis=3)
        of_keys = None if norms is None else norms[row][..., keys].numpy()
        yield SequenceReading(score, read, of_keys, sound=sound)


def _query_nodes(
    count: int, sequences: Sequence[TokenSequence], paths: Sequence[_Path]
) -> list[dict[int, int]]:
    """Of each row the nodes whose attention is wanted: node → its place among them."""
    found: list[dict[int, int]] = [{} for _ in range(count)]
    for one, (row, path) in zip(sequences, paths, strict=True):
        for token in one.rows:
            found[row].setdefault(path[token], len(found[row]))
    return found


def _scores(
    model: LoadedModel, states: torch.Tensor, sequences: Sequence[TokenSequence], paths: Sequence[_Path]
) -> list[np.ndarray]:
    """Log-probabilities of all targets; each node meets the vocabulary once."""
    cells = [
        (row, path[position], token)
        for one, (row, path) in zip(sequences, paths, strict=True)
        for position, token in one.targets
    ]
    flat = np.array(log_probabilities_at(model.net, states, cells))
    ends = np.cumsum([len(one.targets) for one in sequences])
    return list(np.split(flat, ends[:-1]))
