"""From a loaded model to a finished run folder: measure with records, decide, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.batch_key import RunKey, run_key
from audit.environment import describe_environment, now
from audit.head_spool import HeadSpool
from audit.hiring import crew_of, threads_of
from audit.instruments import Instruments
from audit.loader import LoadedSuite
from audit.pairs import Pair
from audit.planning import plan
from audit.progress import Watcher
from audit.protocols import Model
from audit.recorded import Recorded, RecordedFields
from audit.request import Request
from audit.results import Audit, HeldOut, ModelInfo, SuiteInfo
from audit.run_records import RECORDS, RunRecords
from audit.store import (
    MANIFEST,
    replacing,
    write_audit,
    write_detail,
    write_json,
    write_portions,
    write_table,
)

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
    from audit.runner import measure

    config, chosen = request.config, pairs[: request.limit]
    environment = describe_environment(threads_of(request.workers))
    planned = plan(chosen, model, config.batch_size)
    others = (*probes.surveyors, *probes.interveners)
    key = run_key(info, config, probes.by_pair, others, environment, planned.pairs)
    surveys = _surveys(request, probes, model, watcher)
    measuring = crew_of(request, model, planned.pairs, probes.by_pair, environment["threads"])
    crew = Recorded(measuring, records, key.of_batch)
    with closing(HeadSpool(request.out.resolve() / RECORDS)) as spool:
        tables = measure(model, chosen, probes.by_pair, config, watcher, crew, planned, spool)
        frames = {"pairs": tables.pairs(), "outputs": tables.outputs(), **surveys.tables}
        heads = tables.head_table()
        held_out = _held_out(request, chosen, (frames["pairs"], heads), probes, model, records, key, watcher)
        if crew.pairs_read:
            before = f"{crew.pairs_read} of {len(chosen)} pairs were measured before"
            watcher.note(f"{before}; their records are used")
        with watcher.step("statistics"):
            about = {**environment, "started": started, "finished": now()}
            audit = _concluded(request, pairs, info, tables, heads, frames, surveys, held_out, about)
        digests = {"run": key.digest, "ledger": records.digest}
        _write(request, audit, frames, tables, pairs, probes, model, digests)
    records.settle()


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
    from audit.generality import try_out

    found: list[HeldOut] = []
    for probe in probes.interveners:
        memory = RecordedFields(records, partial(key.of_trial, probe))
        found += try_out(model, chosen, *tables, probe, request.config, watcher, memory.recall)
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
    from audit.conclude import conclude, coverage_of

    suites = [
        _suite_info(suite, [pair for pair in pairs if pair.suite == suite.suite.suite])
        for suite in request.suites
    ]
    left_out = [pair.pair_id for pair in pairs[len(frames["pairs"]) :]]
    coverage = coverage_of(
        frames["pairs"], tables.reasons(), tables.unaligned_words, left_out, surveys.coverage
    )
    return conclude(request.config, info, suites, frames, heads, coverage, environment, held_out=held_out)


def _write(
    request: Request,
    audit: Audit,
    frames: Mapping[str, pd.DataFrame],
    tables: Tables,
    pairs: Sequence[Pair],
    probes: Instruments,
    model: Model,
    digests: dict[str, str],
) -> None:
    with replacing(request.out) as folder:
        for name, frame in frames.items():
            write_table(folder, name, frame)
        write_portions(folder, "heads", tables.head_frames())
        _write_details(folder, audit, (frames["pairs"], tables.head_table()), pairs, probes, model)
        write_json(folder / MANIFEST, _manifest(audit, request, digests))
        write_audit(folder, audit)


def _write_details(
    folder: Path,
    audit: Audit,
    tables: tuple[pd.DataFrame, HeadTable],
    pairs: Sequence[Pair],
    probes: Instruments,
    model: Model,
) -> None:
    from audit.runner import pairs_to_show

    count = int(audit.config["detail"])
    for probe in probes.details:
        for pair in pairs_to_show(*tables, pairs, audit.heads, count):
            write_detail(folder, probe.detail(model, pair))


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


def _manifest(audit: Audit, request: Request, records: dict[str, str]) -> dict[str, Any]:
    """What would make another run another run; never changed afterwards."""
    return {
        "model": audit.model.model_dump(mode="json"),
        "suites": [suite.model_dump(mode="json") for suite in audit.suites],
        "config": audit.config,
        "environment": audit.environment,
        "limit": request.limit,
        "seed": request.config.seed,
        "verdict": audit.verdict,
        "records": records,
    }
