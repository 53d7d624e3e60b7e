"""Measures what each attention head does differently between the two texts of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.align import match_rows, pool_keys, pool_queries
from audit.config import RunConfig
from audit.coreference import candidate_mass, signed_bias
from audit.diff import jensen_shannon, total_variation, value_weighted
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import Array, DetailRecord, HeadRecord
from probes.model import LoadedModel
from probes.reading import TextReading, read, read_whole
from probes.route import through_interface
from probes.rows import ReadText, RowPlan, Tokens, plan_rows, why_no_row

_NO_PROJECTION = "the output projection of the attention modules was not found"
_NO_VALUES = "this family bypasses the attention interface, and its values are not seen"
_CROSS_ONLY = "cross-attention is read from the row that predicts the first word of the answer"
_CONTROL = "control pair: the candidates have no direction"
_NEXT = ("coref_a_next", "coref_b_next", "bias_next")
_UNDIRECTED = "the suite ties no candidate to the arms"


@dataclass(frozen=True, slots=True)
class _Arm:
    """One text of a pair with what was captured of it."""

    read: ReadText
    captured: TextReading

    @property
    def weights(self) -> Array:
        """``[layers, heads, rows, tokens]`` float64."""
        return np.asarray(self.captured.weights, dtype=np.float64)

    @property
    def cross(self) -> Array:
        """``[layers, heads, 1, tokens]`` float64 cross-attention."""
        return np.asarray(self.captured.cross, dtype=np.float64)

    def places(self, tokens: Tokens) -> list[int]:
        """Where query tokens lie among the captured rows."""
        return [self.captured.rows.index(token) for token in tokens]

    def mass(self, query: Tokens) -> Array:
        """``[layers, heads, 2]`` attention to both candidates, read from one query word."""
        row = self.weights[:, :, self.places(query)].mean(axis=2)
        return candidate_mass(row, self.read.first, self.read.second)


class AttentionProbe:
    """Divergence of aligned rows, and the coreference score of the pronoun's and the predicting row.

    Jensen–Shannon divergence, total variation and the value-weighted divergence (Kobayashi et al.
    2020) are means over the swapped words, the words after them and the last token; over all words in an
    encoder. ``coref_x`` is ``m_1 − m_2`` in that arm's text, ``bias = ½ (coref_a − coref_b)``. An
    encoder–decoder has a second record for its cross-attention, whose one row predicts the first word of
    the answer.
    """

    name = "attention"
    version = "3"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Every pair has attention."""
        return True

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[HeadRecord]:
        """Measure a batch of pairs.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair.
        """
        reading = read(model, pairs, rows=True, scores="likelihood" in config.probes)
        for pair in pairs:
            plan = reading.plans[pair.pair_id]
            a = _Arm(plan.a, reading.texts[pair.a.text])
            b = _Arm(plan.b, reading.texts[pair.b.text])
            unaligned = len(plan.alignment.unaligned_a) + len(plan.alignment.unaligned_b)
            measures, reasons = _own_stream(model, pair, plan, a, b)
            yield HeadRecord(pair.pair_id, model.stream, measures, reasons, unaligned)
            if model.decodes:
                measures, reasons = _cross_stream(model, pair, plan, a, b)
                yield HeadRecord(pair.pair_id, "cross", measures, reasons, unaligned)

    def detail(self, model: LoadedModel, pair: Pair) -> DetailRecord:
        """Attention of a whole pair, pooled to words, for the report.

        Args:
            model: of any family.
            pair: a pair that fits into the context window.
        """
        plan = plan_rows(model, pair)
        texts = read_whole(model, {pair.a.text, pair.b.text})
        matches = plan.alignment.matches
        return DetailRecord(
            pair_id=pair.pair_id,
            stream=model.stream,
            words_a=tuple(word.text for word in plan.alignment.words_a),
            words_b=tuple(word.text for word in plan.alignment.words_b),
            queries=matches,
            weights_a=_by_words(plan, texts[pair.a.text], 0),
            weights_b=_by_words(plan, texts[pair.b.text], 1),
            matches=matches,
        )


def _by_words(plan: RowPlan, found: TextReading, side: int) -> npt.NDArray[np.float32]:
    """``[layers, heads, matched words, words]`` of one text."""
    words = (plan.alignment.words_a, plan.alignment.words_b)[side]
    queries = [words[match[side]].tokens for match in plan.alignment.matches]
    weights = np.asarray(found.weights, dtype=np.float64)
    return pool_keys(pool_queries(weights, queries), words).astype(np.float32)


