"""``audit.json`` as a whole."""

from __future__ import annotations

from typing import Any

from .base import Result, Verdict
from .coverage import Coverage
from .decision import Gate, WaiverInfo
from .findings import Finding, HeadFinding, HeldOut
from .provenance import ModelInfo, SuiteInfo

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
