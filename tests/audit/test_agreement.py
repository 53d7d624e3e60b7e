"""What a later decision changes is found, and marked."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from audit.agreement import departures, set_after_the_fact
from audit.config import Check, CheckMeasure, RunConfig, Waiver

DAY = dt.date(2026, 11, 20)


def check(measure: CheckMeasure = "total_effect", at_most: float = 0.1, date: dt.date = DAY) -> Check:
    return Check(id=measure, measure=measure, at_most=at_most, set_by="me", reason="r", date=date)


AGREED = RunConfig(checks=(check(), check("flagged_heads", 0)))


def test_nothing_changed_is_no_departure() -> None:
    assert departures(AGREED, AGREED) == ()


def test_every_change_is_named() -> None:
    waiver = Waiver(
        id="w",
        check="total_effect",
        owner="o",
        approver="a",
        reason="r",
        created=DAY,
        expires=DAY.replace(year=2027),
    )
    chosen = RunConfig(q=0.01, checks=(check(at_most=3), check("likelihood_diff")), waivers=(waiver,))
    assert departures(AGREED, chosen) == (
        "q 0.01 instead of 0.05",
        "check likelihood_diff added",
        "check flagged_heads removed",
        "check total_effect changed",
        "waiver w added",
    )


@pytest.mark.parametrize(
    ("chosen", "measure", "date", "agreed", "late"),
    [
        (AGREED, "total_effect", DAY, None, False),
        (AGREED, "total_effect", DAY + dt.timedelta(1), None, True),
        (AGREED, "total_effect", DAY, AGREED, False),
        (AGREED, "likelihood_diff", DAY, AGREED, True),
        (AGREED, "likelihood_diff", DAY - dt.timedelta(1), AGREED, False),
        (RunConfig(q=0.01), "flagged_heads", DAY - dt.timedelta(9), AGREED, True),
        (RunConfig(q=0.01), "total_effect", DAY - dt.timedelta(9), AGREED, False),
    ],
)
def test_thresholds_younger_than_the_run_or_not_its_own_are_marked(
    chosen: RunConfig, measure: CheckMeasure, date: dt.date, agreed: RunConfig | None, late: bool
) -> None:
    assert set_after_the_fact(check(measure, date=date), chosen, DAY, agreed) is late


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"min_bias 0\.2 is above largest_hidden_bias 0\.15"):
        RunConfig(min_bias=0.2)
    with pytest.raises(ValidationError, match="the causal probe needs the attention probe"):
        RunConfig(probes=("causal",))
