"""What each head's rows tell about a pair: how far they lie apart, and at which candidate they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.align import match_rows, pool_keys, pool_queries
from audit.coreference import candidate_mass, signed_bias
from audit.diff import jensen_shannon, total_variation, value_weighted
from audit.pairs import Pair
from audit.records import Array
from probes.model import LoadedModel
from probes.route import through_interface
from probes.rows import ReadText, RowPlan, Tokens, why_no_row

_NO_PROJECTION = "the output projection of the attention modules was not found"
_NO_VALUES = "this family bypasses the attention interface, and its values are not seen"
_CROSS_ONLY = "cross-attention is read from the row that predicts the first word of the answer"
_CONTROL = "control pair: the candidates have no direction"
_NEXT = ("coref_a_next", "coref_b_next", "bias_next")
_UNDIRECTED = "the suite ties no candidate to the arms"


@dataclass(frozen=True, slots=True)
class Arm:
    """One text of a pair with what was captured of it in L layers.

    Args:
        read: the text.
        rows: query tokens that were captured, ascending.
        weights: ``[L, heads, rows, tokens]``; of the cross-attention one row.
        norms: ``[L, heads, tokens]``; None where unknown.
    """

    read: ReadText
    rows: Tokens
    weights: Array
    norms: npt.NDArray[np.float32] | None

    def places(self, tokens: Tokens) -> list[int]:
        """Where query tokens lie among the captured rows."""
        return [self.rows.index(token) for token in tokens]

    def mass(self, query: Tokens) -> Array:
        """``[L, heads, 2]`` attention to both candidates, read from one query word."""
        row = self.weights[:, :, self.places(query)].mean(axis=2)
        return candidate_mass(row, self.read.first, self.read.second)


#: Measures ``[layers, heads]``, and why others are undefined.
Found = tuple[dict[str, Array], dict[str, str]]


def own_stream(model: LoadedModel, pair: Pair, plan: RowPlan, a: Arm, b: Arm) -> Found:
    """Measure the stream that reads the text: measures ``[L, heads]``, and why others are undefined."""
    places = [[arm.places(query[side]) for query in plan.queries] for side, arm in enumerate((a, b))]
    measures, reasons = _divergence(
        plan, places, (a.weights, b.weights), (a.norms, b.norms), _why_no_norms(model)
    )
    for found, why in (_pronoun_scores(model, pair, a, b), _next_scores(model, pair, a, b)):
        measures |= found
        reasons |= why
    return measures, reasons


def cross_stream(model: LoadedModel, pair: Pair, plan: RowPlan, a: Arm, b: Arm) -> Found:
    """Measure the cross-attention: one row, which looks at the text."""
    measures, reasons = _divergence(
        plan, [[[0]], [[0]]], (a.weights, b.weights), (a.norms, b.norms), _why_no_norms(model)
    )
    reasons |= dict.fromkeys(("coref_a", "coref_b", "mass_a", "mass_b", "bias"), _CROSS_ONLY)
    if reason := _why_unscored(a) or _why_unscored(b):
        return measures, reasons | dict.fromkeys(_NEXT, reason)
    mass_a, mass_b = (candidate_mass(arm.weights[:, :, 0], arm.read.first, arm.read.second) for arm in (a, b))
    found, why = _scores(pair, mass_a, mass_b, "_next")
    return measures | found, reasons | why


def _why_no_norms(model: LoadedModel) -> str:
    return _NO_PROJECTION if through_interface(model.net) else _NO_VALUES


def _divergence(
    plan: RowPlan,
    places: Sequence[Sequence[Sequence[int]]],
    weights: tuple[Array, Array],
    norms: tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None],
    unknown: str,
) -> Found:
    """How far the compared rows lie apart.

    Args:
        places: for each text, which of its rows belong to each query.
        weights: of each text, ``[layers, heads, rows, tokens]``.
        norms: of each text, ``[layers, heads, tokens]``; None where unknown, for the reason given.
    """
    p, q = _matched(plan, places, weights)
    measures = {
        "jsd": jensen_shannon(p, q).mean(axis=-1),
        "total_variation": total_variation(p, q).mean(axis=-1),
    }
    if norms[0] is None or norms[1] is None:
        return measures, {"value_weighted": unknown}
    weighted = [
        value_weighted(rows, np.asarray(of_keys, dtype=np.float64)[:, :, None])
        for rows, of_keys in zip(weights, norms, strict=True)
        if of_keys is not None
    ]
    p, q = _matched(plan, places, (weighted[0], weighted[1]))
    return measures | {"value_weighted": jensen_shannon(p, q).mean(axis=-1)}, {}


def _matched(
    plan: RowPlan, places: Sequence[Sequence[Sequence[int]]], weights: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Rows of all compared queries over matched words, ``[layers, heads, queries, matches + 1]``."""
    words = (plan.alignment.words_a, plan.alignment.words_b)
    pooled = [pool_keys(pool_queries(weights[side], places[side]), words[side]) for side in (0, 1)]
    matched = match_rows(pooled[0], pooled[1], plan.alignment)
    for rows in matched:
        # What attention sinks take (gpt-oss) belongs to no word either.
        rows[..., -1] += np.clip(1 - rows.sum(axis=-1), 0, None)
    return matched


