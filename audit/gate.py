"""Thresholds → verdict: what fails, what passes, and what cannot be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from audit.agreement import set_after_the_fact
from audit.baseline import ChangeOutcome, change_outcomes
from audit.config import Check, RunConfig
from audit.outcomes import Outcome, Place, heads_outcomes, size_outcome, undecided
from audit.results import (
    AgainstBaseline,
    CheckResult,
    Coverage,
    Finding,
    Gate,
    HeadFinding,
    Surveyed,
    Verdict,
    WaiverInfo,
)
from audit.results.comparison import Comparison


def decide(
    config: RunConfig,
    findings: Sequence[Finding],
    heads: Sequence[HeadFinding],
    coverage: Coverage,
    today: dt.date,
    started: dt.date,
    agreed: RunConfig | None = None,
    comparison: Comparison | None = None,
) -> tuple[Gate, tuple[WaiverInfo, ...]]:
    """Compare every check with what was found.

    FAIL: the lower bound exceeds the threshold. PASS: the upper bound (for heads simultaneous over all
    that could be flagged) is below it. INCONCLUSIVE: neither. A run in which a pair failed, or none was
    measured, is ERROR; one in which a pair was skipped is at best INCONCLUSIVE; surveys of the model likewise.

    Args:
        config: thresholds, rules and waivers.
        findings, heads: what was found.
        coverage: what was measured.
        today: waivers are valid, or not, on this day.
        started: the run's day; younger thresholds are marked.
        agreed: what the run was made with, when it is decided again; None for the run itself.
        comparison: with a baseline, for the checks of changes; without it these are INCONCLUSIVE.
    Returns:
        The gate, and what became of each waiver.
    """
    results: list[CheckResult] = []
    used: set[str] = set()
    for check in config.checks:
        late = set_after_the_fact(check, config, started, agreed)
        results += [
            _waive(result, config, today, used)
            for result in (
                *_limited(check, config, findings, heads, late),
                *_changed(check, config, comparison, late),
            )
        ]
    if len({result.suite for result in results}) > 1:
        results = [r.model_copy(update={"why": f"{r.suite or 'any suite'}: {r.why}"}) for r in results]
    verdict = Verdict.worst([result.verdict for result in results])
    why = _why(results, verdict)
    if lost := _lost(coverage):
        verdict, why = Verdict.ERROR, f"{lost}; an incomplete run never passes."
    elif verdict in (Verdict.PASS, Verdict.WAIVED) and (left_out := _left_out(coverage)):
        verdict, why = Verdict.INCONCLUSIVE, f"{left_out}; an incomplete run never passes."
    baseline = None if comparison is None else comparison.before
    gate = Gate(verdict=verdict, checks=tuple(results), why=why, baseline=baseline)
    return gate, _waivers(config, today, used)


def _lost(coverage: Coverage) -> str:
    """What failed, or that nothing was measured at all; empty when all is well."""
    asked = any(survey.asked for survey in coverage.surveys)
    nobody = not coverage.measured and coverage.shard is None
    if coverage.failed or (nobody and (coverage.planned or not asked)):
        lost = coverage.planned - coverage.measured
        return f"{lost} of {coverage.planned} pairs could not be measured"
    nothing = not coverage.measured and not any(s.measured for s in coverage.surveys if s.asked)
    told = (_missing(s) for s in coverage.surveys if s.failed or (nothing and s.asked))
    return next(told, "")


def _left_out(coverage: Coverage) -> str:
    """What was skipped; empty when nothing was."""
    if coverage.shard is not None:
        return f"{coverage.measured} of {coverage.planned} pairs are measured in this {coverage.shard}"
    if coverage.skipped:
        return f"{coverage.skipped} of {coverage.planned} pairs were skipped"
    return next((_missing(s) for s in coverage.surveys if s.measured < s.planned), "")


def _missing(survey: Surveyed) -> str:
    lost = survey.planned - survey.measured
    return f"{lost} of {survey.planned} surveys of the probe {survey.probe!r} were not made ({survey.reason})"


def _waivers(config: RunConfig, today: dt.date, used: set[str]) -> tuple[WaiverInfo, ...]:
    return tuple(
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


def _why(results: Sequence[CheckResult], verdict: Verdict) -> str:
    if not results:
        return "No check is configured: the numbers are there, but nothing was decided."
    decisive = [result.why for result in results if result.verdict is verdict]
    more = len(decisive) - 1
    rest = f" {more} more {'check has' if more == 1 else 'checks have'} this verdict." if more else ""
    return decisive[0] + rest


def _limited(
    check: Check,
    config: RunConfig,
    findings: Sequence[Finding],
    heads: Sequence[HeadFinding],
    late: bool,
) -> list[CheckResult]:
    """One result per suite × contrast that the check limits; a check that meets nothing says so."""
    if check.at_most is None:
        return []
    places: dict[Place, Outcome]
    if check.measure == "flagged_heads":
        places = heads_outcomes(check.at_most, config, heads)
    else:
        places = {
            (finding.suite, finding.contrast): size_outcome(check, check.at_most, finding)
            for finding in findings
            if finding.measure == check.measure and finding.control is None and finding.group is None
        }
    wanted = {place: outcome for place, outcome in places.items() if _is_about(check, place)}
    if not wanted:
        reason = f"nothing was measured that the check {check.id!r} ({check.measure}) could look at"
        wanted = {(check.suite or "", check.contrast): undecided(reason)}
    return [_result(check, check.at_most, place, outcome, late) for place, outcome in wanted.items()]


def _changed(check: Check, config: RunConfig, comparison: Comparison | None, late: bool) -> list[CheckResult]:
    """One result per suite × contrast of which the check limits the change; without a baseline it says so."""
    if check.worse_by_at_most is None:
        return []
    allowed = check.worse_by_at_most
    found = {} if comparison is None else change_outcomes(check, allowed, config, comparison)
    wanted = {place: one for place, one in found.items() if _is_about(check, place)}
    if not wanted:
        absent = (
            f"no pair that the check {check.id!r} ({check.measure}) could look at is in the baseline, too"
        )
        if comparison is None:
            absent = f"the check {check.id!r} limits a change, and no baseline was given (--baseline)"
        where = (check.suite or "", check.contrast)
        wanted = {where: ChangeOutcome(undecided(absent), AgainstBaseline())}
    return [
        _result(check, allowed, place, one.outcome, late).model_copy(
            update={"kind": "change", "against": one.against}
        )
        for place, one in wanted.items()
    ]


def _is_about(check: Check, place: Place) -> bool:
    return check.suite in (None, place[0]) and check.contrast in (None, place[1])


def _result(check: Check, at_most: float, place: Place, outcome: Outcome, late: bool) -> CheckResult:
    verdict, estimate, why = outcome
    suite, contrast = place
    return CheckResult(
        id=check.id,
        suite=suite,
        measure=check.measure,
        contrast=contrast,
        at_most=at_most,
        verdict=verdict,
        estimate=estimate,
        why=why,
        set_by=check.set_by,
        set_on=check.date.isoformat(),
        set_reason=check.reason,
        set_after_the_fact=late,
    )


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
