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
    app.command()(power)


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


def power(
    suites: Annotated[list[Path], typer.Argument(help="Suite files, or names of built-in suites.")],
    model: Annotated[
        str | None, typer.Option(help="Measured on a pilot: a folder, a .gguf file, a hub id, 'demo'.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="A finished run of the suites, instead of a pilot.")
    ] = None,
    config: Annotated[str, typer.Option(help="The thresholds: a preset's name or a file.")] = "quick",
    templates: Annotated[int, typer.Option(help="Templates of the pilot.")] = 6,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as one line of JSON.")] = False,
) -> None:
    """Tell which effects suites can find, and how many templates, items or pairs each threshold needs."""
    from audit.errors import InputError
    from audit.loader import load_config, load_suite
    from audit.pilot import plan_from_pilot, plan_from_run
    from audit.power_summary import power_json, print_power
    from audit.progress import Watcher

    if (model is None) == (run is None):
        told = "both are given" if model else "neither is given"
        raise InputError.single(
            f"{told}; expected a model to try the suite on, or a finished run", path="--model, --run"
        )
    if templates < 2:
        raise InputError.single(f"out of range (got {templates}); expected at least 2", path="--templates")
    loaded, rule = [load_suite(suite) for suite in suites], load_config(config)[0]
    if run is not None:
        plan = plan_from_run(loaded, run, rule)
    else:
        plan = plan_from_pilot(loaded, str(model), rule, templates, Watcher(as_json))
    if as_json:
        sys.stdout.write(power_json(plan.needs, plan.source, rule.power) + "\n")
    else:
        print_power(plan.needs, plan.source, rule.power)
