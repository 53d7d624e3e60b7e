"""Tables of a run → what the model says differently under every contrast."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.effects import ratio_effect, total_effect, vig_filter
from audit.estimates import Reading, estimates
from audit.pairs import ALL_AXES
from audit.results import Estimate, Finding
from audit.shares import as_share
from audit.statistics import Flips
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]

#: Effects of all heads of a layer, or of the model, exchanged together; told at arm_a.
_SCOPES = re.compile(r"(nie|nde)_(layer:\d+|model)")
_KEY = ["suite", "pair_id", "arm"]
_SHARE_NOTE = "interval: Wilson on the effective number of pairs; p: the units' shares against ½"
_CHANGE_NOTE = "interval: Wilson on the effective number of pairs; described, not tested"
_CHOSEN = "no interval: the pairs were chosen by their outcome, which alone makes a mean above 0"
_UNDIRECTED = "the suite ties neither a candidate nor a text to an arm"


@dataclass(frozen=True, slots=True)
class _Contrast:
    """One suite × contrast × control block: its pairs and what was measured in either arm.

    Args:
        pairs: the pairs of the complete units, in the order of `units.of`.
        units: the units.
        values: measure → `[P]` in arm_a and `[P]` in arm_b.
        continuations: for each pair what was written in arm_a and in arm_b; None where nothing was.
    """

    pairs: pd.DataFrame
    units: Units
    values: dict[str, tuple[Array, Array]]
    continuations: list[tuple[str | None, str | None]]
    config: RunConfig

    def finding(self, measure: str, estimate: Estimate, group: str | None = None) -> Finding:
        """Name an estimate."""
        row, axes = self.pairs.iloc[0], self.pairs["axis"].unique()
        control = None if row["kind"] == "treatment" else str(row["control"])
        return Finding(
            **estimate.model_dump(),
            suite=row["suite"],
            axis=axes[0] if len(axes) == 1 else ALL_AXES,
            contrast=(row["arm_a"], row["arm_b"]),
            group=group,
            measure=measure,
            control=control,
        )

    def mean(self, values: Array, missing: str, *, tested: bool = True, note: str = "") -> Estimate:
        """Mean over the units of `[P]` values."""
        fit, pairs = self.units.fit(values[:, None], Flips(self.config.seed) if tested else None)
        reading = Reading(self.config.power, tested=tested, missing=missing, note=note)
        return estimates(fit, pairs, reading)[0]

    def share(self, hits: Array, missing: str, *, tested: bool, note: str) -> Estimate:
        """Share of pairs with `[P]` hits of 1 rather than 0; NaN does not count."""
        return as_share(self.mean(hits - 0.5, missing, tested=tested), note)


def output_findings(pairs: pd.DataFrame, outputs: pd.DataFrame, config: RunConfig) -> list[Finding]:
    """Estimate what changes in the output, per suite × contrast × control block.

    ``total_effect``: completion log-odds, arm_a - arm_b (nats). ``likelihood_diff``: mean
    `|LL(a) - LL(b)|` (nats). ``pct_stereotype``: share of directed pairs with TE > 0, or without
    completions with LL(a) > LL(b). ``generation_changed``: share of pairs whose greedy
    continuations differ in more than the arm's own words. ``generation_length``: words, arm_a -
    arm_b. With a group: the mean of that group's texts. ``total_effect_ratio``: `exp(TE) - 1` (Vig
    et al. 2020), also over the pairs that their filter keeps. Where pairs have several axes,
    ``likelihood_diff`` and ``pct_stereotype`` are also given for each, with the axis as group. ``nie_model``,
    ``nde_model``, ``nie_layer:L`` and ``nde_layer:L`` (nats): effects through, and past, all attention of the
    model or of a layer (Vig et al. 2020), where the effects of all heads were wanted.

    Args:
        pairs: ``pairs.parquet``.
        outputs: ``outputs.parquet``.
        config: the power of the minimum detectable effect.
    Returns:
        Findings in the order of suite, contrast and control; undefined ones with their reason.
    """
    keys = pairs[["suite", "arm_a", "arm_b", "control"]].astype(object).fillna("")
    codes = keys.groupby(list(keys.columns), sort=True).ngroup().to_numpy()
    return [
        finding
        for code in range(codes.max(initial=-1) + 1)
        for finding in _contrast_findings(pairs, codes == code, outputs, config)
    ]


def _contrast_findings(
    pairs: pd.DataFrame, chosen: npt.NDArray[np.bool_], outputs: pd.DataFrame, config: RunConfig
) -> Iterator[Finding]:
    contrast = _contrast(pairs, chosen, outputs, config)
    if contrast is None:
        yield from _unmeasured(pairs[chosen].iloc[[0]], balanced_units(pairs, chosen), config)
        return
    yield from _overall(contrast)
    yield from _by_group(contrast)
    yield from _through_attention(contrast, outputs)
    axes = pairs.loc[chosen, "axis"]
    for axis in axes.unique() if axes.nunique() > 1 else ():
        part = _contrast(pairs, chosen & (pairs["axis"] == axis).to_numpy(dtype=bool), outputs, config)
        if part is not None:
            yield from _sentences(part, group=str(axis))


def _contrast(
    pairs: pd.DataFrame, chosen: npt.NDArray[np.bool_], outputs: pd.DataFrame, config: RunConfig
) -> _Contrast | None:
    """The chosen pairs in complete units with what was measured of them; None if there is no such unit."""
    units = balanced_units(pairs, chosen)
    if not len(units.pairs):
        return None
    own = pairs.iloc[units.pairs]
    texts = zip(*(_looked_up(own, outputs, "generation", arm, "text") for arm in "ab"), strict=True)
    continuations = [(_text(a), _text(b)) for a, b in texts]
    values = {name: both_arms(own, outputs, name) for name in ("completion_log_odds", "log_likelihood")}
    lengths = [[_length(text) for text in side] for side in zip(*continuations, strict=True)]
    values["generation_length"] = (np.array(lengths[0]), np.array(lengths[1]))
    return _Contrast(own, units, values, continuations, config)


def _unmeasured(pair: pd.DataFrame, units: Units, config: RunConfig) -> Iterator[Finding]:
    contrast = _Contrast(pair, units, {}, [], config)
    reason = Estimate(reason="no complete unit of pairs was measured")
    for measure in (
        "total_effect",
        "likelihood_diff",
        "pct_stereotype",
        "generation_changed",
        "generation_length",
    ):
        yield contrast.finding(measure, reason)


def _overall(contrast: _Contrast) -> Iterator[Finding]:
    effect = total_effect(*contrast.values["completion_log_odds"])
    longer = np.subtract(*contrast.values["generation_length"])
    no_odds = "no completion log-odds in both arms"
    yield contrast.finding("total_effect", contrast.mean(effect, no_odds))
    yield from _ratio_form(contrast, ratio_effect(effect), no_odds)
    yield from _sentences(contrast)
    written = "no continuations in both arms"
    changed = contrast.share(_changes(contrast), written, tested=False, note=_CHANGE_NOTE)
    yield contrast.finding("generation_changed", changed)
    yield contrast.finding("generation_length", contrast.mean(longer, written, note="words, arm_a - arm_b"))


def _sentences(contrast: _Contrast, group: str | None = None) -> Iterator[Finding]:
    """The two measures of CrowS-Pairs; with a group, for the pairs of one of several axes."""
    effect = total_effect(*contrast.values["completion_log_odds"])
    likelihood = np.subtract(*contrast.values["log_likelihood"])
    distance = contrast.mean(np.abs(likelihood), "no log-likelihood in both arms", tested=False)
    yield contrast.finding("likelihood_diff", distance, group)
    yield contrast.finding("pct_stereotype", _stereotype(contrast, effect, likelihood), group)


def _through_attention(contrast: _Contrast, outputs: pd.DataFrame) -> Iterator[Finding]:
    """Effects that pass through whole layers and through all attention, where they were measured."""
    measured = sorted(name for name in outputs["measure"].unique() if _SCOPES.match(name))
    for name in measured:
        of_pair = _looked_up(contrast.pairs, outputs, name, "a", "value")
        values = pd.to_numeric(of_pair).to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isnan(values).all():
            yield contrast.finding(name, contrast.mean(values, "not measured", tested=False))


def _ratio_form(contrast: _Contrast, ratio: Array, missing: str) -> Iterator[Finding]:
    """Vig et al.'s total effect, over all pairs and over those that their filter keeps."""
    note = "y(x')/y(x) - 1"
    yield contrast.finding("total_effect_ratio", contrast.mean(ratio, missing, tested=False, note=note))
    kept = vig_filter(ratio)
    if kept.any():
        filtered = Estimate(
            estimate=float(ratio[kept].mean()), n=int(kept.sum()), method=note, reason=_CHOSEN
        )
        yield contrast.finding("total_effect_ratio_filtered", filtered)


