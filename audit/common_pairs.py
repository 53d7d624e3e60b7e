"""The pairs that two runs share: what is compared, and what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.results import Reason
from audit.results.comparison import ComparedPairs
from audit.units import balanced_units

Array = npt.NDArray[Any]

_KEY = ["suite", "pair_id"]
#: What else a pair asks, beside its texts.
_ASKED = ("kind", "arm_a", "arm_b", "completion_1", "completion_2", "candidate_1", "candidate_2")
_OTHER_TEXTS = "the texts differ between the runs"
_OTHER_QUESTION = "arms, candidates or completions differ between the runs"
_UNMEASURED = "not measured in both runs"


@dataclass(frozen=True, slots=True)
class CommonPairs:
    """Two runs' pairs as one table.

    Args:
        table: rows of ``pairs.parquet``, every pair of either run once; ``status`` is ``measured`` only where the pair
            is the same in both and measured in both, so that units that miss one are incomplete.
        left_out: pairs of both runs that are not compared, by reason.
        counts: by suite × contrast of the pairs under test.
    """

    table: pd.DataFrame
    left_out: tuple[Reason, ...]
    counts: tuple[ComparedPairs, ...]


def common_pairs(before: pd.DataFrame, after: pd.DataFrame, same_suites: Collection[str] = ()) -> CommonPairs:
    """Join the pairs of two runs by suite and id.

    Args:
        before, after: ``pairs.parquet`` of either run.
        same_suites: suites whose files are the same in both. Where such a suite speaks through the models' own chat
            templates, what each template lays around all of its texts does not count as a difference.
    """
    sides = [table.drop_duplicates(_KEY).set_index(_KEY, drop=False) for table in (before, after)]
    both = sides[1].index[sides[1].index.isin(sides[0].index)]
    old, new = (side.loc[both] for side in sides)
    texts = _texts_alike(old, new, same_suites)
    asked = _alike(old, new, [name for name in _ASKED if name in old and name in new])
    measured = np.asarray((old["status"] == "measured") & (new["status"] == "measured"), dtype=bool)
    alone = sides[0][~sides[0].index.isin(both)]
    table = pd.concat([sides[1], alone.reindex(columns=sides[1].columns)])
    status = pd.Series("skipped", index=table.index, dtype="object")
    status.loc[both[texts & asked & measured]] = "measured"
    joined = table.assign(status=status).reset_index(drop=True)
    why = np.select([~texts, ~asked, ~measured], [_OTHER_TEXTS, _OTHER_QUESTION, _UNMEASURED], "")
    return CommonPairs(joined, tuple(_reasons(new, why)), tuple(_counts(joined, before, after)))


def _texts_alike(old: pd.DataFrame, new: pd.DataFrame, same_suites: Collection[str]) -> Array:
    alike = _alike(old, new, ["text_a", "text_b"])
    suites = new["suite"].to_numpy()
    for suite in set(suites[~alike].tolist()) & set(same_suites):
        rows = suites == suite
        alike[rows] |= _within_frames(old[rows]) == _within_frames(new[rows])
    return alike


def _within_frames(pairs: pd.DataFrame) -> Array:
    """Both texts of each pair without what all texts begin and end with: a chat template, above all."""
    texts = [str(text) for side in ("text_a", "text_b") for text in pairs[side]]
    start = _shared_start(texts)
    rest = [text[start:] for text in texts]
    end = _shared_start([text[::-1] for text in rest])
    inner = [text[: len(text) - end] for text in rest]
    sides = zip(inner[: len(pairs)], inner[len(pairs) :], strict=True)
    return np.array([*map("\0".join, sides)], dtype=object)


def _shared_start(texts: list[str]) -> int:
    """Characters that all texts begin with."""
    first, last = min(texts), max(texts)
    return next(
        (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )


def _alike(old: pd.DataFrame, new: pd.DataFrame, columns: list[str]) -> Array:
    """`[rows]` whether all columns are the same; two that are missing are."""
    alike = np.ones(len(new), dtype=bool)
    for name in columns:
        first, second = (side[name].astype(object).where(side[name].notna(), None) for side in (old, new))
        alike &= np.array([a == b for a, b in zip(first, second, strict=True)], dtype=bool)
    return alike


def _reasons(pairs: pd.DataFrame, why: Array) -> Iterator[Reason]:
    for reason in (_OTHER_TEXTS, _OTHER_QUESTION, _UNMEASURED):
        ids = tuple(map(str, pairs["pair_id"][why == reason]))
        if ids:
            yield Reason(reason=reason, count=len(ids), pair_ids=ids)


def _counts(joined: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame) -> Iterator[ComparedPairs]:
    treatment = (joined["kind"] == "treatment").to_numpy(dtype=bool)
    places = joined.loc[treatment, ["suite", "arm_a", "arm_b"]].drop_duplicates()
    for suite, a, b in places.itertuples(index=False):
        units = balanced_units(joined, treatment & _of(joined, suite, a, b))
        old, new = (int((_of(table, suite, a, b) & _tested(table)).sum()) for table in (before, after))
        yield ComparedPairs(suite=suite, contrast=(a, b), common=len(units.pairs), before=old, after=new)


def _tested(table: pd.DataFrame) -> Array:
    """Measured pairs under test."""
    return ((table["kind"] == "treatment") & (table["status"] == "measured")).to_numpy(dtype=bool)


def _of(table: pd.DataFrame, suite: str, a: str, b: str) -> Array:
    chosen = (table["suite"] == suite) & (table["arm_a"] == a) & (table["arm_b"] == b)
    return chosen.to_numpy(dtype=bool)
