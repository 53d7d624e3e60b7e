"""What was decided, by which checks, and with which waivers."""

from __future__ import annotations

from typing import Literal

from .base import Result, Verdict
from .comparison import ComparedRun
from .findings import Estimate


class AgainstBaseline(Result):
    """What a check of a change compared.

    Args:
        before, after: the measure in the baseline and in this run, over the pairs of both; of heads, how many carry
            bias. None where they were not compared.
        pairs: pairs under test that are the same in both runs, in complete units.
        of: pairs under test that this run measured.
    """

    before: Estimate | None = None
    after: Estimate | None = None
    pairs: int = 0
    of: int = 0


class CheckResult(Result):
    """One line of the gate.

    ``estimate`` with interval is what was compared with ``at_most``: of the kind ``limit`` the measure itself, of
    the kind ``change`` the growth of its magnitude since the baseline (``against``). ``why`` is one sentence for
    people.
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
    kind: Literal["limit", "change"] = "limit"
    against: AgainstBaseline | None = None
    waiver: str | None = None


class Gate(Result):
    """All checks of an audit and what they come to; ``baseline`` is the run that changes were measured from."""

    verdict: Verdict
    checks: tuple[CheckResult, ...]
    why: str
    baseline: ComparedRun | None = None


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