def _stereotype(contrast: _Contrast, effect: Array, likelihood: Array) -> Estimate:
    directed = contrast.pairs["directed"].to_numpy(dtype=bool)
    if not directed.any():
        return Estimate(reason=_UNDIRECTED)
    by_effect = bool((~np.isnan(effect) & directed).any())
    towards = effect if by_effect else likelihood
    known = directed & ~np.isnan(towards)
    what = "pairs with TE > 0" if by_effect else "pairs with LL(arm_a) > LL(arm_b)"
    hits = np.where(known, (towards > 0).astype(np.float64), np.nan)
    missing = "neither log-odds nor log-likelihood in both arms"
    return contrast.share(hits, missing, tested=True, note=f"{what}; {_SHARE_NOTE}")


def _by_group(contrast: _Contrast) -> Iterator[Finding]:
    """Means of each group's own texts; one mean where both arms are of one group."""
    groups = [str(contrast.pairs.iloc[0][f"group_{arm}"]) for arm in "ab"]
    for measure, sides in contrast.values.items():
        named = zip(groups, sides, strict=True) if groups[0] != groups[1] else [(groups[0], sum(sides) / 2)]
        for group, values in named:
            estimate = contrast.mean(
                np.asarray(values), "not measured", tested=False, note="mean of the group"
            )
            if estimate.estimate is not None:
                yield contrast.finding(measure, estimate, group)


