"""The canonical result of an audit: the model of ``audit.json``.

The package imports nothing but itself and pydantic, and by relative names: the public module loads it under a
private name, so that no generic name enters a user's process.
"""

from __future__ import annotations

from .audit import SCHEMA_VERSION, Audit, Limit
from .base import ExitCode, Result, Verdict
from .coverage import Coverage, Reason, Shard, Surveyed
from .decision import AgainstBaseline, CheckResult, Gate, WaiverInfo
from .findings import Estimate, Finding, HeadFinding, HeldOut, Label
from .loaded import LoadedAudit
from .provenance import ModelInfo, SelfTestStep, SuiteInfo

__all__ = [
    "SCHEMA_VERSION",
    "AgainstBaseline",
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
    "LoadedAudit",
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
