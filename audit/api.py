"""Audits from Python: measure, decide, write the run folder; decide and render again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.agreement import read_agreement
from audit.chat import in_chat
from audit.config import RunConfig
from audit.environment import describe_environment, now
from audit.errors import InputError, MeasurementError, ModelError, StoreError
from audit.expand import expand
from audit.instruments import Instruments, instruments
from audit.loader import LoadedSuite
from audit.pairs import Pair
from audit.progress import Watcher
from audit.protocols import Model
from audit.registry import BACKENDS, REPORTS
from audit.results import Audit, ModelInfo, SelfTestStep, SuiteInfo
from audit.store import (
    MANIFEST,
    RunFolder,
    check_target,
    open_run,
    replacing,
    write_audit,
    write_detail,
    write_json,
    write_table,
)
from audit.suite import NEEDED_HEADS

BACKEND = "transformers"
#: The step of every self-test without which nothing can be measured at all.
_NUMBERS = "logits are numbers"


@dataclass(frozen=True, slots=True)
class Request:
    """What to audit.

    Args:
        suites: loaded suites; at least one.
        model: a folder, a ``.gguf`` file, a hub id, or ``demo``.
        config: how to measure and what to accept.
        out: the run folder.
        limit: measure only the first pairs of all suites together; None for all.
        allow_pickle: accept weights that run code when loaded.
        formats: reports to render.
    """

    suites: tuple[LoadedSuite, ...]
    model: str
    config: RunConfig
    out: Path
    limit: int | None = None
    allow_pickle: bool = False
    formats: tuple[str, ...] = ("html",)


def _load(spec: str, config: RunConfig, allow_pickle: bool) -> tuple[Model, tuple[SelfTestStep, ...]]:
    backend = BACKENDS.get(BACKEND)
    model = backend.load(spec, dtype=config.dtype, device=config.device, allow_pickle=allow_pickle)
    return model, backend.self_test(model)


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
    pairs = _pairs(request)
    probes = instruments(request.config.probes)
    for name in request.formats:
        REPORTS.get(name, "format")
    check_target(request.out)
    with watcher.step("loading the model"):
        model, steps = load_model(request.model, request.config, request.allow_pickle)
    _check_heads(request, model)
    chats = {suite.suite.suite for suite in request.suites if suite.suite.prompt == "chat"}
    pairs = [in_chat(pair, model) if pair.suite in chats else pair for pair in pairs]
    return _measure_and_write(request, pairs, probes, model, model.describe(steps), watcher, started)


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


def _measure_and_write(
    request: Request,
    pairs: Sequence[Pair],
    probes: Instruments,
    model: Model,
    info: ModelInfo,
    watcher: Watcher,
    started: str,
) -> RunFolder:
    from audit.conclude import conclude, coverage_of
    from audit.generality import try_out
    from audit.runner import measure, pairs_to_show
    from audit.survey import survey

    config = request.config
    chosen = pairs[: request.limit]
    surveys = survey(model, [suite.suite for suite in request.suites], probes.surveyors, config, watcher)
    tables = measure(model, chosen, probes.by_pair, config, watcher)
    frames = {"pairs": tables.pairs(), "outputs": tables.outputs(), "heads": tables.heads(), **surveys.tables}
    suites = [
        _suite_info(suite, [p for p in pairs if p.suite == suite.suite.suite]) for suite in request.suites
    ]
    held_out = tuple(
        result
        for probe in probes.interveners
        for result in try_out(model, chosen, frames, probe, config, watcher)
    )
    environment = {**describe_environment(_threads()), "started": started, "finished": now()}
    left_out = [pair.pair_id for pair in pairs[len(chosen) :]]
    coverage = coverage_of(
        frames["pairs"], tables.reasons(), tables.unaligned_words, left_out, surveys.coverage
    )
    with watcher.step("statistics"):
        audit = conclude(config, info, suites, frames, coverage, environment, held_out=held_out)
    with replacing(request.out) as folder:
        for name, frame in frames.items():
            write_table(folder, name, frame)
        for probe in probes.details:
            for pair in pairs_to_show(frames["pairs"], frames["heads"], pairs, audit.heads, config.detail):
                write_detail(folder, probe.detail(model, pair))
        write_json(folder / MANIFEST, _manifest(audit, request))
        write_audit(folder, audit)
    render(request.out, request.formats)
    return open_run(request.out)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _suite_info(loaded: LoadedSuite, pairs: Sequence[Pair]) -> SuiteInfo:
    suite = loaded.suite
    return SuiteInfo(
        name=suite.suite,
        version=suite.version,
        axis=suite.axis,
        task=suite.task,
        file=str(loaded.file),
        sha256=loaded.sha256,
        pairs=len(pairs),
        treatment=sum(pair.kind == "treatment" for pair in pairs),
        control=sum(pair.kind == "control" for pair in pairs),
        clusters=len({pair.cluster for pair in pairs}),
        items=len({pair.item for pair in pairs}),
        license=suite.license,
        sources=tuple(suite.sources),
        hazard=suite.hazard,
    )


def _manifest(audit: Audit, request: Request) -> dict[str, Any]:
    """What would make another run another run; never changed afterwards."""
    return {
        "model": audit.model.model_dump(mode="json"),
        "suites": [suite.model_dump(mode="json") for suite in audit.suites],
        "config": audit.config,
        "environment": audit.environment,
        "limit": request.limit,
        "seed": request.config.seed,
        "verdict": audit.verdict,
    }


def _render(folder: Path, audit: Audit, formats: Sequence[str]) -> list[Path]:
    return [file for name in formats for file in REPORTS.get(name, "format").render(folder, audit)]


def render(path: Path, formats: Sequence[str]) -> list[Path]:
    """Render a finished run again, in other formats; nothing is measured.

    Raises:
        InputError: no finished run, or an unknown format; nothing is rendered then.
        StoreError: the folder cannot be written.
    """
    run = open_run(path)
    for name in formats:
        REPORTS.get(name, "format")
    try:
        return _render(path, run.audit, formats)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from error


def gate_again(path: Path, config: RunConfig | None) -> RunFolder:
    """Decide again from a finished run, without the model; rewrites ``audit.json`` and its report.

    Every departure from what the run was made with is told among the limits, with the run's own verdict;
    thresholds that it was not made with are marked.

    Args:
        path: the run folder.
        config: other thresholds; None for those that the run was made with.
    Raises:
        InputError: no finished run.
        StoreError: its tables cannot be read, or the folder cannot be written.
    """
    from audit.conclude import conclude

    run = open_run(path)
    agreed = read_agreement(path / MANIFEST)
    chosen = agreed.config if config is None else _measured_as(agreed.config, config)
    audit = conclude(
        chosen,
        run.audit.model,
        run.audit.suites,
        run.tables(),
        run.audit.coverage,
        run.audit.environment,
        agreed,
        run.audit.held_out,
    )
    try:
        write_audit(path, audit)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); nothing was changed") from error
    if (path / "report.html").exists():
        render(path, ("html",))
    return RunFolder(path, audit)


def _measured_as(old: RunConfig, new: RunConfig) -> RunConfig:
    """The new thresholds; everything about the measuring stays as it was."""
    kept = ("probes", "seed", "dtype", "device", "batch_size", "detail", "generation", "causal", "ablation")
    return new.model_copy(update={name: getattr(old, name) for name in kept})
