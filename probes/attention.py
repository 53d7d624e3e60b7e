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
from probes.rows import ReadText, RowPlan, Tokens, plan_rows

_NO_PROJECTION = "the output projection of the attention modules was not found"
_CONTROL = "control pair: the candidates have no direction"
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
    2020) are means over the swapped words, the words after them and the last token. ``coref_x`` is
    ``m_1 − m_2`` in that arm's text, ``bias = ½ (coref_a − coref_b)``.
    """

    name = "attention"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Every pair has attention."""
        return True

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[HeadRecord]:
        """Measure a batch of pairs.

        Raises:
            ModelError: the model is no decoder.
            MeasurementError: the model's logits are NaN; names the pair.
        """
        reading = read(model, pairs, rows=True, completions="likelihood" in config.probes)
        for pair in pairs:
            plan = reading.plans[pair.pair_id]
            a = _Arm(plan.a, reading.texts[pair.a.text])
            b = _Arm(plan.b, reading.texts[pair.b.text])
            measures, reasons = _divergence(plan, a, b)
            for found, why in (_pronoun_scores(pair, a, b), _next_scores(pair, a, b)):
                measures |= found
                reasons |= why
            unaligned = len(plan.alignment.unaligned_a) + len(plan.alignment.unaligned_b)
            yield HeadRecord(pair.pair_id, "self", measures, reasons, unaligned)

    def detail(self, model: LoadedModel, pair: Pair) -> DetailRecord:
        """Attention of a whole pair, pooled to words, for the report.

        Args:
            model: a decoder.
            pair: a pair that fits into the context window.
        """
        plan = plan_rows(model, pair)
        texts = read_whole(model, {pair.a.text, pair.b.text})
        matches = plan.alignment.matches
        return DetailRecord(
            pair_id=pair.pair_id,
            stream="self",
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


def _divergence(plan: RowPlan, a: _Arm, b: _Arm) -> tuple[dict[str, Array], dict[str, str]]:
    p, q = _matched(plan, a, a.weights, b, b.weights)
    measures = {
        "jsd": jensen_shannon(p, q).mean(axis=-1),
        "total_variation": total_variation(p, q).mean(axis=-1),
    }
    if a.captured.norms is None or b.captured.norms is None:
        return measures, {"value_weighted": _NO_PROJECTION}
    weighted = [value_weighted(arm.weights, np.asarray(arm.captured.norms)[:, :, None]) for arm in (a, b)]
    p, q = _matched(plan, a, weighted[0], b, weighted[1])
    return measures | {"value_weighted": jensen_shannon(p, q).mean(axis=-1)}, {}


def _matched(plan: RowPlan, a: _Arm, rows_a: Array, b: _Arm, rows_b: Array) -> tuple[Array, Array]:
    """Rows of all compared queries over matched words, ``[layers, heads, queries, matches + 1]``."""
    pooled = [
        pool_keys(pool_queries(rows, [arm.places(query[side]) for query in plan.queries]), words)
        for side, (arm, rows, words) in enumerate(
            ((a, rows_a, plan.alignment.words_a), (b, rows_b, plan.alignment.words_b))
        )
    ]
    return match_rows(pooled[0], pooled[1], plan.alignment)


def _pronoun_scores(pair: Pair, a: _Arm, b: _Arm) -> tuple[dict[str, Array], dict[str, str]]:
    """Scores of the pronoun's row (mean over its sub-tokens)."""
    reason = _why_unscored(a) or _why_unread(a) or _why_unscored(b) or _why_unread(b)
    if reason:
        return {}, dict.fromkeys(("coref_a", "coref_b", "mass_a", "mass_b", "bias"), reason)
    mass_a, mass_b = a.mass(a.read.pronoun), b.mass(b.read.pronoun)
    measures, reasons = _scores(pair, mass_a, mass_b, "")
    return measures | {"mass_a": mass_a.sum(axis=-1), "mass_b": mass_b.sum(axis=-1)}, reasons


def _next_scores(pair: Pair, a: _Arm, b: _Arm) -> tuple[dict[str, Array], dict[str, str]]:
    """Scores of the row that predicts the next word."""
    reason = _why_unscored(a) or _why_unscored(b) or _why_no_other_row(a)
    if reason:
        return {}, dict.fromkeys(("coref_a_next", "coref_b_next", "bias_next"), reason)
    return _scores(pair, a.mass((a.read.last,)), b.mass((b.read.last,)), "_next")


def _scores(pair: Pair, mass_a: Array, mass_b: Array, suffix: str) -> tuple[dict[str, Array], dict[str, str]]:
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
    return None


def _why_no_other_row(arm: _Arm) -> str | None:
    """Why there is no predicting row beside the pronoun's."""
    return "the pronoun's row is the predicting row" if arm.read.last in arm.read.pronoun else None


def _why_unread(arm: _Arm) -> str | None:
    """Why the pronoun's row of a text cannot be scored; a decoder only looks to the left."""
    if not arm.read.pronoun:
        return "the pair has no pronoun to read from"
    if max(*arm.read.first, *arm.read.second) >= arm.read.pronoun[0]:
        return "a candidate comes after the pronoun, where a decoder does not look"
    return None
