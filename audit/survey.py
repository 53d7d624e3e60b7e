"""What is asked of the model once, beside its pairs: surveys, counted like everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.config import RunConfig
from audit.embedding_findings import embedding_table
from audit.embedding_suite import surveys_asked
from audit.errors import MeasurementError
from audit.patterns import pattern_table
from audit.progress import Watcher
from audit.protocols import Model, ModelProbe
from audit.records import EmbeddingRecord, PatternRecord, SurveyRecord
from audit.results import Surveyed
from audit.suite import Suite

if TYPE_CHECKING:
    import pandas as pd

#: The probe that makes what suites ask of embeddings.
EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Surveys:
    """What the surveys of a run gave.

    Args:
        tables: name → table, for those that hold anything.
        coverage: what was to be surveyed, and was.
    """

    tables: dict[str, pd.DataFrame]
    coverage: tuple[Surveyed, ...]


def survey(
    model: Model, suites: Sequence[Suite], probes: Sequence[ModelProbe], config: RunConfig, watcher: Watcher
) -> Surveys:
    """Survey the model with every probe that does so.

    A survey that fails costs only itself; that it failed is counted.

    Raises:
        ModelError: a suite asks for what this model does not have.
    """
    records: list[SurveyRecord] = []
    coverage = []
    asked = sum(surveys_asked(suite.associations, suite.projections) for suite in suites)
    for probe in probes:
        found: list[SurveyRecord] = []
        reason = None
        try:
            with watcher.step(f"surveying the model: {probe.name}"):
                for record in probe.survey(model, suites, config):
                    found.append(record)  # noqa: PERF402 - what was found before a failure is kept
        except MeasurementError as error:
            reason = str(error)
        records += found
        coverage.append(_covered(probe.name, asked, found, reason))
    if asked and EMBEDDING not in {probe.name for probe in probes}:
        why = "no probe of this run makes them"
        coverage.append(Surveyed(probe=EMBEDDING, planned=asked, measured=0, asked=True, reason=why))
    wanted = [each for each in coverage if each.planned]
    return Surveys(_tables(records), tuple(wanted))


def _covered(probe: str, asked: int, found: Sequence[SurveyRecord], reason: str | None) -> Surveyed:
    """Count what a probe was to survey: what the suites ask for, or the model, once."""
    ours = probe == EMBEDDING
    planned, measured = (asked, len(found)) if ours else (1, int(reason is None))
    return Surveyed(
        probe=probe,
        planned=planned,
        measured=measured,
        asked=ours,
        failed=measured < planned,
        reason=reason,
    )


def _tables(records: Sequence[SurveyRecord]) -> dict[str, pd.DataFrame]:
    patterns = [record for record in records if isinstance(record, PatternRecord)]
    embeddings = [record for record in records if isinstance(record, EmbeddingRecord)]
    tables = {}
    if patterns:
        tables["patterns"] = pattern_table(patterns)
    if embeddings:
        tables["embeddings"] = embedding_table(embeddings)
    return tables
