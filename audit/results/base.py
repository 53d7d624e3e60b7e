"""The base of everything in ``audit.json``, and the verdicts."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """What a check, and the whole audit, comes to."""

    PASS = "PASS"
    WAIVED = "WAIVED"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"
    ERROR = "ERROR"

    @classmethod
    def worst(cls, verdicts: list[Verdict]) -> Verdict:
        """ERROR > FAIL > INCONCLUSIVE > WAIVED > PASS; nothing checked is INCONCLUSIVE."""
        order = list(cls)
        return max(verdicts, key=order.index, default=cls.INCONCLUSIVE)


class ExitCode(IntEnum):
    """Exit codes of the command (part of the public contract)."""

    PASS = 0
    FAIL = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 3
    ERROR = 4

    @classmethod
    def of(cls, verdict: Verdict) -> ExitCode:
        """The exit code that tells a verdict."""
        return cls.PASS if verdict is Verdict.WAIVED else cls[verdict.value]


class Result(BaseModel):
    """Base of everything in ``audit.json``: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
