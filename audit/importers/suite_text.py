"""A suite → YAML that the loader reads back as the same suite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.errors import StoreError
from audit.suite import Suite


def suite_yaml(suite: Suite) -> str:
    """Write a suite as YAML: one line for each value, an entry for each pair.

    Values are written as JSON, which YAML reads as the same text, whatever it looks like.
    """
    data = suite.model_dump(mode="json", exclude_defaults=True)
    return "\n".join(line for key, value in data.items() for line in _lines(key, value)) + "\n"


def write_suite(suite: Suite, target: Path) -> None:
    """Write a suite, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(suite_yaml(suite), encoding="utf-8")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{target}: cannot be written ({error.strerror})") from error


def _lines(key: str, value: Any) -> Iterator[str]:
    if not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
        yield f"{key}: {_json(value)}"
        return
    yield f"{key}:"
    for entry in value:
        for number, (name, inner) in enumerate(entry.items()):
            yield f"{'-' if number == 0 else ' '} {name}: {_json(inner)}"


def _json(value: Any) -> str:
    """JSON in which everything that YAML takes for a line's end, or does not take at all, is escaped."""
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
