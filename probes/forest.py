"""Continuations of a whole suite as prefix trees: every prefix is read once, in few passes."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate

from probes.continuation import Continuation
from probes.model import LoadedModel
from probes.precision import wider_blocks
from probes.prefix_tree import passes, prefix_tree
from probes.tree_pass import log_probabilities_at, read_rows

#: The first tokens of a text drive activations so high that float32 rounds their predictions by up to
#: 1e-3 nats, and bf16 by up to 12; they are few, and computed in a wider dtype.
_PRECISE = 2


class Forest:
    """Continuations as prefix trees. Each pass is a pure function of them all, and made when first needed.

    Args:
        model: a decoder that computes trees.
        wanted: what may be asked for.
        precise: of each text, how many predictions are made in a wider dtype.
    """

    def __init__(self, model: LoadedModel, wanted: Iterable[Continuation], precise: int = _PRECISE) -> None:
        self._model = model
        self._wanted = dict.fromkeys(wanted)
        self._tree = prefix_tree(one.read for one in self._wanted)
        self._passes = list(passes(self._tree.rows))
        self._starts = [0, *accumulate(map(len, self._passes))]
        self._of_pass: dict[int, list[Continuation]] = defaultdict(list)
        for one in self._wanted:
            self._of_pass[self._pass(one)].append(one)
        self._precise = precise
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
        return bisect_right(self._starts, self._tree.paths[one.read][0]) - 1

    def _first_tokens(self) -> dict[Continuation, float]:
        """The predictions that are made in a wider dtype."""
        if self._first is None:
            early = {
                step for one in self._wanted for step in _steps(one) if len(step.context) <= self._precise
            }
            ordered = sorted(early, key=lambda step: (step.context, step.tokens))
            first = Forest(self._model, ordered, precise=0) if ordered else None
            with wider_blocks(self._model.net):
                self._first = {} if first is None else {step: first.score(step) for step in ordered}
        return self._first

    def _read(self, number: int) -> None:
        """Score all continuations of a pass."""
        first = self._first_tokens() if self._precise else {}
        start = self._starts[number]
        cells: dict[Continuation, tuple[int, int, int]] = {}
        for one in self._of_pass[number]:
            row, path = self._tree.paths[one.read]
            for step in _steps(one):
                if step not in first:
                    cells[step] = (row - start, path[len(step.context) - 1], step.tokens[0])
        states = read_rows(self._model.net, self._passes[number])
        predictions = log_probabilities_at(self._model.net, states, list(cells.values()))
        known = first | dict(zip(cells, predictions, strict=True))
        for one in self._of_pass[number]:
            self._scores[one] = sum(known[step] for step in _steps(one))


def _steps(one: Continuation) -> Iterator[Continuation]:
    """Each token of a continuation, after all that stands before it."""
    whole = (*one.context, *one.tokens)
    return (Continuation(whole[: at + 1], (token,)) for at, token in one.targets)