_Found = tuple[dict[str, Array], dict[str, str]]


def _own_stream(model: LoadedModel, pair: Pair, plan: RowPlan, a: _Arm, b: _Arm) -> _Found:
    """Measures of the stream that reads the text."""
    places = [[arm.places(query[side]) for query in plan.queries] for side, arm in enumerate((a, b))]
    measures, reasons = _divergence(
        plan, places, (a.weights, b.weights), (a.captured.norms, b.captured.norms), _why_no_norms(model)
    )
    for found, why in (_pronoun_scores(model, pair, a, b), _next_scores(model, pair, a, b)):
        measures |= found
        reasons |= why
    return measures, reasons


def _cross_stream(model: LoadedModel, pair: Pair, plan: RowPlan, a: _Arm, b: _Arm) -> _Found:
    """Measures of the cross-attention: one row, which looks at the text."""
    norms = (a.captured.cross_norms, b.captured.cross_norms)
    measures, reasons = _divergence(plan, [[[0]], [[0]]], (a.cross, b.cross), norms, _why_no_norms(model))
    reasons |= dict.fromkeys(("coref_a", "coref_b", "mass_a", "mass_b", "bias"), _CROSS_ONLY)
    if reason := _why_unscored(a) or _why_unscored(b):
        return measures, reasons | dict.fromkeys(_NEXT, reason)
    mass_a, mass_b = (candidate_mass(arm.cross[:, :, 0], arm.read.first, arm.read.second) for arm in (a, b))
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
) -> _Found:
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


def _pronoun_scores(model: LoadedModel, pair: Pair, a: _Arm, b: _Arm) -> _Found:
    """Scores of the pronoun's row (mean over its sub-tokens)."""
    decoder = model.family == "decoder"
    reason = next((why for arm in (a, b) if (why := _why_unscored(arm) or _why_unread(arm, decoder))), None)
    if reason:
        return {}, dict.fromkeys(("coref_a", "coref_b", "mass_a", "mass_b", "bias"), reason)
    mass_a, mass_b = a.mass(a.read.pronoun), b.mass(b.read.pronoun)
    measures, reasons = _scores(pair, mass_a, mass_b, "")
    return measures | {"mass_a": mass_a.sum(axis=-1), "mass_b": mass_b.sum(axis=-1)}, reasons


def _next_scores(model: LoadedModel, pair: Pair, a: _Arm, b: _Arm) -> _Found:
    """Scores of the row that predicts: the next word, what fills the mask, or the label."""
    rows = a.read.predicting, b.read.predicting
    if rows[0] is None or rows[1] is None:
        return {}, dict.fromkeys(_NEXT, why_no_row(model))
    reason = _why_unscored(a) or _why_unscored(b) or _why_no_other_row(a)
    if reason:
        return {}, dict.fromkeys(_NEXT, reason)
    return _scores(pair, a.mass((rows[0],)), b.mass((rows[1],)), "_next")


def _scores(pair: Pair, mass_a: Array, mass_b: Array, suffix: str) -> _Found:
    measures = {
        f"coref_a{suffix}": mass_a[..., 0] - mass_a[..., 1],
        f"coref_b{suffix}": mass_b[..., 0] - mass_b[..., 1],
    }
    if pair.kind == "control" or not pair.directed:
        return measures, {f"bias{suffix}": _CONTROL if pair.kind == "control" else _UNDIRECTED}
    return measures | {f"bias{suffix}": signed_bias(mass_a, mass_b)}, {}


def _why_unscored(arm: _Arm) -> str | None:
    """Why neither row of a text can be scored."""
    if not (arm.read.first and arm.read.second):
        return "the pair has no candidates to look at"
    if {*arm.read.first} & {*arm.read.second}:
        return "one token is part of both candidates"
    return None


def _why_no_other_row(arm: _Arm) -> str | None:
    """Why there is no predicting row beside the pronoun's."""
    return "the pronoun's row is the predicting row" if arm.read.predicting in arm.read.pronoun else None


def _why_unread(arm: _Arm, decoder: bool) -> str | None:
    """Why the pronoun's row of a text cannot be scored; a decoder only looks to the left."""
    if not arm.read.pronoun:
        return "the pair has no pronoun to read from"
    if {*arm.read.pronoun} & {*arm.read.first, *arm.read.second}:
        return "one token is part of the pronoun and of a candidate"
    if decoder and max(*arm.read.first, *arm.read.second) >= arm.read.pronoun[0]:
        return "a candidate comes after the pronoun, where a decoder does not look"
    return None
