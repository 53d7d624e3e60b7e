"""The command that makes a suite of a public data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("import")(import_suite)


def import_suite(
    name: Annotated[str, typer.Argument(help="crows-pairs, winobias or winogender.")],
    source: Annotated[Path, typer.Argument(help="The data set's own file or folder, as published.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The suite to write.")],
) -> None:
    """Make a suite of a public data set that you have; every row is accounted for."""
    from audit.importers import read_public
    from audit.importers.suite_text import write_suite

    imported = read_public(name, source)
    write_suite(imported.suite, out)
    print(f"{out}: {imported.account()}")
