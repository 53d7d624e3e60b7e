"""What every attention head does under every contrast, in two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.changes import Changes, changes, named_change
from audit.config import RunConfig
from audit.estimates import number
from audit.head_fits import ROWS
from audit.head_table import HeadSection, HeadTable, values_of
from audit.multiplicity import benjamini_hochberg
from audit.pairs import ALL_AXES
from audit.results import HeadFinding, Label
from audit.results.comparison import HeadChange
from audit.sign_flips import Flips
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]
Contrast = tuple[str, str]

_MEASURES = tuple(name + row for name in ("bias", "nie") for row in ROWS)
_MISSING = "not measured in both runs"
#: Where a head stands: suite, contrast, stream, layer and number.
_Place = tuple[str, Contrast, str, int, int]


@dataclass(frozen=True, slots=True)
class _Block:
    """One measure of H heads of one suite × contrast × stream in both runs."""

    section: HeadSection
    axis: str
    contrast: Contrast
    measure: str
    found: Changes


def head_changes(
    pairs: pd.DataFrame,
    tables: tuple[HeadTable, HeadTable],
    findings: tuple[Sequence[HeadFinding], Sequence[HeadFinding]],
    config: RunConfig,
) -> list[HeadChange]:
    """Compare signed bias and causal effect of every head that both runs have.

    Benjamini–Hochberg over all heads × rows × measures × contrasts. A change smaller than the smallest bias, or effect,
    that counts (``min_bias``, ``min_nie``) takes part with p = 1, as does one that was measured in one run only.

    Args:
        pairs: of both runs, where ``measured`` means in both (:mod:`audit.common_pairs`).
        tables: ``heads.parquet`` of either run; one measure at a time is in memory.
        findings: the heads of either audit, for their labels.
        config: q, min_bias, min_nie, power and seed.
    Returns:
        One change per suite × contrast × stream × measure × head.
    """
    blocks = _blocks(pairs, tables, config)
    counted = [_counted(block, config) for block in blocks]
    adjusted, shifted = (benjamini_hochberg(_joined([each[at] for each in counted])) for at in (0, 1))
    selected = adjusted <= config.q
    m = max(len(adjusted), 1)
    level = np.where(selected, 1 - selected.sum() * config.q / m, 0.95)
    labels = _labels(findings[0]), _labels(findings[1])
    found: list[HeadChange] = []
    start = 0
    for block in blocks:
        at = slice(start, start + len(block.section.layer))
        start = at.stop
        corrected = _Corrected(adjusted[at], shifted[at], level[at], 1 - 0.05 / m)
        found += _named(block, corrected, labels, config)
    return found


@dataclass(frozen=True, slots=True)
class _Corrected:
    """What the correction says of H heads: of the size, of the signed difference, and levels of intervals."""

    size: Array
    difference: Array
    level: Array
    joint_level: float


def _counted(block: _Block, config: RunConfig) -> tuple[Array, Array]:
    """`[H]` p of the magnitude and of the difference that take part: 1 where it is too small to count, or unknown."""
    least = config.min_bias if block.measure.startswith("bias") else config.min_nie
    found = block.found
    sides = ((found.p, found.size), (found.difference.p, found.difference.mean))
    magnitude, difference = (np.where(np.isnan(p) | (np.abs(size) < least), 1.0, p) for p, size in sides)
    return magnitude, difference


def _joined(parts: list[Array]) -> Array:
    return np.concatenate([np.empty(0), *parts])


def _blocks(pairs: pd.DataFrame, tables: tuple[HeadTable, HeadTable], config: RunConfig) -> list[_Block]:
    old, new = ({(one.suite, one.stream): one for one in table.sections} for table in tables)
    common = [(old[name], new[name]) for name in new if name in old]
    flips = _flips(pairs, [section for _, section in common], config)
    blocks: list[_Block] = []
    for sections in common:
        own = pairs[(pairs["suite"] == sections[1].suite).to_numpy(dtype=bool)]
        units = _units(own)
        for measure in _MEASURES:
            values = _values(own, tables, sections, measure)
            for (axis, contrast), unit in units.items():
                compared = (side[unit.pairs] for side in values)
                found = changes(unit, *compared, signed=True, flips=flips)
                if found.pairs.any():
                    blocks.append(_Block(_shared(*sections), axis, contrast, measure, found))
    return blocks


def _units(pairs: pd.DataFrame) -> dict[tuple[str, Contrast], Units]:
    """Complete units of the pairs under test, by axis and contrast."""
    treatment = pairs["kind"] == "treatment"
    found = {}
    for (a, b), rows in pairs[treatment].groupby(["arm_a", "arm_b"], sort=True):
        swap = treatment & (pairs["arm_a"] == a) & (pairs["arm_b"] == b)
        units = balanced_units(pairs, swap.to_numpy(dtype=bool))
        axes = rows["axis"].unique()
        if len(units.pairs):
            found[str(axes[0]) if len(axes) == 1 else ALL_AXES, (str(a), str(b))] = units
    return found


def _flips(pairs: pd.DataFrame, sections: Sequence[HeadSection], config: RunConfig) -> Flips:
    contrasts = len(pairs[["suite", "arm_a", "arm_b"]].drop_duplicates())
    heads = sum(len(section.layer) for section in sections)
    return Flips.enough(config.seed, len(_MEASURES) * heads * contrasts, config.q)


def _shared(old: HeadSection, new: HeadSection) -> HeadSection:
    """The heads of both runs."""
    kept = np.isin(_places(new), _places(old))
    return HeadSection(new.suite, new.stream, new.pair_ids, new.layer[kept], new.head[kept])


def _places(section: HeadSection) -> npt.NDArray[np.int64]:
    return section.layer.astype(np.int64) << 32 | section.head.astype(np.int64)


def _values(
    pairs: pd.DataFrame,
    tables: tuple[HeadTable, HeadTable],
    sections: tuple[HeadSection, HeadSection],
    measure: str,
) -> tuple[Array, Array]:
    """`[P, H]` of either run, for the heads of both."""
    shared = _places(_shared(*sections))
    ids = pairs["pair_id"].tolist()
    before, after = (
        values_of(table, section, measure, ids)[:, np.isin(_places(section), shared)]
        for table, section in zip(tables, sections, strict=True)
    )
    return before, after


def _labels(findings: Sequence[HeadFinding]) -> Mapping[_Place, tuple[Label, Label]]:
    """What an audit calls each head, in the pronoun's row and in the predicting one."""
    return {
        (head.suite, head.contrast, head.stream, head.layer, head.head): (head.label_pronoun, head.label_next)
        for head in findings
    }


