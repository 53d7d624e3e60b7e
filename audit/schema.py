"""JSON Schemas of suites and presets, for editors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from audit.config import RunConfig
from audit.suite import Suite

Subject = Literal["suite", "config"]

_MODELS: dict[Subject, type[BaseModel]] = {"suite": Suite, "config": RunConfig}
_TITLES: dict[Subject, str] = {"suite": "A suite of evenhand", "config": "A run and gate preset of evenhand"}


def schema(subject: Subject) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a suite or of a preset.

    Keys at the top that begin with ``x-`` are allowed: they hold anchors. What an ``!include`` brings
    in is not seen by a schema, so text is allowed in its place where lists are kept.
    """
    made = _MODELS[subject].model_json_schema(mode="validation")
    made["title"] = _TITLES[subject]
    made["patternProperties"] = {"^x-": {}}
    if subject == "suite":
        for part in ("lists", "items"):
            holder = made["properties"][part]
            included = {"type": "string", "description": "!include FILE"}
            holder["additionalProperties"] = {"anyOf": [holder["additionalProperties"], included]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
