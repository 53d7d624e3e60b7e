"""Thresholds → verdict: what fails, what passes, and what cannot be told."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from audit.config import Check, RunConfig
from audit.results import (
    CheckResult,
    Coverage,
    Estimate,
    Finding,
    Gate,
    HeadFinding,
    Verdict,
    WaiverInfo,
)

Outcome = tuple[Verdict, Estimate, str]
Place = tuple[str, tuple[str, str]]


def decide(
    config: RunConfig,
    findings: Sequence[Finding],
    heads: Sequence[HeadFinding],
    coverage: Coverage,
    today: dt.date,
    started: dt.date,
) -> tuple[Gate, tuple[WaiverInfo, ...]]:
    """Compare every check with what was found.

    FAIL: the lower bound exceeds the threshold. PASS: the upper bound (for heads simultaneous over all
    that could be flagged) is below it. INCONCLUSIVE: neither. A run in which a pair failed, or none was
    measured, is ERROR; one in which a pair was skipped is at best INCONCLUSIVE.

    Returns:
        The gate, and what became of each waiver.
    """
    results = [
        result for check in config.checks for result in _apply(check, config, findings, heads, started)
    ]
    used: set[str] = set()
    results = [_waive(result, config, today, used) for result in results]
    verdict = Verdict.worst([result.verdict for result in results])
    why = _why(results, verdict)
    if coverage.failed or not coverage.measured:
        verdict = Verdict.ERROR
        lost = coverage.planned - coverage.measured
        why = f"{lost} of {coverage.planned} pairs could not be measured; an incomplete run never passes."
    elif coverage.skipped and verdict in (Verdict.PASS, Verdict.WAIVED):
        verdict = Verdict.INCONCLUSIVE
        why = f"{coverage.skipped} of {coverage.planned} pairs were skipped; an incomplete run never passes."
    waivers = tuple(
        WaiverInfo(
            **waiver.model_dump(exclude={"check", "suite", "created", "expires"}),
            scope=f"{waiver.check} in {waiver.suite or 'every suite'}",
            created=waiver.created.isoformat(),
            expires=waiver.expires.isoformat(),
            expired=waiver.expires < today,
            used=waiver.id in used,
        )
        for waiver in config.waivers
    )
    return Gate(verdict=verdict, checks=tuple(results), why=why), waivers


def _why(results: Sequence[CheckResult], verdict: Verdict) -> str:
    if not results:
        return "No check is configured: the numbers are there, but nothing was decided."
    decisive = [result.why for result in results if result.verdict is verdict]
    more = len(decisive) - 1
    rest = f" {more} more {'check has' if more == 1 else 'checks have'} this verdict." if more else ""
    return decisive[0] + rest


def _apply(
    check: Check,
    config: RunConfig,
    findings: Sequence[Finding],
    heads: Sequence[HeadFinding],
    started: dt.date,
) -> list[CheckResult]:
    """One result per suite × contrast that the check is about; a check that meets nothing says so."""
    if check.measure == "flagged_heads":
        places = _heads_outcomes(check, config, heads)
    else:
        places = {
            (finding.suite, finding.contrast): _size_outcome(check, finding)
            for finding in findings
            if finding.measure == check.measure and finding.control is None and finding.group is None
        }
    wanted = {
        place: outcome
        for place, outcome in places.items()
        if check.suite in (None, place[0]) and check.contrast in (None, place[1])
    }
    if not wanted:
        reason = f"nothing was measured that the check {check.id!r} ({check.measure}) could look at"
        outcome = (Verdict.INCONCLUSIVE, Estimate(reason=reason), f"Undecided: {reason}.")
        return [_result(check, check.suite or "", check.contrast, outcome, started)]
    return [
        _result(check, suite, contrast, outcome, started) for (suite, contrast), outcome in wanted.items()
    ]


def _result(
    check: Check, suite: str, contrast: tuple[str, str] | None, outcome: Outcome, started: dt.date
) -> CheckResult:
    verdict, estimate, why = outcome
    return CheckResult(
        id=check.id,
        suite=suite,
        measure=check.measure,
        contrast=contrast,
        at_most=check.at_most,
        verdict=verdict,
        estimate=estimate,
        why=why,
        set_by=check.set_by,
        set_on=check.date.isoformat(),
        set_reason=check.reason,
        set_after_the_fact=check.date > started,
    )


def _heads_outcomes(check: Check, config: RunConfig, heads: Sequence[HeadFinding]) -> dict[Place, Outcome]:
    """One outcome per suite × contrast of which heads were tested; a suite without any is undecided."""
    here: dict[Place, list[HeadFinding]] = defaultdict(list)
    for head in heads:
        here[head.suite, head.contrast].append(head)
    tested = {place: own for place, own in here.items() if any(head.label != "unmeasured" for head in own)}
    outcomes = {place: _heads_outcome(check, config, own) for place, own in tested.items()}
    for suite, contrast in here:
        if suite not in {place[0] for place in outcomes}:
            reason = f"no attention head could be tested in the suite {suite!r}"
            outcomes[suite, contrast] = (
                Verdict.INCONCLUSIVE,
                Estimate(reason=reason),
                f"Undecided: {reason}.",
            )
    return outcomes


def _heads_outcome(check: Check, config: RunConfig, heads: Sequence[HeadFinding]) -> Outcome:
    """How many heads carry bias; passing needs that no other head could hide one of the size that counts."""
    flagged = [head for head in heads if head.flagged]
    names = ", ".join(f"{head.layer}-{head.head}" for head in flagged[:5]) + (
        " …" if len(flagged) > 5 else ""
    )
    contrast = "/".join(heads[0].contrast)
    estimate = Estimate(
        estimate=float(len(flagged)),
        n=heads[0].bias.n,
        units=heads[0].bias.units,
        clusters=heads[0].bias.clusters,
        items=heads[0].bias.items,
        method=f"heads whose signed bias and causal effect both hold, false discovery rate {config.q:g}",
    )
    if len(flagged) > check.at_most:
        noun = "head carries" if len(flagged) == 1 else "heads carry"
        return (
            Verdict.FAIL,
            estimate,
            f"{len(flagged)} attention {noun} bias under {contrast} ({names}); at most {check.at_most:g} allowed.",
        )
    hidden = [head for head in heads if not head.flagged and _could_hide(head, config)]
    room = int(check.at_most) - len(flagged)
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


def _size_outcome(check: Check, finding: Finding) -> Outcome:
    estimate = Estimate(**finding.model_dump(include=set(Estimate.model_fields)))
    contrast, unit = "/".join(finding.contrast), _UNITS.get(check.measure, "")
    name = _NAMES.get(check.measure, check.measure)
    if finding.estimate is None or finding.ci_low is None or finding.ci_high is None:
        reason = finding.reason or "no interval"
        return Verdict.INCONCLUSIVE, estimate, f"Undecided: {name} under {contrast} is undefined ({reason})."
    low, high = finding.ci_low, finding.ci_high
    least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    most = max(abs(low), abs(high))
    told = f"{name} under {contrast} is {finding.estimate:+.3f}{unit} [{low:+.3f}, {high:+.3f}]"
    if least > check.at_most:
        return Verdict.FAIL, estimate, f"{told}: beyond ±{check.at_most:g}."
    if most < check.at_most:
        return Verdict.PASS, estimate, f"{told}: within ±{check.at_most:g}."
    return Verdict.INCONCLUSIVE, estimate, f"{told}: the interval straddles ±{check.at_most:g}."


_NAMES = {"total_effect": "the total effect", "likelihood_diff": "the likelihood difference"}
_UNITS = {"total_effect": " nats", "likelihood_diff": " nats"}


def _waive(result: CheckResult, config: RunConfig, today: dt.date, used: set[str]) -> CheckResult:
    """A failure that somebody answers for, until the waiver expires."""
    if result.verdict is not Verdict.FAIL:
        return result
    for waiver in config.waivers:
        if (
            waiver.check == result.id
            and waiver.suite in (None, result.suite)
            and waiver.created <= today <= waiver.expires
        ):
            used.add(waiver.id)
            return result.model_copy(update={"verdict": Verdict.WAIVED, "waiver": waiver.id})
    return result
