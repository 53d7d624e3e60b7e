"""Commands that show finished runs otherwise: two side by side, or a figure of one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(compare)
    app.command()(figure)


def compare(
    base: Annotated[Path, typer.Argument(help="The finished run to compare with.")],
    head: Annotated[Path, typer.Argument(help="The finished run that may be worse.")],
    formats: Annotated[
        str | None, typer.Option("--format", help="html, markdown; separated by commas.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder for these files.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The whole comparison as one line of JSON.")
    ] = False,
) -> None:
    """Tell what got worse, better, or stayed between two runs, pair by pair and without the model.

    It decides nothing: the exit code is 0 when both could be compared. `evenhand gate --baseline` decides.
    """
    from audit.comparing import compare_folders
    from audit.comparison_files import check_formats, write_comparison
    from audit.comparison_summary import print_comparison

    names = () if formats is None else tuple(name.strip() for name in formats.split(","))
    check_formats(names, out)
    comparison = compare_folders(base, head)
    files = write_comparison(comparison, names, out)
    if as_json:
        sys.stdout.write(comparison.model_dump_json() + "\n")
        return
    print_comparison(comparison)
    for file in files:
        print(file)


def figure(
    folder: Annotated[Path, typer.Argument(help="A finished run.")],
    name: Annotated[str, typer.Argument(help="Such as head-map; an unknown name tells all.")],
) -> None:
    """Print a figure of a finished run as plotly's JSON, for notebooks and trackers."""
    from audit.api import draw_figure

    sys.stdout.write(draw_figure(folder, name).to_json() + "\n")
