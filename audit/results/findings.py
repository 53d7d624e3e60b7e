"""What was found: estimates, about outputs and about heads."""

from __future__ import annotations

from typing import Literal

from .base import Result

Label = Literal["carries", "opposes", "moves", "acts", "none", "unmeasured"]


class Estimate(Result):
    """One number with its uncertainty; ``estimate`` is None with a ``reason`` where undefined.

    Args:
        estimate: in the measure's own unit.
        n: pairs behind it.
        units: order-balanced units behind it.
        clusters, items: levels of the two random factors.
        ci_low, ci_high: 95 % interval (FCR-adjusted for flagged heads: see ``method``).
        p: two-sided. p_adjusted: after the multiplicity correction, where the measure is one of many.
        mde: smallest effect that the design would find with 80 % power.
        seed: of the random generator, where chance was used.
        method: how interval and p were made.
        reason: why something is None.
    """

    estimate: float | None = None
    n: int = 0
    units: int = 0
    clusters: int = 0
    items: int = 0
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    mde: float | None = None
    seed: int | None = None
    method: str = ""
    reason: str | None = None


class Finding(Estimate):
    """An estimate of one measure for one suite × contrast (× group).

    Args:
        axis: the protected attribute; ``all`` where the pairs have several.
        contrast: the two arms; None for a measure of single texts, over all texts of the suite.
        group: whose texts, or of which axis the pairs; None for all.
        subject, layer: of embeddings: the association or projection, and where words were read.
        attributes: of associations: the attribute sets.
    """

    suite: str
    axis: str
    contrast: tuple[str, str] | None
    group: str | None = None
    measure: str
    control: str | None = None
    subject: str | None = None
    layer: str | None = None
    attributes: tuple[str, str] | None = None


class HeadFinding(Result):
    """Everything estimated about one head under one contrast.

    ``bias`` and ``nie`` belong to the pronoun's row, ``bias_next`` and ``nie_next`` to the row that
    predicts the next word. ``p_flag = max(p_bias, p_nie)`` of the same row, 1 where |bias| is below
    ``min_bias`` or the effect was not computed; ``p_adjusted`` is
    Benjamini–Hochberg over all heads × rows × contrasts that could flag. ``bound`` and
    ``bound_next`` are 95 % upper bounds of |bias|, simultaneous over all of these tests: what the
    design cannot exclude. ``pattern`` is what the head does on neutral text and ``pattern_score`` the score
    behind it (see :mod:`audit.patterns`); None where the run made no such survey. Where the gold referent is
    known: ``coreference_accuracy`` of the pronoun's row beside that of the nearest and of the first mention,
    and ``accuracy_gap``, with less against the stereotype; None elsewhere.
    """

    suite: str
    contrast: tuple[str, str]
    stream: str
    layer: int
    head: int
    label: Label
    flagged: bool
    reasons: tuple[str, ...] = ()
    label_pronoun: Label = "unmeasured"
    label_next: Label = "unmeasured"
    bias: Estimate = Estimate()
    nie: Estimate = Estimate()
    bias_next: Estimate = Estimate()
    nie_next: Estimate = Estimate()
    p_flag: float | None = None
    p_flag_next: float | None = None
    p_adjusted: float | None = None
    p_adjusted_next: float | None = None
    bound: float | None = None
    bound_next: float | None = None
    jsd: Estimate = Estimate()
    jsd_control: Estimate = Estimate()
    total_variation: float | None = None
    value_weighted: float | None = None
    preference_a: float | None = None
    preference_b: float | None = None
    mass: float | None = None
    coreference_accuracy: Estimate | None = None
    accuracy_gap: Estimate | None = None
    nearest_accuracy: float | None = None
    first_accuracy: float | None = None
    pattern: str | None = None
    pattern_score: float | None = None


class HeldOut(Result):
    """Heads chosen on half of the templates × half of the items, tried on the other half.

    Args:
        half: which half chose, 1 or 2.
        choosing, trying: pairs of either side.
        heads, heads_next: the chosen heads, by the row in which they were chosen.
        total_effect: of the trying pairs, in nats; remaining: with the chosen heads' rows at the arms' mean.
        share: part of the total effect that is gone, `1 - remaining / total_effect`.
        sets: random sets of heads of the same layers; random_median, random_95: the share that is gone with them.
        p: one-sided, how often random heads do as much.
        perplexity: of neutral text, per token; perplexity_edited: with the chosen heads cut off at every token;
            perplexity_random: the same with random heads (median).
        cost_reason: why the perplexities are not known.
        reason: why there is no result.
    """

    suite: str
    contrast: tuple[str, str]
    half: int
    choosing: int = 0
    trying: int = 0
    heads: tuple[tuple[int, int], ...] = ()
    heads_next: tuple[tuple[int, int], ...] = ()
    total_effect: float | None = None
    remaining: float | None = None
    share: float | None = None
    sets: int = 0
    random_median: float | None = None
    random_95: float | None = None
    p: float | None = None
    perplexity: float | None = None
    perplexity_edited: float | None = None
    perplexity_random: float | None = None
    cost_reason: str | None = None
    seed: int = 0
    reason: str | None = None
