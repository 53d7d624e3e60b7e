"""Tables of a run → what every attention head does under every contrast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.estimates import Reading, estimates, number
from audit.flagging import (
    NO_COMPLETIONS,
    NOT_COMPUTED,
    Correction,
    HeadTests,
    correct,
    correct_jointly,
    gravest,
    label_row,
)
from audit.head_fits import LOW_MASS, ROWS, Contrast, HeadBlock, head_blocks
from audit.head_table import HeadTable
from audit.joint_null import joint_null
from audit.protocols import HeadChoice
from audit.results import Estimate, HeadFinding, Label
from audit.statistics import interval

Array = npt.NDArray[np.float64]

_FITTED = (
    *(name + row for name in ("bias", "nie") for row in ROWS),
    *("jsd", "total_variation", "value_weighted", "coref_a", "coref_b", "mass_a", "mass_b"),
)
_NO_BIAS = "no signed bias: the suite ties no candidate to an arm here, or the row was not captured"
_NO_CONTROLS = "the suite has no measured control pairs"


def analyse_heads(
    pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, config: RunConfig
) -> list[HeadFinding]:
    """Estimate, test and label every head of every suite × contrast × stream.

    Units are the order-balanced quadruples; templates and items are both random; p_flag is
    corrected over all heads × rows × contrasts × suites × streams that could flag (see
    :func:`audit.flagging.correct`). Only ``carries`` flags a head.

    Args:
        pairs: ``pairs.parquet``.
        heads: ``heads.parquet``.
        config: q, min_bias, min_nie and power.
    Returns:
        One finding per suite × contrast × stream × layer × head.
    """
    blocks = head_blocks(pairs, heads, _FITTED, config)
    correction = _correction(blocks, config)
    return [
        finding
        for block, *rows in _by_row(blocks, correction)
        for finding in _findings(block, [_read_row(block, *row, config) for row in rows], config)
    ]


def possible_heads(
    pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, config: RunConfig
) -> dict[tuple[str, Contrast], HeadChoice]:
    """Heads that can still be flagged once their causal effect is known.

    These are the rows with a bias of at least `min_bias` and an adjusted p_bias of at most q.

    Args:
        pairs: ``pairs.parquet``.
        heads: ``heads.parquet``, with the signed bias.
        config: q and min_bias; with ``causal.heads: all`` every head is chosen.
    Returns:
        Per suite and contrast the heads of either row (of any stream).
    """
    blocks = head_blocks(pairs, heads, [f"bias{row}" for row in ROWS], config)
    if config.causal.heads == "all":
        return {(block.suite, block.contrast): HeadChoice() for block in blocks}
    chosen: dict[tuple[str, Contrast], HeadChoice] = {}
    for block, *rows in _by_row(blocks, _correction(blocks, config)):
        before = chosen.get((block.suite, block.contrast), HeadChoice(frozenset(), frozenset()))
        pronoun, following = (
            _places(block, (correction.bias[at] <= config.q) & _large(block, row, config))
            for row, at, correction in rows
        )
        chosen[block.suite, block.contrast] = HeadChoice(
            pronoun | (before.pronoun or frozenset()), following | (before.next or frozenset())
        )
    return chosen


def _large(block: HeadBlock, row: str, config: RunConfig) -> npt.NDArray[np.bool_]:
    return np.abs(block.measures[f"bias{row}"].fit.mean) >= config.min_bias


def _correction(blocks: list[HeadBlock], config: RunConfig) -> Correction:
    """Correct over all blocks, each with its pronoun row, then its predicting row."""
    rows = [(block, row) for block in blocks for row in ROWS]
    biases = [block.measures[f"bias{row}"] for block, row in rows]
    effects = [block.measures.get(f"nie{row}") for block, row in rows]
    tests = HeadTests(
        _joined([each.fit.p for each in biases]),
        _joined(
            [
                np.full(len(b.layer), np.nan) if e is None else e.fit.p
                for (b, _), e in zip(rows, effects, strict=True)
            ]
        ),
        np.repeat([block.completions for block, _ in rows], [len(block.layer) for block, _ in rows]),
        _joined([_large(block, row, config).astype(np.float64) for block, row in rows]) > 0,
    )
    if config.correction == "max-t":
        return correct_jointly(tests, config.q, joint_null(rows, tests, config.seed))
    return correct(tests, config.q, dependent=config.correction == "by")


def _joined(parts: list[Array]) -> Array:
    return np.concatenate([np.empty(0), *parts])


_Row = tuple[str, slice, Correction]


def _by_row(blocks: list[HeadBlock], correction: Correction) -> Iterator[tuple[HeadBlock, _Row, _Row]]:
    """Each block with the places of its two rows among the corrected tests."""
    start = 0
    for block in blocks:
        size = len(block.layer)
        first, second = slice(start, start + size), slice(start + size, start + 2 * size)
        yield block, ("", first, correction), ("_next", second, correction)
        start += 2 * size


def _places(block: HeadBlock, chosen: npt.NDArray[np.bool_]) -> frozenset[tuple[int, int]]:
    return frozenset(zip(block.layer[chosen].tolist(), block.head[chosen].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _RowResult:
    """What is known of H heads in one row."""

    bias: list[Estimate]
    nie: list[Estimate]
    p_flag: list[float | None]
    p_adjusted: list[float | None]
    bound: list[float | None]
    labels: list[tuple[Label, str]]


def _read_row(block: HeadBlock, row: str, at: slice, correction: Correction, config: RunConfig) -> _RowResult:
    alpha, level = correction.alpha, correction.level[at]
    bias, nie = block.measures[f"bias{row}"], block.measures[f"nie{row}"]
    biases = estimates(
        bias.fit,
        bias.pairs,
        Reading(config.power, alpha, level, correction.bias[at], missing=_NO_BIAS),
    )
    effects = estimates(
        nie.fit,
        nie.pairs,
        Reading(
            config.power,
            alpha,
            level,
            correction.nie[at],
            missing=[
                _no_effect(block, adjusted <= config.q and large)
                for adjusted, large in zip(
                    correction.bias[at].tolist(), _large(block, row, config), strict=True
                )
            ],
        ),
    )
    adjusted = [number(p) for p in correction.flag[at].tolist()]
    labels = [label_row(b, e, p, config) for b, e, p in zip(biases, effects, adjusted, strict=True)]
    if not block.completions:
        labels = [("unmeasured", NO_COMPLETIONS)] * len(labels)
    low, high = interval(bias.fit, correction.joint_level)
    bound = np.where(
        np.isnan(correction.bias[at]), np.nan, np.minimum(np.maximum(np.abs(low), np.abs(high)), 1)
    )
    return _RowResult(
        biases,
        effects,
        p_flag=[number(p) for p in correction.p_flag[at].tolist()],
        p_adjusted=adjusted,
        bound=[number(limit) for limit in bound.tolist()],
        labels=labels,
    )


def _no_effect(block: HeadBlock, possible: bool) -> str:
    if not block.completions:
        return NO_COMPLETIONS
    return "causal effect not measured" if possible else NOT_COMPUTED


def _findings(block: HeadBlock, rows: list[_RowResult], config: RunConfig) -> Iterator[HeadFinding]:
    pronoun, following = rows
    described = _described(block, config)
    divergence, control = described["jsd"], described["jsd_control"]
    total, weighted, mass_a = (
        block.measures[n].fit.mean for n in ("total_variation", "value_weighted", "mass_a")
    )
    mass = (mass_a + block.measures["mass_b"].fit.mean) / 2
    preferences = [_preference(block, arm) for arm in ("a", "b")]
    for h, (layer, head) in enumerate(zip(block.layer.tolist(), block.head.tolist(), strict=True)):
        labels = pronoun.labels[h][0], following.labels[h][0]
        yield HeadFinding(
            suite=block.suite,
            contrast=block.contrast,
            stream=block.stream,
            layer=layer,
            head=head,
            label=gravest(*labels),
            flagged="carries" in labels,
            reasons=tuple(_reasons(block, pronoun, following, h)),
            label_pronoun=labels[0],
            label_next=labels[1],
            bias=pronoun.bias[h],
            nie=pronoun.nie[h],
            bias_next=following.bias[h],
            nie_next=following.nie[h],
            p_flag=pronoun.p_flag[h],
            p_flag_next=following.p_flag[h],
            p_adjusted=pronoun.p_adjusted[h],
            p_adjusted_next=following.p_adjusted[h],
            bound=pronoun.bound[h],
            bound_next=following.bound[h],
            jsd=divergence[h],
            jsd_control=control[h],
            total_variation=number(float(total[h])),
            value_weighted=number(float(weighted[h])),
            preference_a=number(float(preferences[0][h])),
            preference_b=number(float(preferences[1][h])),
            mass=number(float(mass[h])),
        )


def _described(block: HeadBlock, config: RunConfig) -> dict[str, list[Estimate]]:
    """Divergences: shown beside those of the controls, never tested."""
    own = block.measures["jsd"]
    reading = Reading(config.power, tested=False, missing="divergence not measured")
    found = {"jsd": estimates(own.fit, own.pairs, reading)}
    if block.controls is None:
        return found | {"jsd_control": [Estimate(reason=_NO_CONTROLS)] * len(block.layer)}
    reading = Reading(config.power, tested=False, missing=_NO_CONTROLS, note=block.control_note)
    return found | {"jsd_control": estimates(block.controls.fit, block.controls.pairs, reading)}


def _preference(block: HeadBlock, arm: str) -> Array:
    """Share of candidate 1, `Σ m_1 / Σ (m_1 + m_2) = ½ (1 + Σ (m_1 - m_2) / Σ (m_1 + m_2))`, over pairs."""
    mass, lean = (block.measures[f"{name}_{arm}"].total for name in ("mass", "coref"))
    share = np.divide(lean, mass, out=np.full(mass.shape, np.nan), where=mass != 0)
    return np.asarray((1 + share) / 2)


def _reasons(block: HeadBlock, pronoun: _RowResult, following: _RowResult, h: int) -> Iterator[str]:
    for name, row in (("pronoun row", pronoun), ("next-word row", following)):
        if why := row.labels[h][1]:
            yield f"{name}: {why}"
    if min(block.measures[name].low[h] for name in ("mass_a", "mass_b")) > 0.5:
        yield f"less than {LOW_MASS:g} of its attention goes to the candidates in most pairs"
