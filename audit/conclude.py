"""Tables → audit: findings, heads, gate, coverage. Needs no model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.agreement import Agreement
from audit.comparing import Side, compare, version_of
from audit.config import RunConfig
from audit.embedding_findings import embedding_findings
from audit.findings import output_findings
from audit.gate import decide
from audit.head_accuracy import with_accuracy
from audit.head_rows import head_table
from audit.head_table import HeadTable
from audit.heads import analyse_heads
from audit.limits import limits_of
from audit.patterns import with_patterns
from audit.referents import coreference_findings
from audit.results import (
    Audit,
    Coverage,
    Finding,
    HeadFinding,
    HeldOut,
    ModelInfo,
    Reason,
    Shard,
    SuiteInfo,
    Surveyed,
)
from audit.results.comparison import ComparedRun

if TYPE_CHECKING:
    import pandas as pd


def coverage_of(
    pairs: pd.DataFrame,
    undefined: tuple[Reason, ...],
    unaligned: int = 0,
    left_out: Sequence[str] = (),
    surveys: tuple[Surveyed, ...] = (),
    shard: Shard | None = None,
) -> Coverage:
    """What was planned, measured, skipped and failed, with reasons.

    Args:
        pairs: ``pairs.parquet``.
        undefined: measures without a value, and why.
        unaligned: words without a partner.
        left_out: pairs of the suites that a limit kept from being measured; they count as skipped.
        surveys: what was asked of the model beside its pairs.
        shard: which part of a run it is; None for a whole one.
    """
    reason = f"left out: the run was limited to {len(pairs)} pairs"
    limited = (Reason(reason=reason, count=len(left_out), pair_ids=tuple(left_out)),) if left_out else ()
    counts = pairs["status"].value_counts()
    return Coverage(
        planned=len(pairs) + len(left_out),
        measured=int(counts.get("measured", 0)),
        skipped=int(counts.get("skipped", 0)) + len(left_out),
        failed=int(counts.get("failed", 0)),
        skipped_reasons=(*_reasons(pairs, "skipped"), *limited),
        failed_reasons=_reasons(pairs, "failed"),
        unaligned_words=unaligned,
        undefined=undefined,
        surveys=surveys,
        shard=shard,
    )


def _reasons(pairs: pd.DataFrame, status: str) -> tuple[Reason, ...]:
    chosen = pairs[pairs["status"] == status]
    return tuple(
        Reason(reason=str(reason), count=len(group), pair_ids=tuple(group["pair_id"]))
        for reason, group in chosen.groupby("reason", dropna=False)
    )


def analyse(
    config: RunConfig, pairs: pd.DataFrame, outputs: pd.DataFrame, heads: HeadTable | pd.DataFrame
) -> tuple[list[Finding], list[HeadFinding]]:
    """Estimate everything from the measured pairs.

    Pairs that were not measured stay in the table: their units are incomplete and must be left out.
    """
    findings = output_findings(pairs, outputs, config) + coreference_findings(pairs, outputs, config)
    table = head_table(heads)
    if not table.sections:
        return findings, []
    return findings, with_accuracy(analyse_heads(pairs, table, config), pairs, table, config)


def conclude(
    config: RunConfig,
    model: ModelInfo,
    suites: Sequence[SuiteInfo],
    tables: Mapping[str, pd.DataFrame],
    heads: HeadTable | pd.DataFrame,
    coverage: Coverage,
    environment: dict[str, Any],
    agreed: Agreement | None = None,
    held_out: tuple[HeldOut, ...] = (),
    baseline: Side | None = None,
) -> Audit:
    """Analyse, decide, and put everything into the canonical result.

    Args:
        tables: ``pairs`` and ``outputs``, and those of the surveys that were made.
        heads: ``heads.parquet``.
        environment: with ``started``, the run's first moment: thresholds younger than it are marked.
        agreed: what the run was made with, when it is decided again.
        held_out: heads chosen on one half of the pairs and tried on the other.
        baseline: another finished run, for the checks of changes.
    """
    findings, found = analyse(config, tables["pairs"], tables["outputs"], heads)
    if "patterns" in tables:
        found = with_patterns(found, tables["patterns"])
    if "embeddings" in tables:
        findings += embedding_findings(tables["embeddings"], config)
    today = dt.datetime.now(dt.UTC).date()
    started = dt.datetime.fromisoformat(environment["started"]).date()
    made_with = None if agreed is None else agreed.config
    about = ComparedRun(folder="", model=model.name, evenhand=version_of(environment))
    frames = tables["pairs"], tables["outputs"], head_table(heads)
    own = Side(about, model, tuple(suites), config.model_dump(mode="json"), *frames, tuple(found))
    comparison = None if baseline is None else compare(baseline, own, config, heads=_wants_heads(config))
    gate, waivers = decide(config, findings, found, coverage, today, started, made_with, comparison)
    return Audit(
        verdict=gate.verdict,
        model=model,
        suites=tuple(suites),
        config=config.model_dump(mode="json"),
        environment=environment,
        coverage=coverage,
        findings=tuple(findings),
        heads=tuple(found),
        held_out=held_out,
        gate=gate,
        waivers=waivers,
        limits=limits_of(config, coverage, findings, agreed, comparison),
    )


def _wants_heads(config: RunConfig) -> bool:
    """Whether a check limits how many more heads may carry bias than in the baseline."""
    return any(
        check.measure == "flagged_heads" and check.worse_by_at_most is not None for check in config.checks
    )