def _named(
    block: _Block,
    corrected: _Corrected,
    labels: tuple[Mapping[_Place, tuple[Label, Label]], Mapping[_Place, tuple[Label, Label]]],
    config: RunConfig,
) -> list[HeadChange]:
    section, found = block.section, block.found
    sizes = found.sizes(_MISSING, corrected.level, corrected.size)
    differences = found.differences(config.power, _MISSING, corrected.difference)
    _, bound = found.bounds(corrected.joint_level)
    row = int(block.measure.endswith("_next"))
    named = []
    for h, (layer, head) in enumerate(zip(section.layer.tolist(), section.head.tolist(), strict=True)):
        place = (section.suite, block.contrast, section.stream, layer, head)
        old, new = (side.get(place, ("unmeasured", "unmeasured"))[row] for side in labels)
        size, difference = sizes[h], differences[h]
        known = None if size.p is None else size.p_adjusted
        named.append(
            HeadChange(
                suite=section.suite,
                axis=block.axis,
                contrast=block.contrast,
                stream=section.stream,
                layer=layer,
                head=head,
                measure=block.measure,
                change=named_change(size.estimate, known, difference.p_adjusted, config.q),
                label_before=old,
                label_after=new,
                before=number(float(found.before.mean[h])),
                after=number(float(found.after.mean[h])),
                difference=difference,
                size=size,
                bound=number(float(bound[h])),
            )
        )
    return named
