"""Measures what each attention head does differently between the two texts of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from audit.align import pool_keys, pool_queries
from audit.config import RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import DetailRecord, HeadRecord
from probes.model import LoadedModel
from probes.reading import read
from probes.rows import RowPlan, plan_rows
from probes.whole_attention import read_whole


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
            alignment = reading.plans[pair.pair_id].alignment
            unaligned = len(alignment.unaligned_a) + len(alignment.unaligned_b)
            for stream, (measures, reasons) in reading.measures[pair.pair_id].items():
                yield HeadRecord(pair.pair_id, stream, measures, reasons, unaligned)

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


def _by_words(plan: RowPlan, whole: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """``[layers, heads, matched words, words]`` of one text."""
    words = (plan.alignment.words_a, plan.alignment.words_b)[side]
    queries = [words[match[side]].tokens for match in plan.alignment.matches]
    weights = np.asarray(whole, dtype=np.float64)
    return pool_keys(pool_queries(weights, queries), words).astype(np.float32)
