"""Waivers and their expiry, incomplete runs, and thresholds set after the fact."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from audit.config import Waiver
from audit.results import Coverage, Finding, Verdict, WaiverInfo
from tests.audit.gate_cases import DAY, check, decided, finding

FAILING = (finding("total_effect", 0.5, 0.4, 0.6),)


def waiver(**more: Any) -> Waiver:
    given = {"id": "w1", "check": "total_effect", "owner": "O", "approver": "A", "reason": "known"}
    return Waiver(**{**given, "created": DAY - dt.timedelta(10), "expires": DAY, **more})


def test_a_waiver_holds_to_its_last_day() -> None:
    gate, waivers = decided(check(), findings=FAILING, waivers=(waiver(),))
    assert (gate.verdict, gate.checks[0].verdict, gate.checks[0].waiver) == (
        Verdict.WAIVED,
        Verdict.WAIVED,
        "w1",
    )
    assert gate.why == gate.checks[0].why
    assert waivers == (
        WaiverInfo(
            id="w1",
            scope="total_effect in every suite",
            owner="O",
            approver="A",
            reason="known",
            created="2026-11-10",
            expires="2026-11-20",
            expired=False,
            used=True,
        ),
    )


@pytest.mark.parametrize(
    ("more", "expired"),
    [
        ({"expires": DAY - dt.timedelta(1)}, True),
        ({"created": DAY + dt.timedelta(1), "expires": DAY + dt.timedelta(9)}, False),
        ({"check": "flagged_heads"}, False),
        ({"suite": "names"}, False),
    ],
)
def test_a_waiver_that_is_over_or_meant_for_something_else_waives_nothing(
    more: dict[str, Any], expired: bool
) -> None:
    gate, waivers = decided(check(), findings=FAILING, waivers=(waiver(**more),))
    assert (gate.verdict, gate.checks[0].waiver) == (Verdict.FAIL, None)
    assert (waivers[0].used, waivers[0].expired) == (False, expired)


def test_an_expired_waiver_does_not_hide_a_later_one() -> None:
    old, new = waiver(expires=DAY - dt.timedelta(1)), waiver(id="w2", suite="jobs")
    gate, waivers = decided(check(), findings=FAILING, waivers=(old, new))
    assert (gate.verdict, gate.checks[0].waiver) == (Verdict.WAIVED, "w2")
    assert [each.used for each in waivers] == [False, True]
    assert waivers[1].scope == "total_effect in jobs"


@pytest.mark.parametrize(("low", "high"), [(-0.01, 0.01), (-0.5, 0.5)])
def test_only_failures_are_waived(low: float, high: float) -> None:
    findings = (finding("total_effect", 0.0, low, high),)
    gate, waivers = decided(check(), findings=findings, waivers=(waiver(),))
    assert gate.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert not waivers[0].used


def test_an_undecided_check_weighs_more_than_a_waived_one() -> None:
    gate, _ = decided(check(), check("flagged_heads", 0), findings=FAILING, waivers=(waiver(),))
    assert [each.verdict for each in gate.checks] == [Verdict.WAIVED, Verdict.INCONCLUSIVE]
    assert gate.verdict is Verdict.INCONCLUSIVE


PASSING = (finding("total_effect", 0.0, -0.01, 0.01),)


@pytest.mark.parametrize("findings", [PASSING, FAILING])
def test_a_failed_pair_makes_an_error_of_everything(findings: tuple[Finding, ...]) -> None:
    broken = Coverage(planned=40, measured=37, skipped=1, failed=2)
    gate, _ = decided(check(), findings=findings, coverage=broken, waivers=(waiver(),))
    assert gate.verdict is Verdict.ERROR
    assert gate.why == "3 of 40 pairs could not be measured; an incomplete run never passes."


def test_a_run_of_which_nothing_was_measured_is_an_error() -> None:
    gate, _ = decided(check(), coverage=Coverage(planned=40, measured=0, skipped=40, failed=0))
    assert gate.verdict is Verdict.ERROR
    assert gate.why == "40 of 40 pairs could not be measured; an incomplete run never passes."


def test_a_run_with_skipped_pairs_never_passes() -> None:
    holed = Coverage(planned=40, measured=39, skipped=1, failed=0)
    told = "1 of 40 pairs were skipped; an incomplete run never passes."
    gate, _ = decided(check(), findings=PASSING, coverage=holed)
    assert (gate.verdict, gate.why) == (Verdict.INCONCLUSIVE, told)
    gate, _ = decided(check(), findings=FAILING, coverage=holed, waivers=(waiver(),))
    assert (gate.verdict, gate.why) == (Verdict.INCONCLUSIVE, told)
    assert decided(check(), findings=FAILING, coverage=holed)[0].verdict is Verdict.FAIL


@pytest.mark.parametrize(("days", "late"), [(-1, False), (0, False), (1, True)])
def test_a_threshold_younger_than_the_run_is_marked(days: int, late: bool) -> None:
    own = check(date=DAY + dt.timedelta(days))
    gate, _ = decided(own, findings=PASSING)
    result = gate.checks[0]
    assert result.set_after_the_fact is late
    assert (result.set_by, result.set_reason) == ("board", "agreed")
    assert result.set_on == own.date.isoformat()
