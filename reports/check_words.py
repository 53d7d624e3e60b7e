"""What a check says: one sentence, its figures by name, and who answers for it."""

from __future__ import annotations

from typing import Final, NamedTuple

from audit.results import Audit, CheckResult, Verdict, WaiverInfo
from audit.results.visible import in_line
from reports.numbers import confidence, defined, has_interval
from reports.wording import measure_of, quantity

#: Name of what the gate decided beside its checks: an incomplete run, or one without checks.
WHOLE_RUN: Final = "whole-run"
#: Where a check of no suite in particular met nothing.
ANY_SUITE: Final = "any suite"


class BesideChecks(NamedTuple):
    """A verdict that no check gives: pairs failed or were skipped, or nothing was to be decided."""

    verdict: Verdict
    why: str


def worst_first(audit: Audit) -> tuple[CheckResult, ...]:
    """The checks of an audit, most serious verdict first, else in their order."""
    order = list(Verdict)
    return tuple(sorted(audit.gate.checks, key=lambda check: -order.index(check.verdict)))


def beside_checks(audit: Audit) -> BesideChecks | None:
    """The gate's verdict where it is worse than that of every check; None where a check gives it.

    A format that lists checks alone would show an incomplete run in which they all pass as a pass.
    """
    order = list(Verdict)
    worst = max((order.index(check.verdict) for check in audit.gate.checks), default=-1)
    if order.index(audit.gate.verdict) <= worst:
        return None
    return BesideChecks(audit.gate.verdict, sentence(audit.gate.why))


def sentence(text: str) -> str:
    """A text of the gate as a sentence of one line.

    >>> sentence("the total effect is undefined.")
    'The total effect is undefined.'
    """
    line = in_line(text, 1000)
    return line[:1].upper() + line[1:]


def title(check: CheckResult) -> str:
    """What a check is about, such as ``Total effect, she against he``."""
    name = measure_of(check.measure).name
    return f"{name}, {' against '.join(map(in_line, check.contrast))}" if check.contrast else name


def limit(check: CheckResult) -> str:
    """The threshold in its measure's own unit; both ways where direction counts.

    >>> from audit.results import Estimate
    >>> names = ("id", "suite", "why", "set_by", "set_on", "set_reason")
    >>> limit(CheckResult(measure="total_effect", contrast=None, at_most=0.1, verdict="PASS",
    ...                   estimate=Estimate(), **dict.fromkeys(names, "")))
    '±0.100'
    """
    both = "±" if measure_of(check.measure).signed and check.at_most else ""
    return f"{both}{quantity(check.measure, check.at_most)}"


def waiver_of(check: CheckResult, audit: Audit) -> WaiverInfo | None:
    """The waiver that accepts a check's failure."""
    return next((waiver for waiver in audit.waivers if waiver.id == check.waiver), None)


def accepted(check: CheckResult, audit: Audit) -> str:
    """Who accepts a waived failure, until when and why, in one line."""
    waiver = waiver_of(check, audit)
    if waiver is None:
        return f"Waiver {in_line(check.waiver)}." if check.waiver else ""
    by = f"owner {in_line(waiver.owner)}, approved by {in_line(waiver.approver)}"
    return f"Waiver {in_line(waiver.id)} ({by}, until {in_line(waiver.expires)}): {in_line(waiver.reason)}"


def figures(check: CheckResult) -> dict[str, str]:
    """All that stands behind a check, by name, written for machines; what is undefined is left out.

    Numbers have a full stop and no unit. Where the estimate is undefined, ``reason`` says why.
    """
    found = check.estimate
    level = confidence(found) if has_interval(found) else None
    numbers = {
        "estimate": found.estimate,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "ci_level": level,
        "threshold": check.at_most,
        "n": found.n,
        "units": found.units or None,
        "templates": found.clusters or None,
        "items": found.items or None,
        "mde": found.mde,
        "p": found.p,
        "p_adjusted": found.p_adjusted,
        "seed": found.seed,
    }
    texts = {
        "verdict": check.verdict.value,
        "measure": check.measure,
        "contrast": "/".join(check.contrast or ()),
        "method": found.method,
        "reason": found.reason,
        "threshold_set_by": check.set_by,
        "threshold_set_on": check.set_on,
        "threshold_reason": check.set_reason,
        "threshold_set_after_the_run": "yes" if check.set_after_the_fact else "no",
        "waiver": check.waiver,
    }
    return {
        **{name: f"{value:.10g}" for name, value in numbers.items() if defined(value)},
        **{name: in_line(value, 1000) for name, value in texts.items() if value},
    }
