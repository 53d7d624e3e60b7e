"""The command that checks a run folder: verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(verify)


def verify(
    folder: Annotated[Path, typer.Argument(help="A finished run.")],
    key: Annotated[
        Path | None, typer.Option(metavar="PUB", help="The public key that it must be signed with (PEM).")
    ] = None,
) -> int:
    """Check every hash and signature of a run folder again. 0 if all is sound, 4 if anything is not."""
    from audit.results import ExitCode
    from audit.verify import verify as check

    found = check(folder, key)
    for fault in found.faults:
        print(fault, file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}")
    if found.faults:
        return int(ExitCode.ERROR)
    signed = f"signed with {key}: {', '.join(found.signed)}; " if found.signed else ""
    print(f"{folder}: sound; {signed}{found.files} files checked")
    print(f"manifest.json  sha256 {found.manifest}")
    return int(ExitCode.PASS)
