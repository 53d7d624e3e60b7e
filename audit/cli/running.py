"""Commands that measure and decide: run, gate, report, doctor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

if TYPE_CHECKING:
    from audit.config import RunConfig
    from audit.request import Request
    from audit.results import Shard
    from audit.store import RunFolder
    from audit.yaml_lines import Document

MODEL_HELP = "A local folder, a .gguf file, a hub id, or 'demo'."
SHARD_HELP = "Measure only share I of N: the effects of all heads, and no held-out halves."
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="The summary as one line of JSON.")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16, float16 or auto.")]
Device = Annotated[str | None, typer.Option(help="Such as cpu, cuda:0 or auto.")]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Accept weights that can run code when loaded.")
]
Baseline = Annotated[
    Path | None, typer.Option(help="A finished run that checks with worse_by_at_most measure from.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume/--no-resume", help="Use what the run folder's records hold, or measure all anew."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (run, gate, report, doctor):
        app.command()(command)


def run(
    suites: Annotated[list[Path], typer.Argument(help="Suite files, or names of built-in suites.")],
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    config: Annotated[str, typer.Option(help="A preset's name or a file.")] = "quick",
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/<suite> if not given.")] = None,
    probes: Annotated[str | None, typer.Option(help="Probes, separated by commas.")] = None,
    dtype: Dtype = None,
    device: Device = None,
    batch_size: Annotated[int | None, typer.Option(help="Pairs measured together.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    limit: Annotated[int | None, typer.Option(help="Measure only the first N pairs.")] = None,
    detail: Annotated[int | None, typer.Option(help="Pairs whose attention is kept for the report.")] = None,
    allow_pickle: AllowPickle = False,
    resume: Resume = True,
    workers: Annotated[int, typer.Option(help="Processes that measure, each with its own model.")] = 1,
    engine: Annotated[str, typer.Option(help="Who runs the workers: local or ray.")] = "local",
    shard: Annotated[str | None, typer.Option(metavar="I/N", help=SHARD_HELP)] = None,
    baseline: Baseline = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Audit a model: measure, decide, write the run folder. The exit code is the verdict.

    A run that was cut goes on when the same command is given again: only the batch in flight is measured twice.
    Shards never pass; `evenhand merge` joins them and decides.
    """
    from audit.api import run_audit
    from audit.progress import Watcher

    changes = {
        "probes": _names(probes) if probes is not None else None,
        "dtype": dtype,
        "device": device,
        "batch_size": batch_size,
        "seed": seed,
        "detail": detail,
    }
    how = {
        "limit": limit,
        "workers": workers,
        "engine": engine,
        "allow_pickle": allow_pickle,
        "resume": resume,
        "baseline": baseline,
    }
    request = _request(suites, model, _changed(config, changes), out, shard, how)
    return tell(run_audit(request, Watcher(quiet or as_json)), quiet, as_json)


def _request(
    suites: Sequence[Path],
    model: str,
    config: RunConfig,
    out: Path | None,
    shard: str | None,
    how: dict[str, Any],
) -> Request:
    """What the options of ``run`` ask for.

    Raises:
        InputError: an option is out of range, or a suite is wrong.
    """
    from audit.errors import InputError
    from audit.loader import load_suite
    from audit.request import Engine, Request
    from audit.sharding import read_shard

    if how["engine"] not in get_args(Engine):
        told = f"unknown engine {how['engine']!r}; expected {' or '.join(get_args(Engine))}"
        raise InputError.single(told, path="--engine")
    for name in ("limit", "workers"):
        if how[name] is not None and how[name] < 1:
            raise InputError.single(f"out of range (got {how[name]}); expected at least 1", path=f"--{name}")
    own = None if shard is None else read_shard(shard)
    folder = out or _default_out(suites[0], own)
    return Request(tuple(load_suite(suite) for suite in suites), model, config, folder, shard=own, **how)


def _default_out(suite: Path, shard: Shard | None) -> Path:
    """``runs/<suite>``; shards of one run must not overwrite each other."""
    return Path("runs") / (suite.stem if shard is None else f"{suite.stem}-{shard.index}-of-{shard.of}")


def gate(
    folder: Annotated[Path, typer.Argument(help="A finished run.")],
    config: Annotated[str | None, typer.Option(help="Other thresholds: a preset's name or a file.")] = None,
    baseline: Baseline = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Decide again from a finished run, without the model. The exit code is the verdict."""
    from audit.api import gate_again

    chosen = None if config is None else _changed(config, {})
    return tell(gate_again(folder, chosen, baseline), quiet, as_json)


def report(
    folder: Annotated[Path, typer.Argument(help="A finished run.")],
    formats: Annotated[str, typer.Option("--format", help="Formats, separated by commas.")] = "html",
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="Sign what can be signed (in-toto): a private key (PEM)."),
    ] = None,
) -> None:
    """Render a finished run again, without the model."""
    from audit.api import render

    for file in render(folder, _names(formats), sign):
        print(file)


def doctor(
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    dtype: Dtype = None,
    device: Device = None,
    allow_pickle: AllowPickle = False,
) -> int:
    """Load a model and prove that capture is exact on it."""
    from audit.api import examine_model
    from audit.progress import Watcher
    from audit.summary import print_self_test

    config = _changed("quick", {"dtype": dtype, "device": device})
    with Watcher().step("loading the model"):
        info = examine_model(model, config, allow_pickle)
    print_self_test(info)
    return 0 if all(step.passed for step in info.self_test) else 2


def _changed(config: str, changes: dict[str, Any]) -> RunConfig:
    """A preset with options of the command line laid over it.

    Raises:
        InputError: an option's value is not one that the config takes.
    """
    from pydantic import ValidationError

    from audit.config import RunConfig
    from audit.errors import Fault, InputError
    from audit.loader import load_config

    loaded, document = load_config(config)
    given = {name: value for name, value in changes.items() if value is not None}
    _check_probes(given.get("probes", ()), "--probes")
    options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
    if "probes" not in given:
        _check_probes(loaded.probes, document)
    elif "ablation" not in given["probes"]:
        given["ablation"] = {**loaded.ablation.model_dump(), "kinds": ()}
    try:
        return RunConfig.model_validate({**loaded.model_dump(), **given})
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            told = fault["msg"].removeprefix("Value error, ")
            if fault["loc"]:
                option = f"--{str(fault['loc'][0]).replace('_', '-')}"
                faults.append(Fault("", 0, option, f"{told} (got {fault['input']!r})"))
            else:  # options that do not go together
                faults.append(Fault("", 0, options, told))
        raise InputError(faults) from error


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(","))


def _check_probes(names: Sequence[str], named_in: Document | str) -> None:
    """Tell an unknown probe where it was named, before any probe is loaded."""
    from audit.errors import Fault, InputError
    from audit.registry import PROBES

    for number, name in enumerate(names):
        if name in PROBES.names():
            continue
        try:
            PROBES.get(name)
        except InputError as error:
            told = error.faults[0].message
            if isinstance(named_in, str):
                raise InputError([Fault("", 0, named_in, told)]) from None
            raise InputError([named_in.fault(("probes", number), told)]) from None


def tell(done: RunFolder, quiet: bool, as_json: bool) -> int:
    """Tell the outcome; the exit code is the verdict."""
    from audit.results import ExitCode
    from audit.summary import print_summary, summary_json

    if as_json:
        sys.stdout.write(summary_json(done) + "\n")
    elif not quiet:
        print_summary(done)
    return int(ExitCode.of(done.audit.verdict))
