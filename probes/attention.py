"""Measures what each attention head does differently between the two texts of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from audit.align import pool_keys, pool_queries
from audit.config import RunConfig
from audit.kept_attention import LONGEST, HeadPlace
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import DetailRecord, HeadRecord
from probes.kept_streams import keep_streams
from probes.model import LoadedModel
from probes.reading import read
from probes.rows import RowPlan, plan_rows
from probes.translation import translate, why_too_long
from probes.whole_attention import read_whole

#: Tokens that an encoder–decoder writes to a text whose attention is kept.
_WRITTEN = 24


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

    def detail(self, model: LoadedModel, pair: Pair, heads: Sequence[HeadPlace] = ()) -> DetailRecord:
        """Attention of a whole pair for the report: rows pooled to words, and every stream token by token.

        Args:
            model: of any family.
            pair: a pair that fits into the context window.
            heads: whose queries and keys are kept, most telling first.
        """
        plan = plan_rows(model, pair)
        sides = pair.a.text, pair.b.text
        decoded = _decoded(model, sides)
        a, b = (read_whole(model, text, said, heads) for text, said in zip(sides, decoded, strict=True))
        matches = plan.alignment.matches
        why_not = _why_not_whole(plan)
        return DetailRecord(
            pair_id=pair.pair_id,
            stream=model.stream,
            words_a=tuple(word.text for word in plan.alignment.words_a),
            words_b=tuple(word.text for word in plan.alignment.words_b),
            queries=matches,
            weights_a=_by_words(plan, a.weights[model.stream], 0),
            weights_b=_by_words(plan, b.weights[model.stream], 1),
            matches=matches,
            streams=() if why_not else keep_streams(model, plan, decoded, (a, b), heads),
            why_no_whole=why_not,
        )


def _decoded(model: LoadedModel, texts: tuple[str, str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What an encoder–decoder writes to each text, greedily; of others nothing."""
    start = model.target_start if model.family == "encoder-decoder" else ()
    if not model.decodes or why_too_long(model, _WRITTEN):
        return start, start
    said = translate(model, list(dict.fromkeys(texts)), _WRITTEN)
    return (*start, *said[texts[0]]), (*start, *said[texts[1]])


def _why_not_whole(plan: RowPlan) -> str | None:
    longest = max(len(read.encoding.ids) for read in (plan.a, plan.b))
    if longest <= LONGEST:
        return None
    return f"a text of {longest} tokens: whole matrices are kept of texts of at most {LONGEST}"


def _by_words(plan: RowPlan, whole: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """``[layers, heads, matched words, words]`` of one text."""
    words = (plan.alignment.words_a, plan.alignment.words_b)[side]
    queries = [words[match[side]].tokens for match in plan.alignment.matches]
    weights = np.asarray(whole, dtype=np.float64)
    return pool_keys(pool_queries(weights, queries), words).astype(np.float32)
