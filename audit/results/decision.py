"""What was decided, by which checks, and with which waivers."""

from __future__ import annotations

from .base import Result, Verdict
from .findings import Estimate


class CheckResult(Result):
    """One line of the gate.

    ``estimate`` with interval is what was compared with ``at_most``; ``why`` is one sentence for people.
    """

    id: str
    suite: str
    measure: str
    contrast: tuple[str, str] | None
    at_most: float
    verdict: Verdict
    estimate: Estimate
    why: str
    set_by: str
    set_on: str
    set_reason: str
    set_after_the_fact: bool = False
    waiver: str | None = None


class Gate(Result):
    """All checks of an audit and what they come to."""

    verdict: Verdict
    checks: tuple[CheckResult, ...]
    why: str


class WaiverInfo(Result):
    """An accepted failure: who, why, until when."""

    id: str
    scope: str
    owner: str
    approver: str
    reason: str
    created: str
    expires: str
    expired: bool
    used: bool
