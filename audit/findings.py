"""Tables of a run → what the model says differently under every contrast."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from audit.config import RunConfig
from audit.effects import total_effect
from audit.estimates import Reading, estimates
from audit.results import Estimate, Finding
from audit.statistics import Flips, wilson
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]

_KEY = ["suite", "pair_id", "arm"]
_SHARE_NOTE = "interval: Wilson on the effective number of pairs; p: the units' shares against ½"
_CHANGE_NOTE = "interval: Wilson on the effective number of pairs; described, not tested"
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
        row = self.pairs.iloc[0]
        control = None if row["kind"] == "treatment" else str(row["control"])
        return Finding(
            **estimate.model_dump(),
            suite=row["suite"],
            axis=row["axis"],
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
        found = self.mean(hits - 0.5, missing, tested=tested)
        if found.estimate is None:
            return found
        share = found.estimate + 0.5
        n = effective_pairs(share, found)
        low, high = wilson(min(max(share * n, 0.0), n), n)
        # A share that is the same in all units has no spread to test, and that is said, not hidden.
        return found.model_copy(update={"estimate": share, "ci_low": low, "ci_high": high, "method": note})


def effective_pairs(share: float, found: Estimate) -> float:
    """Independent pairs that would tell as much about a share as these clustered ones.

    `n* = min(n, p(1-p) / V) · (z / t)²`, V the two-way clustered variance and t with its degrees of
    freedom (Korn & Graubard 1998).

    Args:
        share: `p`, 0 to 1.
        found: the clustered estimate of the share, with its t interval.
    Returns:
        At most `found.n`; `found.n` where the clusters have no spread to measure.
    """
    if found.ci_low is None or found.ci_high is None or found.ci_high == found.ci_low or share in (0.0, 1.0):
        return float(found.n)
    half = (found.ci_high - found.ci_low) / 2  # t · sqrt(V)
    z = float(special.ndtri(0.975))
    return min(float(found.n), share * (1 - share) * (z / half) ** 2)


def output_findings(pairs: pd.DataFrame, outputs: pd.DataFrame, config: RunConfig) -> list[Finding]:
    """Estimate what changes in the output, per suite × contrast × control block.

    ``total_effect``: completion log-odds, arm_a - arm_b (nats). ``likelihood_diff``: mean
    `|LL(a) - LL(b)|` (nats). ``pct_stereotype``: share of directed pairs with TE > 0, or without
    completions with LL(a) > LL(b). ``generation_changed``: share of pairs whose greedy
    continuations differ in more than the arm's own words. ``generation_length``: words, arm_a -
    arm_b. With a group: the mean of that group's texts.

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
    units = balanced_units(pairs, chosen)
    own = pairs.iloc[units.pairs] if len(units.pairs) else pairs[chosen].iloc[:0]
    if own.empty:
        yield from _unmeasured(pairs[chosen].iloc[[0]], units, config)
        return
    texts = zip(*(_looked_up(own, outputs, "generation", arm, "text") for arm in "ab"), strict=True)
    continuations = [(_text(a), _text(b)) for a, b in texts]
    values = {name: both_arms(own, outputs, name) for name in ("completion_log_odds", "log_likelihood")}
    lengths = [[_length(text) for text in side] for side in zip(*continuations, strict=True)]
    values["generation_length"] = (np.array(lengths[0]), np.array(lengths[1]))
    contrast = _Contrast(own, units, values, continuations, config)
    yield from _overall(contrast)
    yield from _by_group(contrast)


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
    likelihood = np.subtract(*contrast.values["log_likelihood"])
    longer = np.subtract(*contrast.values["generation_length"])
    no_odds, no_likelihood = "no completion log-odds in both arms", "no log-likelihood in both arms"
    yield contrast.finding("total_effect", contrast.mean(effect, no_odds))
    yield contrast.finding("likelihood_diff", contrast.mean(np.abs(likelihood), no_likelihood, tested=False))
    yield contrast.finding("pct_stereotype", _stereotype(contrast, effect, likelihood))
    written = "no continuations in both arms"
    changed = contrast.share(_changes(contrast), written, tested=False, note=_CHANGE_NOTE)
    yield contrast.finding("generation_changed", changed)
    yield contrast.finding("generation_length", contrast.mean(longer, written, note="words, arm_a - arm_b"))


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
