"""A token sequence to run, and what a pass told about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """Tokens to run.

    Args:
        ids: the tokens; the encoder's in an encoder–decoder.
        targets: ``(position, token)`` pairs whose log-probability is wanted; positions count what the
            decoder reads.
        rows: query positions whose attention is wanted; empty for none.
        keys: how many of the first tokens the rows may look at.
        decoded: what an encoder–decoder has decoded so far.
        types: of a text of two parts, which part each token is of; else empty.
    """

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    keys: int
    decoded: tuple[int, ...] = ()
    types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceReading:
    """What one pass told about a sequence, beside the rows that it handed on.

    Args:
        log_probabilities: ``[targets]`` float64, nats.
        cross: ``[layers, heads, 1, keys]`` float32 attention of an encoder–decoder's cross-attention, from the
            one row that predicts the first token; None if no rows were asked for.
        cross_norms: ``[layers, heads, keys]`` float32 ``‖v_k W_O^h‖`` of it; None if not asked for or unknown.
        sound: whether no last hidden state of its tokens is NaN.
    """

    log_probabilities: npt.NDArray[np.float64]
    cross: Array | None = None
    cross_norms: Array | None = None
    sound: bool = True


@dataclass(frozen=True, slots=True)
class CapturedRows:
    """Attention rows of one sequence in some layers.

    Args:
        layers: which, ascending.
        weights: ``[layers, heads, rows, keys]`` float32.
        norms: ``[layers, heads, keys]`` float32 ``‖v_k W_O^h‖``; None where unknown.
    """

    layers: tuple[int, ...]
    weights: Array
    norms: Array | None


#: Told the rows of sequences, by their number, as soon as a pass has them; layers without attention never come.
Receiver = Callable[[Mapping[int, CapturedRows]], None]
