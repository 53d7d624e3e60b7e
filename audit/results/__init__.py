"""The canonical result of an audit: the model of ``audit.json``.

The package imports nothing but itself and pydantic, and by relative names: the public module loads it under a
private name, so that no generic name enters a user's process.
"""

from __future__ import annotations

from typing import Any

from .base import ExitCode, Result, Verdict
from .coverage import Coverage, Reason, Shard, Surveyed
from .decision import CheckResult, Gate, WaiverInfo
from .findings import Estimate, Finding, HeadFinding, HeldOut, Label
from .provenance import ModelInfo, SelfTestStep, SuiteInfo

__all__ = [
    "SCHEMA_VERSION",
    "Audit",
    "CheckResult",
    "Coverage",
    "Estimate",
    "ExitCode",
    "Finding",
    "Gate",
    "HeadFinding",
    "HeldOut",
    "Label",
    "Limit",
    "ModelInfo",
    "Reason",
    "Result",
    "SelfTestStep",
    "Shard",
    "SuiteInfo",
    "Surveyed",
    "Verdict",
    "WaiverInfo",
]

SCHEMA_VERSION = "1.0"


class Limit(Result):
    """One thing that the audit cannot tell."""

    id: str
    text: str


class Audit(Result):
    """``audit.json``, whole: the single canonical result."""

    schema_version: str = SCHEMA_VERSION
    verdict: Verdict
    model: ModelInfo
    suites: tuple[SuiteInfo, ...]
    config: dict[str, Any]
    environment: dict[str, Any]
    coverage: Coverage
    findings: tuple[Finding, ...]
    heads: tuple[HeadFinding, ...]
    held_out: tuple[HeldOut, ...] = ()
    gate: Gate
    waivers: tuple[WaiverInfo, ...] = ()
    limits: tuple[Limit, ...] = ()
