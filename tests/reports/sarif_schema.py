"""The JSON schema of SARIF 2.1.0."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker


@cache
def _validator() -> Draft4Validator:
    schema = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema, format_checker=FormatChecker())


def sarif_faults(log: dict[str, Any]) -> list[str]:
    """What the schema has against a log."""
    return [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(log)]