def _pronoun_scores(model: LoadedModel, pair: Pair, a: Arm, b: Arm) -> Found:
    """Scores of the pronoun's row (mean over its sub-tokens)."""
    decoder = model.family == "decoder"
    reason = next((why for arm in (a, b) if (why := _why_unscored(arm) or _why_unread(arm, decoder))), None)
    if reason:
        return {}, dict.fromkeys(("coref_a", "coref_b", "mass_a", "mass_b", "bias"), reason)
    mass_a, mass_b = a.mass(a.read.pronoun), b.mass(b.read.pronoun)
    measures, reasons = _scores(pair, mass_a, mass_b, "")
    return measures | {"mass_a": mass_a.sum(axis=-1), "mass_b": mass_b.sum(axis=-1)}, reasons


def _next_scores(model: LoadedModel, pair: Pair, a: Arm, b: Arm) -> Found:
    """Scores of the row that predicts: the next word, what fills the mask, or the label."""
    rows = a.read.predicting, b.read.predicting
    if rows[0] is None or rows[1] is None:
        return {}, dict.fromkeys(_NEXT, why_no_row(model))
    reason = _why_unscored(a) or _why_unscored(b) or _why_no_other_row(a)
    if reason:
        return {}, dict.fromkeys(_NEXT, reason)
    return _scores(pair, a.mass((rows[0],)), b.mass((rows[1],)), "_next")


def _scores(pair: Pair, mass_a: Array, mass_b: Array, suffix: str) -> Found:
    measures = {
        f"coref_a{suffix}": mass_a[..., 0] - mass_a[..., 1],
        f"coref_b{suffix}": mass_b[..., 0] - mass_b[..., 1],
    }
    if pair.kind == "control" or not pair.directed:
        return measures, {f"bias{suffix}": _CONTROL if pair.kind == "control" else _UNDIRECTED}
    return measures | {f"bias{suffix}": signed_bias(mass_a, mass_b)}, {}


def _why_unscored(arm: Arm) -> str | None:
    """Why neither row of a text can be scored."""
    if not (arm.read.first and arm.read.second):
        return "the pair has no candidates to look at"
    if {*arm.read.first} & {*arm.read.second}:
        return "one token is part of both candidates"
    return None


def _why_no_other_row(arm: Arm) -> str | None:
    """Why there is no predicting row beside the pronoun's."""
    return "the pronoun's row is the predicting row" if arm.read.predicting in arm.read.pronoun else None


def _why_unread(arm: Arm, decoder: bool) -> str | None:
    """Why the pronoun's row of a text cannot be scored; a decoder only looks to the left."""
    if not arm.read.pronoun:
        return "the pair has no pronoun to read from"
    if {*arm.read.pronoun} & {*arm.read.first, *arm.read.second}:
        return "one token is part of the pronoun and of a candidate"
    if decoder and max(*arm.read.first, *arm.read.second) >= arm.read.pronoun[0]:
        return "a candidate comes after the pronoun, where a decoder does not look"
    return None
