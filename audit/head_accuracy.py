"""Tables of a run → how often an attention head looks from the pronoun to the person it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.estimates import Reading, estimates
from audit.head_rows import head_table
from audit.head_table import HeadSection, HeadTable, values_of
from audit.mentions import alone, differing_spans
from audit.results import Estimate, HeadFinding
from audit.shares import as_share
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]
Place = tuple[str, tuple[str, str], str, int, int]

_NO_TIE = "the suite ties no candidate to an arm, so no text is with or against a stereotype"
_NOT_READ = "the pronoun's row was not read"
_NOTE = (
    "texts in which the pronoun's row attends to the gold referent more than to the other candidate; "
    "interval: Wilson on the effective number of pairs; described, not tested"
)
_GAP_NOTE = "texts whose arm is tied to the gold referent, less the others"


@dataclass(frozen=True, slots=True)
class _Gold:
    """Pairs of one contrast whose gold referent is known.

    Args:
        units: their units.
        first_is_gold: `[P]` whether candidate 1, which is tied to arm_a, is the gold referent.
        directed: `[P]` whether the suite ties the candidates to the arms.
        nearest, first: share of texts in which the candidate nearest to the pronoun, or the first of the
            text, is the gold referent.
    """

    pairs: pd.DataFrame
    units: Units
    first_is_gold: npt.NDArray[np.bool_]
    directed: npt.NDArray[np.bool_]
    nearest: float
    first: float


def with_accuracy(
    findings: Sequence[HeadFinding], pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, config: RunConfig
) -> list[HeadFinding]:
    """Add the coreference accuracy of every head, where the gold referent is known.

    A head is right in a text when the pronoun's row attends to the gold referent more than to the
    other candidate; ``accuracy_gap`` is the accuracy with the stereotype less that against it. The
    nearest-mention and the first-mention baselines need no model. All are described, not tested.

    Args:
        findings: the heads.
        pairs: ``pairs.parquet``.
        heads: ``heads.parquet``.
        config: the power of the minimum detectable effect.
    """
    if "gold" not in pairs:
        return list(findings)
    table = head_table(heads)
    known = pairs["gold"].notna() & pairs["candidate_1"].notna() & (pairs["kind"] == "treatment")
    found: dict[Place, dict[str, object]] = {}
    for (suite, a, b), _ in pairs[known].groupby(["suite", "arm_a", "arm_b"], sort=True):
        chosen = known & (pairs["suite"] == suite) & (pairs["arm_a"] == a) & (pairs["arm_b"] == b)
        gold = _gold(pairs, chosen.to_numpy(dtype=bool))
        for section in table.sections:
            if section.suite == suite:
                for layer, head, accuracy in _accuracies(gold, table, section, config):
                    found[str(suite), (str(a), str(b)), section.stream, layer, head] = accuracy
    return [
        finding.model_copy(
            update=found.get(
                (finding.suite, finding.contrast, finding.stream, finding.layer, finding.head), {}
            )
        )
        for finding in findings
    ]


def _gold(pairs: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> _Gold:
    units = balanced_units(pairs, chosen)
    own = pairs.iloc[units.pairs]
    right = [baseline for row in own.itertuples() for baseline in _baselines(row)]
    nearest, first = np.mean(right, axis=0) if right else (float("nan"), float("nan"))
    return _Gold(
        own,
        units,
        (own["gold"] == own["candidate_1"]).to_numpy(dtype=bool),
        own["directed"].to_numpy(dtype=bool),
        float(nearest),
        float(first),
    )


def _baselines(row: object) -> Iterator[tuple[bool, bool]]:
    """For either text whether the nearest and whether the first candidate is the gold referent."""
    texts = [str(getattr(row, f"text_{side}")) for side in "ab"]
    words = [str(getattr(row, f"candidate_{number}")) for number in (1, 2)]
    gold = str(getattr(row, "gold", ""))
    for text, swaps in zip(texts, differing_spans(*texts), strict=True):
        places = {word: alone(text, word, words)[0][0] for word in words}
        away = {word: abs(place - swaps[0][0]) for word, place in places.items()}
        yield min(away, key=away.__getitem__) == gold, min(places, key=places.__getitem__) == gold


def _accuracies(
    gold: _Gold, table: HeadTable, section: HeadSection, config: RunConfig
) -> Iterator[tuple[int, int, dict[str, object]]]:
    sign = np.where(gold.first_is_gold, 1.0, -1.0)[:, None]
    right = []
    for side in "ab":
        lean = values_of(table, section, f"coref_{side}", gold.pairs["pair_id"].tolist()) * sign
        right.append(np.where(np.isnan(lean), np.nan, lean > 0))
    with_tie = np.where(gold.first_is_gold[:, None], right[0] - right[1], right[1] - right[0])
    gap = np.where(gold.directed[:, None], with_tie, np.nan)
    centred = _estimates(gold.units, (right[0] + right[1]) / 2 - 0.5, config, _NOT_READ, _NOTE)
    accuracy = [as_share(found, _NOTE) for found in centred]
    gaps = _estimates(gold.units, gap, config, _NOT_READ if gold.directed.any() else _NO_TIE, _GAP_NOTE)
    for layer, head, mean, difference in zip(section.layer, section.head, accuracy, gaps, strict=True):
        yield (
            int(layer),
            int(head),
            {
                "coreference_accuracy": mean,
                "accuracy_gap": difference,
                "nearest_accuracy": gold.nearest,
                "first_accuracy": gold.first,
            },
        )


def _estimates(units: Units, values: Array, config: RunConfig, missing: str, note: str) -> list[Estimate]:
    fit, counts = units.fit(values)
    return estimates(fit, counts, Reading(config.power, tested=False, missing=missing, note=note))
