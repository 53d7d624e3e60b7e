"""Continuations of a whole suite as prefix trees: every prefix is read once, in few passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import torch

from probes.continuation import Continuation
from probes.head import log_probabilities
from probes.model import LoadedModel
from probes.precision import float64_blocks
from probes.prefix_tree import Row, prefix_tree
from probes.tree_pass import read_rows

#: Nodes of one pass: more gains nothing on a CPU and costs memory.
_NODES = 1024
#: The first tokens of a text drive activations so high that float32 rounds their predictions by up to
#: 1e-3 nats; they are few, and computed in float64.
_PRECISE = 2


class Forest:
    """Continuations as prefix trees. Each pass is a pure function of them all, and made when first needed.

    Args:
        model: a decoder that computes trees.
        wanted: what may be asked for.
        precise: of each text, how many predictions are made in float64.
    """

    def __init__(self, model: LoadedModel, wanted: Iterable[Continuation], precise: int = _PRECISE) -> None:
        self._model = model
        self._wanted = dict.fromkeys(wanted)
        self._tree = prefix_tree(one.read for one in self._wanted)
        self._per_pass = max(1, _NODES // max(len(row.ids) for row in self._tree.rows))
        self._of_pass: dict[int, list[Continuation]] = defaultdict(list)
        for one in self._wanted:
            self._of_pass[self._pass(one)].append(one)
        self._precise = precise if model.net.dtype == torch.float32 else 0
        self._first: dict[Continuation, float] | None = None
        self._scores: dict[Continuation, float] = {}

    def __contains__(self, one: Continuation) -> bool:
        return one in self._wanted

    def score(self, one: Continuation) -> float:
        """Nats of a continuation of the forest; a pass scores all that lie in it."""
        if one not in self._scores:
            self._read(self._pass(one))
        return self._scores[one]

    def _pass(self, one: Continuation) -> int:
        return self._tree.paths[one.read][0] // self._per_pass

    def _first_tokens(self) -> dict[Continuation, float]:
        """The predictions that are made in float64."""
        if self._first is None:
            early = {
                step for one in self._wanted for step in _steps(one) if len(step.context) <= self._precise
            }
            ordered = sorted(early, key=lambda step: (step.context, step.tokens))
            first = Forest(self._model, ordered, precise=0) if ordered else None
            with float64_blocks(self._model.net):
                self._first = {} if first is None else {step: first.score(step) for step in ordered}
        return self._first

    def _read(self, number: int) -> None:
        """Score all continuations of a pass."""
        start = number * self._per_pass
        cells: dict[Continuation, tuple[int, int, int]] = {}
        for one in self._of_pass[number]:
            row, path = self._tree.paths[one.read]
            for step in _steps(one):
                cells[step] = (row - start, path[len(step.context) - 1], step.tokens[0])
        rows = self._tree.rows[start : start + self._per_pass]
        known = dict(zip(cells, self._predictions(rows, list(cells.values())), strict=True))
        first = self._first_tokens() if self._precise else {}
        for one in self._of_pass[number]:
            self._scores[one] = sum(first.get(step, known[step]) for step in _steps(one))

    def _predictions(self, rows: Sequence[Row], cells: Sequence[tuple[int, int, int]]) -> list[float]:
        """Log-probabilities of ``(row, node, token)``; each node meets the vocabulary once."""
        states = read_rows(self._model.net, rows)
        nodes = {place: number for number, place in enumerate(dict.fromkeys(cell[:2] for cell in cells))}
        row, node = torch.tensor(list(nodes), device=states.device).T
        at = torch.tensor([nodes[cell[:2]] for cell in cells], device=states.device)
        token = torch.tensor([cell[2] for cell in cells], device=states.device)
        found: list[float] = log_probabilities(self._model.net, states[row, node], token, at).tolist()
        return found


def _steps(one: Continuation) -> Iterator[Continuation]:
    """Each token of a continuation, after all that stands before it."""
    whole = (*one.context, *one.tokens)
    return (Continuation(whole[: at + 1], (token,)) for at, token in one.targets)
