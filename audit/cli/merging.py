"""The command that joins the shards of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli.running import AsJson, Quiet, tell


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(merge)


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Finished shards: the folders of all of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the whole run.")],
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Join the shards of a run and decide, without the model. The exit code is the verdict.

    Held-out halves need the model, so that they are not tried; everything else is as without shards.
    """
    from audit.merging import merge_shards
    from audit.progress import Watcher

    return tell(merge_shards(shards, out, Watcher(quiet or as_json)), quiet, as_json)
