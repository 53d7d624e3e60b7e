"""Token sequences as rows of prefix trees: what several of them begin with is there once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

#: Nodes of a row. A longer row shares more prefixes, but each of its nodes attends over the whole row.
_ROW = 128
#: Nodes of a pass: more gains nothing on a CPU and costs memory.
_NODES = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """Prefix trees side by side; every node stands behind its parent.

    Args:
        ids: the token of each node.
        parents: the node before it in its sequences; -1 where they begin.
        depths: its place in them, from 0.
    """

    ids: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]

    def ancestors(self) -> npt.NDArray[np.bool_]:
        """``[nodes, nodes]``: whether the second is the first, or comes before it in its sequences."""
        found = np.eye(len(self.ids), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                found[node] |= found[parent]
        return found


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """Sequences in rows, in lexicographic order.

    Args:
        rows: the trees; a sequence lies in one row as a whole.
        paths: sequence → its row, and the node of each of its tokens.
    """

    rows: tuple[Row, ...]
    paths: dict[tuple[int, ...], tuple[int, tuple[int, ...]]]


@dataclass(slots=True)
class _Growing:
    """A row to which sequences are added in lexicographic order."""

    ids: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    last: tuple[int, ...] = ()
    path: list[int] = field(default_factory=list)

    def shared(self, sequence: tuple[int, ...]) -> int:
        """How many tokens the sequence begins with that are there already."""
        pairs = zip(self.last, sequence, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(self.last), len(sequence)))

    def add(self, sequence: tuple[int, ...]) -> tuple[int, ...]:
        """Add what is new of a sequence; return the node of each token."""
        self.path = self.path[: self.shared(sequence)]
        for depth in range(len(self.path), len(sequence)):
            self.parents.append(self.path[-1] if self.path else -1)
            self.path.append(len(self.ids))
            self.ids.append(sequence[depth])
            self.depths.append(depth)
        self.last = sequence
        return tuple(self.path)

    def done(self) -> Row:
        return Row(tuple(self.ids), tuple(self.parents), tuple(self.depths))


def prefix_tree(sequences: Iterable[Sequence[int]], row: int = _ROW) -> PrefixTree:
    """Lay sequences out in rows.

    Args:
        sequences: of at least one token each; equal ones are laid out once.
        row: nodes of a row; a row of longer sequences holds what two of them take.
    """
    rows: list[_Growing] = []
    paths = {}
    for sequence in sorted({tuple(each) for each in sequences}):
        room = max(row, 2 * len(sequence))
        if not rows or len(rows[-1].ids) + len(sequence) - rows[-1].shared(sequence) > room:
            rows.append(_Growing())
        paths[sequence] = (len(rows) - 1, rows[-1].add(sequence))
    return PrefixTree(tuple(each.done() for each in rows), paths)


def passes(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut rows into passes of at most ``_NODES`` nodes; a longer row is one by itself."""
    some: list[Row] = []
    nodes = 0
    for row in rows:
        if some and nodes + len(row.ids) > _NODES:
            yield some
            some, nodes = [], 0
        some.append(row)
        nodes += len(row.ids)
    if some:
        yield some
