"""Variances for planning: from a finished run, or from a few templates tried on the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.api import load_model
from audit.config import RunConfig
from audit.errors import InputError
from audit.expand import expand
from audit.instruments import instruments
from audit.loader import LoadedSuite
from audit.pairs import Pair
from audit.power_plan import Need, power_needs
from audit.progress import Watcher
from audit.runner import measure
from audit.store import open_run

#: Everything that checks look at and that needs no intervention.
_PROBES = ("attention", "likelihood")


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """What thresholds need.

    Args:
        needs: one for each check, suite and contrast.
        source: where the variances come from.
    """

    needs: tuple[Need, ...]
    source: str


def plan_from_run(suites: Sequence[LoadedSuite], folder: Path, config: RunConfig) -> PowerPlan:
    """Plan from a finished run of the suites.

    Raises:
        InputError: no finished run, or one in which a suite was not measured.
        StoreError: its tables cannot be read.
    """
    run = open_run(folder)
    known = {suite.name for suite in run.audit.suites}
    for loaded in suites:
        if loaded.suite.suite not in known:
            told = (
                f"the suite {loaded.suite.suite!r} was not measured here; expected {', '.join(sorted(known))}"
            )
            raise InputError.single(told, folder)
    pairs = [pair for loaded in suites for pair in expand(loaded)]
    tables = {name: run.table(name) for name in ("pairs", "outputs")}
    return PowerPlan(tuple(power_needs(pairs, tables, run.heads(), config)), f"the run in {folder}")


def plan_from_pilot(
    suites: Sequence[LoadedSuite], model: str, config: RunConfig, templates: int, watcher: Watcher
) -> PowerPlan:
    """Plan from the first templates of each contrast, tried on the model.

    Args:
        suites: the suites to plan.
        model: as for a run.
        config: how to measure, and the thresholds.
        templates: templates of each suite and contrast to try.
        watcher: told of the measuring.
    Raises:
        ModelError: the model cannot be found, loaded, or measured exactly.
    """
    pairs = [pair for loaded in suites for pair in expand(loaded)]
    chosen = _first_templates(pairs, templates)
    with watcher.step("loading the model"):
        loaded_model, _ = load_model(model, config)
    pilot = config.model_copy(update={"probes": _PROBES})
    probes = instruments(_PROBES).by_pair
    tables = measure(loaded_model, chosen, probes, pilot, watcher)
    frames = {"pairs": tables.pairs(), "outputs": tables.outputs()}
    source = f"a pilot of {len(chosen)} pairs on {model}"
    return PowerPlan(tuple(power_needs(pairs, frames, tables.head_table(), config)), source)


def _first_templates(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Treatment pairs of the first templates of every suite and contrast."""
    clusters: dict[tuple[str, tuple[str, str]], dict[str, None]] = {}
    treatments = [pair for pair in pairs if pair.kind == "treatment"]
    for pair in treatments:
        clusters.setdefault((pair.suite, pair.contrast), {}).setdefault(pair.cluster)
    first = {place: set(list(names)[:count]) for place, names in clusters.items()}
    return [pair for pair in treatments if pair.cluster in first[pair.suite, pair.contrast]]
