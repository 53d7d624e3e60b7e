"""From a loaded model to a finished run folder: measure with records, decide, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.batch_key import RunKey, run_key
from audit.config import RunConfig
from audit.environment import describe_environment, now
from audit.head_spool import HeadSpool
from audit.hiring import crew_of, threads_of
from audit.instruments import Instruments
from audit.loader import LoadedSuite
from audit.pairs import Pair
from audit.planning import Plan, plan
from audit.progress import Watcher
from audit.protocols import Model
from audit.recorded import Recorded, RecordedFields
from audit.request import Request
from audit.results import Audit, HeadFinding, HeldOut, ModelInfo, SuiteInfo
from audit.run_records import RECORDS, RunRecords
from audit.sharding import share_of
from audit.store import open_run, write_detail, write_run

if TYPE_CHECKING:
    import pandas as pd

    from audit.head_table import HeadTable
    from audit.survey import Surveys
    from audit.tables import Tables


def measure_and_write(
    request: Request,
    pairs: Sequence[Pair],
    probes: Instruments,
    model: Model,
    info: ModelInfo,
    records: RunRecords,
    watcher: Watcher,
    started: str,
) -> None:
    """Measure what no record is there for, decide, and write the run folder.

    Args:
        request: what to audit.
        pairs: of all suites, as they are measured.
        probes: of the config.
        model, info: loaded and proven; and what it is.
        records: of the run folder, open.
        watcher, started: told of progress; when the run began.
    Raises:
        ModelError: a suite asks for what the model does not have.
        StoreError: the run folder cannot be written; what was measured is kept.
    """
    from audit.runner import measure, pairs_to_show

    config, chosen = request.config, pairs[: request.limit]
    environment = describe_environment(threads_of(request.workers))
    planned = plan(chosen, model, config.batch_size)
    others = (*probes.surveyors, *probes.interveners)
    key = run_key(info, config, probes.by_pair, others, environment, planned.pairs)
    surveys = _surveys(request, probes, model, watcher)
    own = _own_share(request, planned, probes)
    with closing(HeadSpool(request.out.resolve() / RECORDS)) as spool:
        with crew_of(request, model, info, planned.pairs, probes.by_pair, environment) as measuring:
            crew, measured_with = Recorded(measuring, records, key.of_batch), _measured_with(request)
            tables = measure(model, chosen, probes.by_pair, measured_with, watcher, crew, own, spool)
        if read := crew.pairs_read:
            watcher.note(f"{read} of {len(own.pairs)} pairs were measured before; their records are used")
        frames = {"pairs": tables.pairs(), "outputs": tables.outputs(), **surveys.tables}
        heads = tables.head_table()
        held_out = _held_out(request, chosen, (frames["pairs"], heads), probes, model, records, key, watcher)
        with watcher.step("statistics"):
            about = {**environment, "started": started, "finished": now()}
            audit = _concluded(request, pairs, info, tables, heads, frames, surveys, held_out, about)
        shown = pairs_to_show(frames["pairs"], heads, audit.heads, config.detail)
        details = partial(_write_details, shown, pairs, audit.heads, probes, model)
        made_by = {"run": key.digest, "ledger": records.digest, "source": key.source}
        manifest = {**manifest_of(audit, request.limit, probes.versions), "records": made_by}
        write_run(request.out, frames, tables.head_frames(), details, manifest, audit)
    records.settle()


def _own_share(request: Request, planned: Plan, probes: Instruments) -> Plan:
    """The batches that this run measures: all, or those of its shard.

    Everything is planned and prepared for the whole run, so that a shard's numbers, and the keys of its records, are
    those of the whole run.
    """
    if request.shard is None:
        return planned
    return share_of(planned, request.shard, probes.by_pair, request.config)


def _measured_with(request: Request) -> RunConfig:
    """A shard cannot know which heads its whole run would choose for stage 2, so it measures all."""
    config = request.config
    if request.shard is None:
        return config
    return config.model_copy(update={"causal": config.causal.model_copy(update={"heads": "all"})})


def _surveys(request: Request, probes: Instruments, model: Model, watcher: Watcher) -> Surveys:
    from audit.survey import survey

    return survey(model, [suite.suite for suite in request.suites], probes.surveyors, request.config, watcher)


def _held_out(
    request: Request,
    chosen: Sequence[Pair],
    tables: tuple[pd.DataFrame, HeadTable],
    probes: Instruments,
    model: Model,
    records: RunRecords,
    key: RunKey,
    watcher: Watcher,
) -> tuple[HeldOut, ...]:
    """Heads of one half, tried on the other; not in a shard, whose pairs are no random halves of anything."""
    from audit.generality import trial_of, try_out

    if request.shard is not None:
        return ()
    found: list[HeldOut] = []
    for probe in probes.interveners:
        memory = RecordedFields(records, partial(key.of_trial, probe))
        trial = trial_of(model, chosen, probe, memory.recall)
        found += try_out(*tables, request.config, watcher, trial)
    return tuple(found)


def _concluded(
    request: Request,
    pairs: Sequence[Pair],
    info: ModelInfo,
    tables: Tables,
    heads: HeadTable,
    frames: Mapping[str, pd.DataFrame],
    surveys: Surveys,
    held_out: tuple[HeldOut, ...],
    environment: dict[str, Any],
) -> Audit:
    from audit.comparing import side_of
    from audit.conclude import conclude, coverage_of

    suites = [
        _suite_info(suite, [pair for pair in pairs if pair.suite == suite.suite.suite])
        for suite in request.suites
    ]
    left_out = [pair.pair_id for pair in pairs[len(frames["pairs"]) :]]
    coverage = coverage_of(
        frames["pairs"], tables.reasons(), tables.unaligned_words, left_out, surveys.coverage, request.shard
    )
    baseline = None if request.baseline is None else side_of(open_run(request.baseline))
    return conclude(
        request.config,
        info,
        suites,
        frames,
        heads,
        coverage,
        environment,
        held_out=held_out,
        baseline=baseline,
    )


def _write_details(
    shown: Sequence[str],
    pairs: Sequence[Pair],
    findings: Sequence[HeadFinding],
    probes: Instruments,
    model: Model,
    folder: Path,
) -> None:
    from audit.importance import telling_heads

    by_id = {pair.pair_id: pair for pair in pairs}
    for probe in probes.details:
        for name in shown:
            write_detail(folder, probe.detail(model, by_id[name], telling_heads(findings, by_id[name])))


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


def manifest_of(audit: Audit, limit: int | None, probes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What would make another run another run; never changed afterwards.

    Args:
        audit: the result.
        limit: of pairs.
        probes: what measured, by what it is asked for: name → version.
    """
    shard = audit.coverage.shard
    return {
        "model": audit.model.model_dump(mode="json"),
        "suites": [suite.model_dump(mode="json") for suite in audit.suites],
        "config": audit.config,
        "environment": audit.environment,
        "probes": probes,
        "limit": limit,
        "seed": audit.config["seed"],
        "shard": None if shard is None else shard.model_dump(),
        "verdict": audit.verdict,
    }
