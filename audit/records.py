"""What probes hand to the runner: one record per pair, arm or head table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from audit.kept_attention import KeptStream

Status = Literal["measured", "skipped", "failed"]
Stream = Literal["self", "encoder", "decoder", "cross"]
Array = npt.NDArray[np.float64]

#: Float columns of ``heads.parquet``, in order. ``*_next`` belong to the row that predicts the next word.
HEAD_MEASURES = (
    "jsd",
    "total_variation",
    "value_weighted",
    "coref_a",
    "coref_b",
    "coref_a_next",
    "coref_b_next",
    "mass_a",
    "mass_b",
    "bias",
    "bias_next",
    "nie",
    "nde",
    "nie_next",
    "nde_next",
    "zero",
    "mean",
    "uniform",
    "zero_next",
    "mean_next",
    "uniform_next",
)


@dataclass(frozen=True, slots=True)
class PairRecord:
    """What became of one pair: its tokens, and why it was skipped or failed."""

    pair_id: str
    status: Status
    reason: str | None = None
    tokens_a: tuple[str, ...] = ()
    tokens_b: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output measure of one text of a pair; ``value`` None with ``reason`` where undefined."""

    pair_id: str
    arm: str
    measure: str
    value: float | None
    text: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """Head measures of one pair.

    Args:
        pair_id: the pair.
        stream: which attention.
        measures: name (one of ``HEAD_MEASURES``) → ``[layers, heads]`` float64; NaN where undefined.
        reasons: name → why it is undefined for the whole pair.
        unaligned_words: words of either text that have no partner in the other.
    """

    pair_id: str
    stream: Stream
    measures: Mapping[str, Array]
    reasons: Mapping[str, str] = field(default_factory=dict)
    unaligned_words: int = 0


@dataclass(frozen=True, slots=True)
class DetailRecord:
    """Attention of one pair, kept whole for the report.

    Args:
        pair_id: the pair.
        stream: which attention.
        words_a, words_b: the words (special tokens included) that columns stand for.
        queries: for each kept row, ``(index into words_a, index into words_b)``.
        weights_a, weights_b: ``[layers, heads, queries, words]`` float32, pooled to words; rows sum to 1.
        matches: aligned word indices ``(a, b)``.
        streams: all streams token by token; empty with ``why_no_whole``.
        why_no_whole: why they are not kept.
    """

    pair_id: str
    stream: Stream
    words_a: tuple[str, ...]
    words_b: tuple[str, ...]
    queries: tuple[tuple[int, int], ...]
    weights_a: npt.NDArray[np.float32]
    weights_b: npt.NDArray[np.float32]
    matches: tuple[tuple[int, int], ...]
    streams: tuple[KeptStream, ...] = ()
    why_no_whole: str | None = None


@dataclass(frozen=True, slots=True)
class AblationRecord:
    """Log-odds of one pair under every intervention.

    Args:
        pair_id: the pair.
        log_odds: ``[1 + sets, 2 (arms)]`` nats; index 0 unedited. None where it cannot be done.
        reason: why not.
    """

    pair_id: str
    log_odds: Array | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PatternRecord:
    """What the heads of one stream look at by habit, on neutral text (see :mod:`audit.patterns`).

    Args:
        stream: which attention.
        mass: pattern → ``[layers, heads]`` mean attention to it, 0 to 1; for the bag of words how evenly the
            attention is spread over the content words, times their share. NaN where the texts have no such place.
        excess: pattern → ``[layers, heads]`` the same with uniform attention at 0 and everything at 1; for the
            bag of words relative to uniform attention, which is 1.
        types: ``[layers, heads]`` names, of ``audit.patterns.PATTERNS`` or ``mixed``; empty in layers
            without attention.
        scores: ``[layers, heads]`` the excess behind the type; for mixed that of the nearest place; NaN likewise.
    """

    stream: Stream
    mass: Mapping[str, Array]
    excess: Mapping[str, Array]
    types: npt.NDArray[np.str_]
    scores: Array


@dataclass(frozen=True, slots=True)
class EmbeddingRecord:
    """The words of one association or projection of a suite, at one layer.

    Args:
        suite, axis: who asks.
        kind: which of the two.
        subject: its id.
        layer: ``input``, ``last`` or a block's number, as the suite writes it.
        contrast: names of the target sets X and Y; or the direction's first pair.
        attributes: names of the attribute sets A and B; None for projections.
        words: W target words, or projected words.
        sets: for each of them the target set or list that it is of.
        values: ``[W]`` associations `s(w,A,B)`, or projections.
        against: what projections are compared with; None for associations.
        known: ``[W]`` its values; None for associations.
    """

    suite: str
    axis: str
    kind: Literal["association", "projection"]
    subject: str
    layer: str
    contrast: tuple[str, str]
    attributes: tuple[str, str] | None
    words: tuple[str, ...]
    sets: tuple[str, ...]
    values: Array
    against: str | None = None
    known: Array | None = None


Record = PairRecord | OutputRecord | HeadRecord | DetailRecord
SurveyRecord = PatternRecord | EmbeddingRecord
