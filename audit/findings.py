"""Tables of a run → what the model says differently under every contrast."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.contrasts import Array, Contrast, Series, Signal, contrast_of
from audit.effects import ratio_effect, total_effect, vig_filter
from audit.results import Estimate, Finding
from audit.task_findings import TASKS
from audit.units import balanced_units

#: Effects of all heads of a layer, or of the model, exchanged or ablated together; told at arm_a.
_SCOPES = re.compile(r"(nie|nde|zero|mean|uniform)_(layer:\d+|model)")
_NO_ODDS = "no completion log-odds in both arms"
_CHOSEN = "no interval: the pairs were chosen by their outcome, which alone makes a mean above 0"


def output_findings(pairs: pd.DataFrame, outputs: pd.DataFrame, config: RunConfig) -> list[Finding]:
    """Estimate what changes in the output, per suite × contrast × control block.

    ``total_effect``: completion log-odds, arm_a - arm_b (nats); what the completions are depends on the
    task (:mod:`audit.task_findings` tells the measures of masked models, classifiers, question answering and
    translation). ``likelihood_diff``: mean `|LL(a) - LL(b)|` (nats). ``pct_stereotype``: share of directed
    pairs with TE > 0, or without completions with LL(a) > LL(b). ``generation_changed``: share of pairs whose
    greedy continuations differ in more than the arm's own words. ``generation_length``: words, arm_a -
    arm_b. With a group: the mean of that group's texts. ``total_effect_ratio``: `exp(TE) - 1` (Vig
    et al. 2020), also over the pairs that their filter keeps. Where pairs have several axes,
    ``likelihood_diff`` and ``pct_stereotype`` are also given for each, with the axis as group. ``nie_model``,
    ``nde_model``, ``nie_layer:L`` and ``nde_layer:L`` (nats): effects through, and past, all attention of the
    model or of a layer (Vig et al. 2020), where the effects of all heads were wanted; ``zero_model``,
    ``zero_layer:L`` and likewise ``mean_…``, ``uniform_…``: the fall of the total effect when these are ablated.

    Args:
        pairs: ``pairs.parquet``.
        outputs: ``outputs.parquet``.
        config: the power of the minimum detectable effect.
    Returns:
        Findings in the order of suite, contrast and control; undefined ones with their reason.
    """
    return [signal.finding() for signal in output_signals(pairs, outputs, config)]


def output_signals(pairs: pd.DataFrame, outputs: pd.DataFrame, config: RunConfig) -> Iterator[Signal]:
    """What :func:`output_findings` estimates, pair by pair and in its order.

    Args:
        pairs, outputs, config: likewise.
    """
    keys = pairs[["suite", "arm_a", "arm_b", "control"]].astype(object).fillna("")
    codes = keys.groupby(list(keys.columns), sort=True).ngroup().to_numpy()
    for code in range(codes.max(initial=-1) + 1):
        yield from _contrast_signals(pairs, codes == code, outputs, config)


def _contrast_signals(
    pairs: pd.DataFrame, chosen: npt.NDArray[np.bool_], outputs: pd.DataFrame, config: RunConfig
) -> Iterator[Signal]:
    contrast = contrast_of(pairs, chosen, outputs, config)
    if contrast is None:
        pair = pairs[chosen].iloc[[0]]
        yield from _unmeasured(Contrast(pair, balanced_units(pairs, chosen), outputs, config))
        return
    own = TASKS.get(contrast.task)
    if own is None or contrast.completed:
        yield from _effect(contrast)
    if own is not None:
        yield from own.signals(contrast)
    else:
        yield from _sentences(contrast)
        yield from _continuations(contrast)
    for measure in ("completion_log_odds", *(() if own else ("log_likelihood",))):
        yield from contrast.by_group(measure, contrast.both(measure))
    if own is None:
        yield from contrast.by_group("generation_length", _lengths(contrast))
    yield from _through_attention(contrast)
    axes = pairs.loc[chosen, "axis"]
    for axis in axes.unique() if own is None and axes.nunique() > 1 else ():
        of_axis = (pairs["axis"] == axis).to_numpy(dtype=bool)
        if (part := contrast_of(pairs, chosen & of_axis, outputs, config)) is not None:
            yield from _sentences(part, group=str(axis))


def _unmeasured(contrast: Contrast) -> Iterator[Signal]:
    reason = Estimate(reason="no complete unit of pairs was measured")
    measures = ["total_effect"]
    if (own := TASKS.get(contrast.task)) is not None:
        measures = [*(measures if contrast.completed else ()), *own.always]
    else:
        measures += ["likelihood_diff", "pct_stereotype", "generation_changed", "generation_length"]
    for measure in measures:
        yield contrast.signal(measure, reason)


def _effect(contrast: Contrast) -> Iterator[Signal]:
    """The total effect, also in Vig et al.'s ratio form over all pairs and over those that their filter keeps."""
    effect = total_effect(*contrast.both("completion_log_odds"))
    yield contrast.signal("total_effect", contrast.mean(effect, _NO_ODDS))
    ratio, note = ratio_effect(effect), "y(x')/y(x) - 1"
    yield contrast.signal("total_effect_ratio", contrast.mean(ratio, _NO_ODDS, tested=False, note=note))
    kept = vig_filter(ratio)
    if kept.any():
        filtered = Estimate(
            estimate=float(ratio[kept].mean()), n=int(kept.sum()), method=note, reason=_CHOSEN
        )
        yield contrast.signal("total_effect_ratio_filtered", filtered)


def _sentences(contrast: Contrast, group: str | None = None) -> Iterator[Signal]:
    """The two measures of CrowS-Pairs; with a group, for the pairs of one of several axes."""
    effect = total_effect(*contrast.both("completion_log_odds"))
    likelihood = np.subtract(*contrast.both("log_likelihood"))
    distance = contrast.mean(np.abs(likelihood), "no log-likelihood in both arms", tested=False)
    yield contrast.signal("likelihood_diff", distance, group)
    yield contrast.signal("pct_stereotype", _stereotype(contrast, effect, likelihood), group)


def _stereotype(contrast: Contrast, effect: Array, likelihood: Array) -> Series | Estimate:
    directed = contrast.pairs["directed"].to_numpy(dtype=bool)
    by_effect = bool((~np.isnan(effect) & directed).any())
    missing = "neither log-odds nor log-likelihood in both arms"
    if by_effect:
        return contrast.follows(effect, "pairs with TE > 0", missing)
    return contrast.follows(likelihood, "pairs with LL(arm_a) > LL(arm_b)", missing)


def _lengths(contrast: Contrast) -> tuple[Array, Array]:
    """Words of the greedy continuations in either arm; NaN where none was written."""
    first, second = zip(*contrast.texts("generation"), strict=True)
    return np.array([*map(_length, first)]), np.array([*map(_length, second)])


def _length(text: str | None) -> float:
    return float("nan") if text is None else float(len(re.findall(r"\w+", text)))


def _continuations(contrast: Contrast) -> Iterator[Signal]:
    missing = "no continuations in both arms"
    yield contrast.signal("generation_changed", contrast.changed("generation", missing))
    longer = np.subtract(*_lengths(contrast))
    length = contrast.mean(longer, missing, note="words, arm_a - arm_b")
    yield contrast.signal("generation_length", length)


def _through_attention(contrast: Contrast) -> Iterator[Signal]:
    """Effects that pass through whole layers and through all attention, where they were measured."""
    for name in sorted(name for name in contrast.measures if _SCOPES.match(name)):
        values = contrast.one(name)
        if not np.isnan(values).all():
            yield contrast.signal(name, contrast.mean(values, "not measured", tested=False))
