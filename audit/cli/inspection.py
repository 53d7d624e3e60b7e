"""Commands that look at suites and at what is installed: lint, schema, list."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(lint)
    app.command()(schema)
    app.command("list")(list_parts)


def lint(
    suites: Annotated[list[Path], typer.Argument(help="Suite files, or names of built-in suites.")],
) -> int:
    """Tell every fault of a suite at once, with file and line. Warnings do not change the exit code."""
    from audit.errors import EvenhandError, InputError
    from audit.lint import lint as find_faults
    from audit.loader import load_suite

    errors = 0
    for suite in suites:
        try:
            found = find_faults(load_suite(suite))
        except InputError as error:
            print(error, file=sys.stderr)
            errors += len(error.faults)
            continue
        for finding in found:
            mark = "" if finding.severity == "error" else f"{finding.severity}: "
            print(f"{mark}{finding.fault}", file=sys.stderr)
        errors += sum(finding.severity == "error" for finding in found)
        if not found:
            print(f"{suite}: no faults")
    return EvenhandError.exit_code if errors else 0


def schema(
    subject: Annotated[str, typer.Argument(help="suite or config.")] = "suite",
) -> None:
    """Print the JSON Schema of suites or configs, for editors."""
    from audit.errors import InputError
    from audit.schema import schema as schema_of

    match subject:
        case "suite" | "config":
            print(json.dumps(schema_of(subject), indent=2, ensure_ascii=False))
        case _:
            raise InputError.single(f"no schema of {subject!r}; expected suite or config")


def list_parts() -> None:
    """List the built-in suites and presets, and the probes, reports and backends that are installed."""
    from audit.loader import built_in
    from audit.registry import BACKENDS, PROBES, REPORTS

    parts = {
        "suites": built_in("suites"),
        "presets": built_in("configs"),
        "probes": PROBES.names(),
        "reports": REPORTS.names(),
        "backends": BACKENDS.names(),
    }
    for kind, names in parts.items():
        print(f"{kind:<9} {', '.join(names)}")
