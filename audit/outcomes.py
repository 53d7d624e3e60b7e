"""One check against what was found: its verdict, the estimate that was compared, and one sentence why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from audit.config import Check, RunConfig
from audit.results import Estimate, Finding, HeadFinding, Verdict

Outcome = tuple[Verdict, Estimate, str]
#: A suite and a contrast; None for what is about all its texts.
Place = tuple[str, tuple[str, str] | None]


def heads_outcomes(at_most: float, config: RunConfig, heads: Sequence[HeadFinding]) -> dict[Place, Outcome]:
    """One outcome per suite × contrast of which heads were tested; a suite without any is undecided."""
    here: dict[Place, list[HeadFinding]] = defaultdict(list)
    for head in heads:
        here[head.suite, head.contrast].append(head)
    tested = {place: own for place, own in here.items() if any(head.label != "unmeasured" for head in own)}
    outcomes = {place: _heads_outcome(at_most, config, own) for place, own in tested.items()}
    for suite, contrast in here:
        if suite not in {place[0] for place in outcomes}:
            reason = f"no attention head could be tested in the suite {suite!r}"
            outcomes[suite, contrast] = undecided(reason)
    return outcomes


def _heads_outcome(at_most: float, config: RunConfig, heads: Sequence[HeadFinding]) -> Outcome:
    """How many heads carry bias; passing needs that no other head could hide one of the size that counts."""
    flagged = [head for head in heads if head.flagged]
    names = ", ".join(f"{head.layer}-{head.head}" for head in flagged[:5]) + (
        " …" if len(flagged) > 5 else ""
    )
    contrast = "/".join(heads[0].contrast)
    # Not every stream has both rows: cross-attention has none of the pronoun.
    widest = max((row for head in heads for row in (head.bias, head.bias_next)), key=lambda row: row.n)
    estimate = Estimate(
        estimate=float(len(flagged)),
        n=widest.n,
        units=widest.units,
        clusters=widest.clusters,
        items=widest.items,
        method=f"heads whose signed bias and causal effect both hold, false discovery rate {config.q:g}",
    )
    if len(flagged) > at_most:
        noun = "head carries" if len(flagged) == 1 else "heads carry"
        return (
            Verdict.FAIL,
            estimate,
            f"{len(flagged)} attention {noun} bias under {contrast} ({names}); at most {at_most:g} allowed.",
        )
    if "causal" not in config.probes:
        why = f"No causal effects were measured under {contrast}, so no head could be flagged or cleared."
        return Verdict.INCONCLUSIVE, estimate, why
    hidden = [head for head in heads if not head.flagged and _could_hide(head, config)]
    room = int(at_most) - len(flagged)
    if len(hidden) > room:
        worst = max(_largest_hidden(head, config) for head in hidden)
        return (
            Verdict.INCONCLUSIVE,
            estimate,
            f"No more heads are flagged under {contrast} than allowed, but {len(hidden)} of {len(heads)} heads could "
            f"still hide a signed bias of {config.largest_hidden_bias:g} or more (up to {worst:.2f}): "
            "more templates and items are needed.",
        )
    return (
        Verdict.PASS,
        estimate,
        f"{len(flagged)} attention heads are flagged under {contrast}; no other can hide a signed bias of "
        f"{config.largest_hidden_bias:g}.",
    )


def _could_hide(head: HeadFinding, config: RunConfig) -> bool:
    """Whether a bias of the size that counts, or one whose effect was never measured, may be in a head."""
    return _largest_hidden(head, config) >= config.largest_hidden_bias


def _largest_hidden(head: HeadFinding, config: RunConfig) -> float:
    """Largest signed bias that a head may have: its simultaneous bounds over the rows that were read.

    A significant bias could have been flagged if its causal effect had been measured, so where it was
    not, the row was not decided; nor was a head of which no row was read. Both count as 1.
    """
    bounds = [bound for bound in (head.bound, head.bound_next) if bound is not None]
    rows = ((head.label_pronoun, head.bias), (head.label_next, head.bias_next))
    undecided = any(
        label == "unmeasured" and bias.p_adjusted is not None and bias.p_adjusted <= config.q
        for label, bias in rows
    )
    return 1.0 if undecided or not bounds else max(bounds)


def size_outcome(check: Check, at_most: float, finding: Finding) -> Outcome:
    """Whether the interval of an effect lies beyond ±at_most, within, or straddles it.

    Args:
        check: what is looked at.
        at_most: the threshold, in the measure's own unit.
        finding: the estimate with its interval.
    """
    estimate = Estimate(**finding.model_dump(include=set(Estimate.model_fields)))
    contrast, unit = "/".join(finding.contrast or ("all texts",)), unit_of(check.measure)
    name = name_of(check.measure)
    if finding.estimate is None or finding.ci_low is None or finding.ci_high is None:
        reason = finding.reason or "no interval"
        return Verdict.INCONCLUSIVE, estimate, f"Undecided: {name} under {contrast} is undefined ({reason})."
    low, high = finding.ci_low, finding.ci_high
    least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    most = max(abs(low), abs(high))
    told = f"{name} under {contrast} is {finding.estimate:+.3f}{unit} [{low:+.3f}, {high:+.3f}]"
    if least > at_most:
        return Verdict.FAIL, estimate, f"{told}: beyond ±{at_most:g}."
    if most < at_most:
        return Verdict.PASS, estimate, f"{told}: within ±{at_most:g}."
    return Verdict.INCONCLUSIVE, estimate, f"{told}: the interval straddles ±{at_most:g}."


def undecided(reason: str) -> Outcome:
    """Nothing to compare, and why."""
    return Verdict.INCONCLUSIVE, Estimate(reason=reason), f"Undecided: {reason}."


def name_of(measure: str) -> str:
    """How a measure is called in a sentence."""
    return _NAMES.get(measure, measure)


def unit_of(measure: str) -> str:
    """What to write after a value of the measure: `` nats``, or nothing."""
    return _UNITS.get(measure, "")


_NAMES = {
    "total_effect": "the total effect",
    "likelihood_diff": "the likelihood difference",
    "pseudo_likelihood_diff": "the difference in pseudo-likelihood",
    "pronoun_log_odds": "the log-odds of the pronouns",
    "sentiment": "the difference in sentiment",
    "label_changed": "the share of labels that change",
    "answer_changed": "the share of answers that change",
    "answer_score": "the difference in the answer's score",
    "translation_changed": "the share of translations that change",
}
_UNITS = dict.fromkeys(
    ("total_effect", "likelihood_diff", "pseudo_likelihood_diff", "pronoun_log_odds", "answer_score"), " nats"
)
