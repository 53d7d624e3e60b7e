"""What is asked of the model once, beside its pairs: surveys, counted like everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.patterns import pattern_table
from audit.progress import Watcher
from audit.protocols import Model, ModelProbe
from audit.records import PatternRecord, SurveyRecord
from audit.results import Surveyed
from audit.suite import Suite

if TYPE_CHECKING:
    import pandas as pd


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
    coverage: list[Surveyed] = []
    for probe in probes:
        try:
            with watcher.step(f"surveying the model: {probe.name}"):
                found = list(probe.survey(model, suites, config))
        except MeasurementError as error:
            coverage.append(Surveyed(probe=probe.name, planned=1, measured=0, failed=True, reason=str(error)))
            continue
        records += found
        coverage.append(Surveyed(probe=probe.name, planned=1, measured=1))
    return Surveys(_tables(records), tuple(coverage))


def _tables(records: Sequence[SurveyRecord]) -> dict[str, pd.DataFrame]:
    patterns = [record for record in records if isinstance(record, PatternRecord)]
    return {"patterns": pattern_table(patterns)} if patterns else {}
