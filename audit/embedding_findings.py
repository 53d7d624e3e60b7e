"""Records of embeddings → their table → effect sizes and correlations."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from audit.association import weat
from audit.config import RunConfig
from audit.multiplicity import benjamini_hochberg
from audit.rank_correlation import FEWEST_WORDS, RESAMPLES, spearman
from audit.records import EmbeddingRecord
from audit.results import Estimate, Finding

_KEY = ("suite", "kind", "id", "layer")
_TEXT = ("suite", "axis", "kind", "id", "layer", "contrast_a", "contrast_b", "attribute_a", "attribute_b")
_TYPES = {
    **dict.fromkeys((*_TEXT, "word", "set"), "string"),
    "value": "float64",
    "against": "string",
    "known": "float64",
}
_ALIKE = "all words are associated alike"
_TOO_FEW = f"fewer than {FEWEST_WORDS} words, or all of them alike on one side"


def embedding_table(records: Iterable[EmbeddingRecord]) -> pd.DataFrame:
    """``embeddings.parquet``: one row per association or projection × layer × word.

    ``value`` is `s(w,A,B)` of a target word (association), or the projection of a word; ``set`` the target
    set or list that it is of; ``known`` the number ``against`` of the word that projections are compared with.
    """
    frames = [
        pd.DataFrame(
            {
                "suite": record.suite,
                "axis": record.axis,
                "kind": record.kind,
                "id": record.subject,
                "layer": record.layer,
                "contrast_a": record.contrast[0],
                "contrast_b": record.contrast[1],
                "attribute_a": record.attributes[0] if record.attributes else None,
                "attribute_b": record.attributes[1] if record.attributes else None,
                "word": record.words,
                "set": record.sets,
                "value": record.values,
                "against": record.against,
                "known": np.nan if record.known is None else record.known,
            }
        ).astype(_TYPES)
        for record in records
    ]
    return pd.concat(frames, ignore_index=True)


def embedding_findings(table: pd.DataFrame, config: RunConfig) -> list[Finding]:
    """Estimate every association and projection at every layer.

    ``weat_effect_size``: d with its permutation p. ``projection_correlation``: Spearman's rho of the
    projection with what is known of the words, with an interval over words. p is adjusted
    (Benjamini–Hochberg) over all of them.

    Args:
        table: ``embeddings.parquet``.
        config: the seed.
    Returns:
        Findings in the order of the table; their contrast are the target sets, or the direction's first pair.
    """
    found = []
    for _, rows in table.groupby(list(_KEY), sort=False):
        top = rows.iloc[0]
        is_weat = top["kind"] == "association"
        estimate = _weat(rows, config.seed) if is_weat else _projection(rows, config.seed)
        found.append(
            Finding(
                **estimate.model_dump(),
                suite=top["suite"],
                axis=top["axis"],
                contrast=(top["contrast_a"], top["contrast_b"]),
                measure="weat_effect_size" if is_weat else "projection_correlation",
                subject=top["id"],
                layer=top["layer"],
                attributes=(top["attribute_a"], top["attribute_b"]) if is_weat else None,
            )
        )
    p = np.array([math.nan if finding.p is None else finding.p for finding in found])
    adjusted = [None if math.isnan(value) else value for value in benjamini_hochberg(p).tolist()]
    return [
        finding.model_copy(update={"p_adjusted": value})
        for finding, value in zip(found, adjusted, strict=True)
    ]


def _weat(rows: pd.DataFrame, seed: int) -> Estimate:
    of_x = (rows["set"] == rows["contrast_a"]).to_numpy(dtype=bool)
    values = rows["value"].to_numpy(dtype=np.float64)
    test = weat(values[of_x], values[~of_x], seed)
    if math.isnan(test.effect_size):
        return Estimate(n=len(rows), reason=_ALIKE)
    how = "all" if test.exact else "random"
    return Estimate(
        estimate=test.effect_size,
        n=len(rows),
        p=test.p,
        seed=None if test.exact else seed,
        method=(
            f"WEAT d over {len(rows)} target words; two-sided permutation test, {how} {test.partitions:,} partitions; "
            f"one-sided as published p = {test.p_one_sided:.2g}"
        ),
        reason="a permutation test gives no interval",
    )


def _projection(rows: pd.DataFrame, seed: int) -> Estimate:
    values, known = (rows[name].to_numpy(dtype=np.float64) for name in ("value", "known"))
    found = spearman(values, known, seed)
    if math.isnan(found.rho):
        return Estimate(n=len(rows), reason=_TOO_FEW)
    against = str(rows.iloc[0]["against"])
    return Estimate(
        estimate=found.rho,
        n=len(rows),
        ci_low=found.low,
        ci_high=found.high,
        p=found.p,
        seed=seed,
        method=(
            f"Spearman's rho with {against} over {len(rows)} words; the words are random, the direction is fixed: "
            f"percentile bootstrap and random pairings, {RESAMPLES:,} each"
        ),
    )
