"""Measured pairs → what each check of a config can find, and what it would take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import Check, RunConfig
from audit.contrasts import both_arms
from audit.effects import total_effect
from audit.head_rows import head_table
from audit.head_table import HeadTable, values_of
from audit.pairs import Pair
from audit.power import GROWTHS, Components, Design, Growth, smallest_design, variance_components
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]

_ALPHA = 0.05
_NOT_TESTED = "a size is described, not tested against 0: it has no power"


@dataclass(frozen=True, slots=True)
class Reach:
    """What a design finds, and what it would take to find the threshold.

    Args:
        now: the suite's own design.
        detectable: smallest effect that it finds, in the measure's unit.
        designs: for each way to grow, the smallest design that finds the threshold; None: none does.
        pairs_per_unit: pairs of one template and item (two if both orders are measured).
    """

    now: Design
    detectable: float
    designs: Mapping[Growth, Design | None]
    pairs_per_unit: int


@dataclass(frozen=True, slots=True)
class Need:
    """What one threshold asks of a suite.

    Args:
        check: id of the check; suite, contrast: where it applies; measure: what is tested.
        threshold: effect that must be found, in the measure's unit.
        alpha: level of the test.
        reach: what can be found; None with a reason.
        reason: why nothing can be said.
    """

    check: str
    suite: str
    contrast: tuple[str, str]
    measure: str
    threshold: float
    alpha: float
    reach: Reach | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """The treatment pairs of one suite and contrast."""

    suite: str
    contrast: tuple[str, str]
    units: Units
    pair_ids: pd.Series
    planned: Design


def power_needs(
    planned: Sequence[Pair],
    tables: Mapping[str, pd.DataFrame],
    heads: HeadTable | pd.DataFrame,
    config: RunConfig,
) -> list[Need]:
    """Plan from the variance components of measured pairs.

    A check of a size is tested at .05; a check of heads at `q / m`, m the heads × rows × contrasts
    tested together, and must find ``largest_hidden_bias`` in the head and row that varies most.

    Args:
        planned: all pairs of the suites.
        tables: ``pairs`` and ``outputs`` of a run or of a pilot.
        heads: its ``heads.parquet``.
        config: the checks, q, power and largest_hidden_bias.
    Returns:
        One need per check with ``at_most`` × suite × contrast of treatments.
    """
    places = list(_places(planned, tables["pairs"]))
    table = head_table(heads)
    biases = [(place, row, _biases(place, table, row)) for place in places for row in ("", "_next")]
    tests = sum(int((~np.isnan(values).all(axis=0)).sum()) for *_, values in biases)
    return [
        need
        for check, limit in ((each, each.at_most) for each in config.checks)
        if limit is not None
        for place in places
        if check.suite in (None, place.suite) and check.contrast in (None, place.contrast)
        for need in (
            _heads_needs(check, place, [(row, v) for own, row, v in biases if own is place], tests, config)
            if check.measure == "flagged_heads"
            else [_size_need(check, limit, place, tables, config)]
        )
    ]


def _places(planned: Sequence[Pair], pairs: pd.DataFrame) -> Iterator[_Place]:
    treatments = [pair for pair in planned if pair.kind == "treatment"]
    measured = (pairs["kind"] == "treatment") & pairs["pair_id"].isin({pair.pair_id for pair in treatments})
    for suite, a, b in sorted({(pair.suite, *pair.contrast) for pair in treatments}):
        own = [pair for pair in treatments if (pair.suite, *pair.contrast) == (suite, a, b)]
        # Pairs written out by hand beside the templates have no completions: they are no part of the design.
        cells = {(p.cluster, p.item) for p in own if p.completions} or {(p.cluster, p.item) for p in own}
        clusters, items = ({cell[side] for cell in cells} for side in (0, 1))
        here = measured & (pairs["suite"] == suite) & (pairs["arm_a"] == a) & (pairs["arm_b"] == b)
        units = balanced_units(pairs, np.asarray(here, dtype=bool))
        design = Design(len(clusters), len(items), max(round(len(cells) / len(clusters)), 1))
        yield _Place(suite, (a, b), units, pairs["pair_id"].iloc[units.pairs], design)


def _biases(place: _Place, heads: HeadTable, row: str) -> Array:
    """`[P, H]` signed bias of every head, for the pairs of the place's units."""
    names = place.pair_ids.tolist()
    own = [section for section in heads.sections if section.suite == place.suite]
    found = [values_of(heads, section, f"bias{row}", names) for section in own]
    return np.concatenate([np.empty((len(names), 0)), *found], axis=1)


