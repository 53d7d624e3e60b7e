"""Which heads of a stream the reader is offered first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from audit.importance import by_importance
from audit.kept_attention import KeptStream, KeptText
from audit.results import HeadFinding

#: Heads that are offered by name; all others by their numbers.
MOST_NAMED: Final = 24


class NamedHead(NamedTuple):
    """A head with its label."""

    layer: int
    head: int
    label: str


def shown_heads(kept: KeptStream, findings: Sequence[HeadFinding]) -> tuple[NamedHead, ...]:
    """Name the heads with a label, most serious first; where none has one, the strongest.

    Args:
        kept: the stream in one pair.
        findings: heads of the pair's suite and contrast, of any stream.
    Returns:
        At least one; without findings that whose aligned rows differ most in this very pair.
    """
    layers, heads = kept.a.weights.shape[:2]
    present = [layer for layer in range(layers) if not np.isnan(kept.a.weights[layer]).all()]
    there = [f for f in findings if f.stream == kept.stream and f.layer in present and f.head < heads]
    ranked = by_importance(there)
    named = [f for f in ranked if f.label not in ("none", "unmeasured")] or ranked[:1]
    if named:
        return tuple(NamedHead(f.layer, f.head, f.label) for f in named[:MOST_NAMED])
    moved = _moved(kept)[present]
    row, head = np.unravel_index(int(moved.argmax()), moved.shape)
    return (NamedHead(present[int(row)], int(head), "unmeasured"),)


def _moved(kept: KeptStream) -> np.ndarray:
    """``[layers, heads]`` summed difference of the first tokens of matched words."""
    rows, columns = _firsts(kept, "queries"), _firsts(kept, "keys")
    a = np.nan_to_num(kept.a.weights)[:, :, rows[0]][..., columns[0]]
    b = np.nan_to_num(kept.b.weights)[:, :, rows[1]][..., columns[1]]
    moved: np.ndarray = np.abs(a - b).sum(axis=(-1, -2))
    return moved


def _firsts(kept: KeptStream, side: str) -> tuple[list[int], list[int]]:
    matches = kept.query_matches if side == "queries" else kept.key_matches
    return [_first(kept.a, side, i) for i, _ in matches], [_first(kept.b, side, j) for _, j in matches]


def _first(text: KeptText, side: str, word: int) -> int:
    line = text.queries if side == "queries" else text.keys
    return line.word_of.index(word)