def _looked_up(pairs: pd.DataFrame, outputs: pd.DataFrame, measure: str, arm: str, column: str) -> pd.Series:
    """The `[P]` entries of one measure in one arm's texts."""
    of = outputs[outputs["measure"] == measure].drop_duplicates(_KEY).set_index(_KEY)[column]
    places = pd.MultiIndex.from_arrays([pairs["suite"], pairs["pair_id"], pairs[f"arm_{arm}"]], names=_KEY)
    return of.reindex(places)


def both_arms(pairs: pd.DataFrame, outputs: pd.DataFrame, measure: str) -> tuple[Array, Array]:
    """Look up one measure of the pairs' two texts.

    Args:
        pairs: ``pairs.parquet``, P rows.
        outputs: ``outputs.parquet``.
        measure: such as ``completion_log_odds``.
    Returns:
        `[P]` in arm_a and `[P]` in arm_b; NaN where it was not measured.
    """
    sides = (_looked_up(pairs, outputs, measure, arm, "value") for arm in "ab")
    first, second = (pd.to_numeric(side).to_numpy(dtype=np.float64, na_value=np.nan) for side in sides)
    return first, second


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _length(text: str | None) -> float:
    return float("nan") if text is None else float(len(re.findall(r"\w+", text)))


def _changes(contrast: _Contrast) -> Array:
    prompts = zip(contrast.pairs["text_a"], contrast.pairs["text_b"], strict=True)
    both = zip(prompts, contrast.continuations, strict=True)
    return np.array(
        [
            float("nan") if None in written else float(_changed(_words(a), _words(b), *map(_words, written)))
            for (a, b), written in both
        ]
    )


def _words(text: str | None) -> list[str]:
    """Words and signs, without regard to case."""
    return re.findall(r"\w+|[^\w\s]", (text or "").casefold())


def _changed(prompt_a: Sequence[str], prompt_b: Sequence[str], a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two continuations differ in more than the words that the arms wrote into the prompts."""
    arm_a, arm_b = Counter(prompt_a) - Counter(prompt_b), Counter(prompt_b) - Counter(prompt_a)
    return len(a) != len(b) or any(
        one != other and not (one in arm_a and other in arm_b) for one, other in zip(a, b, strict=True)
    )
