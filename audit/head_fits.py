"""``heads.parquet`` → one fit per measure for all heads of a contrast at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.head_rows import head_table
from audit.head_table import HeadSection, HeadTable, values_of
from audit.sign_flips import Flips
from audit.statistics import Fit
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Contrast = tuple[str, str]

#: The two rows that are read: the pronoun's, and the one that predicts the next word.
ROWS = ("", "_next")
#: Measures of which a mean of 0 is a hypothesis.
_TESTED = ("bias", "nie")
#: Attention on both candidates together below which a head says nothing about them.
LOW_MASS = 0.01


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of H heads.

    Args:
        fit: over H heads.
        pairs: `[H]` pairs behind each mean.
        total: `[H]` sum over the pairs of the units; NaN where no pair is defined.
        low: `[H]` share of the pairs with a value below ``LOW_MASS``.
        levels: `[R]` factor and name of every level of the two factors.
        sums: `[R, H]` residuals of the units, summed over each level.
    """

    fit: Fit
    pairs: npt.NDArray[np.int64]
    total: Array
    low: Array
    levels: tuple[tuple[str, str], ...]
    sums: Array


@dataclass(frozen=True, slots=True)
class HeadBlock:
    """All heads of one suite × contrast × stream.

    Args:
        layer, head: `[H]`.
        completions: whether the pairs have completions; without them no head can be flagged.
        measures: name → its fit over the treatment pairs.
        controls: divergence over the control pairs; None without any.
        control_note: which control pairs these are.
    """

    suite: str
    contrast: Contrast
    stream: str
    layer: Indices
    head: Indices
    completions: bool
    measures: Mapping[str, Measured]
    controls: Measured | None
    control_note: str


def head_blocks(
    pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, measures: Sequence[str], config: RunConfig
) -> list[HeadBlock]:
    """Fit measures of every head, both random factors, for every suite × contrast × stream.

    Args:
        pairs: ``pairs.parquet``.
        heads: ``heads.parquet``.
        measures: columns of ``heads``; a missing column is undefined throughout.
        config: seed and q, for the flips of units of which nothing recurs.
    Returns:
        Blocks in the order of suites and contrasts in ``pairs``, heads sorted by layer and number.
    """
    table = head_table(heads)
    blocks: list[HeadBlock] = []
    flips = _flips(pairs, table, config)
    known = set(pairs["suite"])
    for section in table.sections:
        if section.suite in known:
            own = pairs[(pairs["suite"] == section.suite).to_numpy(dtype=bool)]
            if set(section.pair_ids) & set(own["pair_id"]):
                blocks += _blocks(own, _Source(table, section, own), measures, flips)
    return blocks


def _flips(pairs: pd.DataFrame, heads: HeadTable, config: RunConfig) -> Flips:
    """Enough flips for as many tests as there can be: heads × rows × contrasts × suites × streams."""
    contrasts = len(pairs[["suite", "arm_a", "arm_b"]].drop_duplicates())
    layers, numbers = (
        max((int(getattr(section, name).max()) + 1 for section in heads.sections), default=0)
        for name in ("layer", "head")
    )
    streams = {section.stream for section in heads.sections}
    return Flips.enough(config.seed, len(ROWS) * layers * numbers * contrasts * len(streams), config.q)


def is_same_swap(pairs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Control pairs that swap the arms of a treatment (or belong to a block called ``same-group``).

    Args:
        pairs: ``pairs.parquet``.
    Returns:
        `[rows]`; the other controls are neutral swaps.
    """
    treatment = pairs["kind"] == "treatment"
    arms = pd.Series(
        list(zip(pairs["suite"], pairs["arm_a"], pairs["arm_b"], strict=True)), index=pairs.index
    )
    same = arms.isin(set(arms[treatment])) | (pairs["control"].astype(object) == "same-group")
    return np.asarray(same & ~treatment, dtype=bool)


@dataclass(frozen=True, slots=True)
class _Source:
    """Measures of one section as `[pairs, heads]`.

    Args:
        table, section: where they are.
        pairs: P rows of ``pairs.parquet``.
    """

    table: HeadTable
    section: HeadSection
    pairs: pd.DataFrame

    def values(self, measure: str) -> Array:
        return values_of(self.table, self.section, measure, self.pairs["pair_id"].tolist())


def _blocks(
    pairs: pd.DataFrame, source: _Source, measures: Sequence[str], flips: Flips
) -> Iterator[HeadBlock]:
    treatment, same = (pairs["kind"] == "treatment").to_numpy(dtype=bool), is_same_swap(pairs)
    arms = list(zip(pairs["arm_a"], pairs["arm_b"], strict=True))
    contrasts = sorted({arm for arm, real in zip(arms, treatment, strict=True) if real})
    swaps = {contrast: np.array([arm == contrast for arm in arms], dtype=bool) for contrast in contrasts}
    units = {contrast: balanced_units(pairs, treatment & swaps[contrast]) for contrast in contrasts}
    controls = {
        contrast: balanced_units(pairs, ~treatment & (~same | swaps[contrast])) for contrast in contrasts
    }
    fits: dict[Contrast, dict[str, Measured]] = {contrast: {} for contrast in contrasts}
    null: dict[Contrast, Measured] = {}
    for measure in measures:
        values = source.values(measure)
        for contrast in contrasts:
            tested = flips if measure.startswith(_TESTED) else None
            fits[contrast][measure] = _measured(units[contrast], values, tested)
            if measure == "jsd" and len(controls[contrast].pairs):
                null[contrast] = _measured(controls[contrast], values)
    completions = pairs["completion_1"].notna().to_numpy(dtype=bool)
    for contrast in contrasts:
        yield HeadBlock(
            suite=source.section.suite,
            contrast=contrast,
            stream=source.section.stream,
            layer=source.section.layer,
            head=source.section.head,
            completions=bool((completions & treatment & swaps[contrast]).any()),
            measures=fits[contrast],
            controls=null.get(contrast),
            control_note=_note(pairs.iloc[controls[contrast].pairs], contrast),
        )


def _measured(units: Units, values: Array, flips: Flips | None = None) -> Measured:
    own = values[units.pairs]
    fit, pairs = units.fit(own, flips)
    known = ~np.isnan(own)
    count = known.sum(axis=0)
    total = np.where(count > 0, np.where(known, own, 0.0).sum(axis=0), np.nan)
    low = (own < LOW_MASS).sum(axis=0) / np.maximum(count, 1)
    return Measured(fit, pairs, total, low, *units.level_sums(own))


def _note(controls: pd.DataFrame, contrast: Contrast) -> str:
    """Name the control blocks that a divergence is compared with."""
    swaps = zip(controls["control"], controls["arm_a"], controls["arm_b"], strict=True)
    named = sorted({(str(name), (a, b) == contrast) for name, a, b in swaps})
    return "control pairs: " + ", ".join(
        f"{name} ({'same' if same else 'neutral'} swap)" for name, same in named
    )
