"""Findings, heads and checks for the gate, made up."""

from __future__ import annotations

import datetime as dt
from typing import Any

from audit.config import Check, CheckMeasure, RunConfig, Waiver
from audit.gate import decide
from audit.results import Coverage, Finding, Gate, HeadFinding, WaiverInfo

DAY = dt.date(2026, 11, 20)
WHOLE = Coverage(planned=40, measured=40, skipped=0, failed=0)


def check(measure: CheckMeasure = "total_effect", at_most: float = 0.1, **more: Any) -> Check:
    given = {"id": measure, "set_by": "board", "reason": "agreed", "date": DAY, **more}
    return Check(measure=measure, at_most=at_most, **given)


def finding(
    measure: str, estimate: float | None, low: float | None, high: float | None, **more: Any
) -> Finding:
    given = {"suite": "jobs", "axis": "gender", "contrast": ("she", "he"), **more}
    return Finding(measure=measure, estimate=estimate, ci_low=low, ci_high=high, **given)


def head(number: int = 0, label: str = "none", bound: float | None = 0.05, **more: Any) -> HeadFinding:
    given = {"suite": "jobs", "contrast": ("she", "he"), "label_pronoun": label, "label_next": label, **more}
    return HeadFinding(
        stream="self", layer=3, head=number, label=label, flagged=label == "carries", bound=bound, **given
    )


def decided(
    *checks: Check,
    findings: tuple[Finding, ...] = (),
    heads: tuple[HeadFinding, ...] = (),
    coverage: Coverage = WHOLE,
    waivers: tuple[Waiver, ...] = (),
    **more: Any,
) -> tuple[Gate, tuple[WaiverInfo, ...]]:
    config = RunConfig(checks=checks, waivers=waivers, **more)
    return decide(config, findings, heads, coverage, DAY, DAY)
