"""Commands about the audit itself: does it find what was planted, and what could a suite find?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_ERROR = 4


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(selfcheck)


def selfcheck(
    seeds: Annotated[int, typer.Option(help="Planted models, and as many null models.")] = 10,
    dose: Annotated[float, typer.Option(help="Size of what is planted; 1 means biases of about 0.2.")] = 1.0,
    config: Annotated[str, typer.Option(help="The rule: a preset's name or a file.")] = "quick",
    save: Annotated[Path | None, typer.Option(help="Keep the first planted model in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as one line of JSON.")] = False,
) -> int:
    """Plant biased heads into models, audit these and null models, and tell what was found. 0 if all bars hold."""
    from audit.errors import InputError
    from audit.loader import load_config
    from audit.planting import Planting
    from audit.progress import Watcher
    from audit.selfcheck import run_selfcheck, save_planted
    from audit.selfcheck_summary import print_selfcheck, selfcheck_json

    if seeds < 1:
        raise InputError.single(f"out of range (got {seeds}); expected at least 1", path="--seeds")
    if not dose > 0:
        raise InputError.single(f"out of range (got {dose:g}); expected more than 0", path="--dose")
    rule = load_config(config)[0]
    if save is not None:
        save_planted(save, Planting(0, dose))
    outcome = run_selfcheck(seeds, dose, rule, Watcher(as_json))
    if as_json:
        sys.stdout.write(selfcheck_json(outcome) + "\n")
    else:
        print_selfcheck(outcome)
    return 0 if outcome.holds else _ERROR