def _heads_needs(
    check: Check, place: _Place, biases: Sequence[tuple[str, Array]], tests: int, config: RunConfig
) -> Iterator[Need]:
    threshold, alpha = config.largest_hidden_bias, config.q / max(tests, 1)
    known: list[Components] = []
    for _, values in biases:
        means = place.units.means(values)
        columns = means[:, ~np.isnan(means).all(axis=0)]
        rows = ~np.isnan(columns).any(axis=1)
        known += _components(place, columns[rows], np.flatnonzero(rows))
    name = "signed bias of the head that varies most"
    if not known:
        reason = "no head has a signed bias that could be tested"
        yield Need(check.id, place.suite, place.contrast, name, threshold, alpha, reason=reason)
        return
    known.sort(key=lambda each: each.detectable(place.planned, alpha, config.power))
    for label, each in ((name, known[-1]), ("signed bias of the median head", known[len(known) // 2])):
        yield _need(check, place, label, threshold, alpha, each, config)


def _size_need(
    check: Check, at_most: float, place: _Place, tables: Mapping[str, pd.DataFrame], config: RunConfig
) -> Need:
    pairs = tables["pairs"].iloc[place.units.pairs]
    threshold = at_most
    match check.measure:
        case "total_effect":
            values = total_effect(*both_arms(pairs, tables["outputs"], "completion_log_odds"))
        case "pct_stereotype":
            effect = total_effect(*both_arms(pairs, tables["outputs"], "completion_log_odds"))
            likelihood = np.subtract(*both_arms(pairs, tables["outputs"], "log_likelihood"))
            towards = likelihood if np.isnan(effect).all() else effect
            values = np.where(np.isnan(towards), np.nan, (towards > 0) - 0.5)
            threshold = abs(at_most - 0.5)
        case _:
            return Need(
                check.id, place.suite, place.contrast, check.measure, threshold, _ALPHA, reason=_NOT_TESTED
            )
    means = place.units.means(values[:, None])
    rows = ~np.isnan(means[:, 0])
    known = _components(place, means[rows], np.flatnonzero(rows))
    if not known:
        reason = "nothing was measured that the check could look at, or with one template or item only"
        return Need(check.id, place.suite, place.contrast, check.measure, threshold, _ALPHA, reason=reason)
    return _need(check, place, check.measure, threshold, _ALPHA, known[0], config)


def _components(place: _Place, means: Array, rows: npt.NDArray[np.intp]) -> list[Components]:
    templates, items = ([labels[row] for row in rows] for labels in (place.units.clusters, place.units.items))
    if min(len(set(templates)), len(set(items))) < 2 or not means.size:
        return []
    return variance_components(means, templates, items)


def _need(
    check: Check,
    place: _Place,
    measure: str,
    threshold: float,
    alpha: float,
    components: Components,
    config: RunConfig,
) -> Need:
    designs = {
        growth: smallest_design(components, place.planned, threshold, alpha, config.power, growth)
        for growth in GROWTHS
    }
    reach = Reach(
        place.planned,
        components.detectable(place.planned, alpha, config.power),
        designs,
        max(round(len(place.units.pairs) / max(len(place.units.clusters), 1)), 1),
    )
    return Need(check.id, place.suite, place.contrast, measure, threshold, alpha, reach)
