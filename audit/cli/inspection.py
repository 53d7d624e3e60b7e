"""Commands that look at suites, configs and what is installed: lint, schema, list, waivers."""

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
    app.command()(waivers)


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
    """List the built-in suites and presets, and the probes, reports, figures and backends that are installed."""
    from audit.loader import built_in
    from audit.registry import BACKENDS, FIGURES, PROBES, REPORTS

    parts = {
        "suites": built_in("suites"),
        "presets": built_in("configs"),
        "probes": PROBES.names(),
        "reports": REPORTS.names(),
        "figures": FIGURES.names(),
        "backends": BACKENDS.names(),
    }
    for kind, names in parts.items():
        print(f"{kind:<9} {', '.join(names)}")


def waivers(
    configs: Annotated[
        list[str] | None, typer.Argument(help="Configs: files or presets; the built-in presets if none.")
    ] = None,
) -> None:
    """List the waivers of configs, soonest to expire first, and mark those that end within 30 days."""
    import datetime as dt

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from audit.loader import built_in
    from audit.waivers import list_waivers

    found = list_waivers(configs or built_in("configs"), dt.datetime.now(dt.UTC).date())
    if not found:
        print("no waivers")
        return
    styles = {"expired": "bold red3", "about to expire": "gold3", "not yet valid": "dim"}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("waiver", "accepts", "last day", "", "owner", "config"):
        table.add_column(title, overflow="fold")
    for one in found:
        waiver, style = one.waiver, styles.get(one.state, "")
        cells = (waiver.id, one.scope, str(waiver.expires), one.told, waiver.owner, one.config)
        table.add_row(*(Text(cell, style=style if cell == one.told else "") for cell in cells))
    Console(highlight=False).print(table)
