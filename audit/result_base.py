"""The base of everything in ``audit.json``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of everything in ``audit.json``: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
