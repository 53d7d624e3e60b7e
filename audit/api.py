"""Audits from Python: measure, decide, write the run folder; decide and render again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit.agreement import read_agreement
from audit.backend import backend, load_unproven
from audit.chat import in_chat
from audit.config import RunConfig
from audit.environment import now
from audit.errors import InputError, MeasurementError, ModelError, StoreError
from audit.expand import expand
from audit.instruments import instruments
from audit.measured_run import measure_and_write
from audit.pairs import Pair
from audit.progress import Watcher
from audit.protocols import Model
from audit.ray_worker import check_ray
from audit.registry import FIGURES, REPORTS
from audit.renders import known_renders
from audit.request import Request
from audit.results import LoadedAudit, ModelInfo, SelfTestStep
from audit.run_records import open_records
from audit.store import (
    AUDIT,
    MANIFEST,
    RunFolder,
    check_target,
    open_run,
    write_audit,
)
from audit.suite import NEEDED_HEADS

#: The step of every self-test without which nothing can be measured at all.
_NUMBERS = "logits are numbers"


def _load(spec: str, config: RunConfig, allow_pickle: bool) -> tuple[Model, tuple[SelfTestStep, ...]]:
    model = load_unproven(spec, config, allow_pickle)
    return model, backend().self_test(model)


def examine_model(spec: str, config: RunConfig, allow_pickle: bool = False) -> ModelInfo:
    """Load a model and try every proof of the self-test, passed or not.

    Raises:
        ModelError: it cannot be found or loaded.
    """
    model, steps = _load(spec, config, allow_pickle)
    return model.describe(steps)


def load_model(
    spec: str, config: RunConfig, allow_pickle: bool = False
) -> tuple[Model, tuple[SelfTestStep, ...]]:
    """Load a model and prove that capture is exact on it.

    Raises:
        ModelError: it cannot be found, loaded, or measured exactly.
        MeasurementError: its logits are NaN or infinite.
    """
    model, steps = _load(spec, config, allow_pickle)
    for step in steps:
        if step.name == _NUMBERS and not step.passed:
            raise MeasurementError(f"{spec}: {step.note}")
    if broken := [step for step in steps if not step.passed]:
        told = "; ".join(f"{step.name}: {step.note or step.value}" for step in broken)
        raise ModelError(f"{spec}: attention cannot be measured exactly on this model ({told})")
    return model, steps


def run_audit(request: Request, watcher: Watcher) -> RunFolder:
    """Measure, decide, write the run folder, then render the reports from it.

    A renderer that fails loses nothing: the run is complete before and can be rendered again.

    Raises:
        InputError, ModelError: before anything is measured.
        StoreError: the run folder cannot be written.
    """
    started = now()
    if request.engine == "ray":
        check_ray()
    pairs = _pairs(request)
    probes = instruments(request.config.probes)
    for name in request.formats:
        REPORTS.get(name, "format")
    check_target(request.out)
    if request.baseline is not None:
        open_run(request.baseline)
    finished = (request.out / AUDIT).exists()
    with open_records(request.out, watcher, resume=request.resume, finished=finished) as records:
        with watcher.step("loading the model"):
            model, steps = load_model(request.model, request.config, request.allow_pickle)
        _check_heads(request, model)
        chats = {suite.suite.suite for suite in request.suites if suite.suite.prompt == "chat"}
        pairs = [in_chat(pair, model) if pair.suite in chats else pair for pair in pairs]
        info = model.describe(steps)
        measure_and_write(request, pairs, probes, model, info, records, watcher, started)
    render(request.out, request.formats)
    return open_run(request.out)


def _pairs(request: Request) -> list[Pair]:
    pairs = [pair for suite in request.suites for pair in expand(suite)]
    if len({suite.suite.suite for suite in request.suites}) < len(request.suites):
        raise InputError.single(
            "two suites have the same name; expected each suite once", request.suites[0].file
        )
    first: dict[str, Pair] = {}
    for pair in pairs:
        known = first.setdefault(pair.pair_id, pair)
        if known is not pair:
            message = f"the pair id {pair.pair_id!r} is also in the suite {known.suite!r}"
            raise InputError.single(f"{message}; expected ids that differ", pair.file, pair.line)
    return pairs


def _check_heads(request: Request, model: Model) -> None:
    """A suite whose task the model cannot be asked is bad input, before anything is measured."""
    faults = [
        suite.document.fault(
            ("task",),
            f"'{suite.suite.task}' needs a model with the head '{needed}'; {request.model} has '{model.head}'",
        )
        for suite in request.suites
        if (needed := NEEDED_HEADS.get(suite.suite.task, model.head)) != model.head
    ]
    if faults:
        raise InputError(faults)


def load(path: Path) -> LoadedAudit:
    """Read a finished run for a notebook: the audit, the tables of its folder, and its figures.

    Raises:
        InputError: no finished run.
    """
    open_run(path)
    return LoadedAudit.of((path / AUDIT).read_bytes(), path, draw_figure)


def draw_figure(path: Path, name: str) -> Any:
    """Draw a figure of a finished run with plotly.

    Args:
        path: the run folder.
        name: one of the entry points ``evenhand.figures``.
    Raises:
        InputError: no finished run, an unknown figure, or nothing to draw.
    """
    return FIGURES.get(name).draw(open_run(path).audit)


def render(path: Path, formats: Sequence[str], key: Path | None = None) -> list[Path]:
    """Render a finished run again, in other formats; nothing is measured.

    What was rendered is kept in ``renders.json`` by its hash. Formats that can be signed come last, so that they can
    speak of the others.

    Args:
        path: the run folder.
        formats: names of renderers.
        key: private key (PEM) for the formats that can be signed; None to sign nothing.
    Returns:
        The files written, in this order.
    Raises:
        InputError: no finished run, an unknown format, or a key for which there is none; nothing is rendered then.
        StoreError: the folder cannot be written, or what would be signed is not what the run wrote.
    """
    from audit.rendering import render_all

    return render_all(open_run(path), {name: REPORTS.get(name, "format") for name in formats}, key)


def gate_again(path: Path, config: RunConfig | None, baseline: Path | None = None) -> RunFolder:
    """Decide again from a finished run, without the model; rewrites ``audit.json`` and its report.

    Every departure from what the run was made with is told among the limits, with the run's own verdict;
    thresholds that it was not made with are marked.

    Args:
        path: the run folder.
        config: other thresholds; None for those that the run was made with.
        baseline: a finished run that checks of changes measure from.
    Raises:
        InputError: no finished run here, or as the baseline.
        StoreError: its tables cannot be read, or the folder cannot be written.
    """
    from audit.comparing import side_of
    from audit.conclude import conclude

    run = open_run(path)
    other = None if baseline is None else side_of(open_run(baseline))
    agreed, known = read_agreement(path / MANIFEST), known_renders(path)
    chosen = agreed.config if config is None else _measured_as(agreed.config, config)
    audit = conclude(
        chosen,
        run.audit.model,
        run.audit.suites,
        run.tables(),
        run.heads(),
        run.audit.coverage,
        run.audit.environment,
        agreed,
        run.audit.held_out,
        other,
    )
    try:
        replace(known, audit=write_audit(path, audit)).write(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); nothing was changed") from error
    if (path / "report.html").exists():
        render(path, ("html",))
    return RunFolder(path, audit)


def _measured_as(old: RunConfig, new: RunConfig) -> RunConfig:
    """The new thresholds; everything about the measuring stays as it was."""
    kept = ("probes", "seed", "dtype", "device", "batch_size", "detail", "generation", "causal", "ablation")
    return new.model_copy(update={name: getattr(old, name) for name in kept})
