"""Two finished runs → what got worse, what got better, and what stayed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from audit.agreement import RULES
from audit.common_pairs import common_pairs
from audit.config import RunConfig
from audit.errors import InputError
from audit.head_changes import head_changes
from audit.output_changes import output_changes
from audit.results import Audit, HeadFinding, ModelInfo, SuiteInfo
from audit.results.comparison import Change, Changed, ComparedRun, Comparison
from audit.store import MANIFEST, RunFolder, open_run

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from audit.head_table import HeadTable

AnyChange = TypeVar("AnyChange", bound=Changed)

CHANGES: tuple[Change, ...] = get_args(Change)
#: Settings that change what is measured.
_MEASURED_WITH = ("probes", "seed", "dtype", "generation", "causal", "ablation")
#: Columns of ``pairs.parquet`` that runs of older versions lack.
_COLUMNS = frozenset({"task", "directed", "completion_1", "control"})
_NO_HEADS = "no attention head was measured in one of the runs"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs.

    Args:
        about: what it is called.
        model, suites, settings: what was measured, and with what.
        pairs, outputs, heads: its tables.
        findings: its heads.
    """

    about: ComparedRun
    model: ModelInfo
    suites: tuple[SuiteInfo, ...]
    settings: Mapping[str, Any]
    pairs: pd.DataFrame
    outputs: pd.DataFrame
    heads: HeadTable
    findings: tuple[HeadFinding, ...]


def compare_folders(before: Path, after: Path) -> Comparison:
    """Compare two finished runs, pair by pair.

    A measure got *worse* if its magnitude grew: for a measure with a sign (total effect, signed bias, causal effect)
    `|after| - |before| > 0`, tested with the difference and the sum of both runs (:mod:`audit.changes`); for a share or
    a distance if it grew itself, as a check counts it. A value that only changed its sign is *shifted*.

    Args:
        before, after: run folders, BASE and HEAD.
    Raises:
        InputError: a folder is no finished run, or no pair is the same in both.
        StoreError: a table cannot be read.
    """
    old, new = (side_of(open_run(path)) for path in (before, after))
    if lacking := sorted(_COLUMNS - set(new.pairs.columns)):
        told = f"lacks the columns {', '.join(lacking)}, as another version wrote it; run the audit again"
        raise InputError.single(told, after / "pairs.parquet")
    comparison = compare(old, new, _rules(new.settings))
    if not comparison.common:
        raise InputError.single(_nothing_common(comparison), f"{before}, {after}")
    return comparison


def _rules(settings: Mapping[str, Any]) -> RunConfig:
    """What HEAD was decided with; other settings, perhaps of another version, do not matter here."""
    return RunConfig(**{name: settings[name] for name in (*RULES, "seed") if name in settings})


def _nothing_common(comparison: Comparison) -> str:
    told = "; ".join(f"{reason.count} pairs: {reason.reason}" for reason in comparison.left_out)
    because = told or "no suite and pair id stands in both"
    return f"the runs have no complete pair in common ({because}); expected runs of the same suite"


def side_of(run: RunFolder) -> Side:
    """Read a finished run; raises StoreError."""
    audit = run.audit
    manifest = run.path / MANIFEST
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None
    about = ComparedRun(
        folder=str(run.path),
        model=audit.model.name,
        verdict=audit.verdict,
        evenhand=version_of(audit.environment),
        finished=audit.environment.get("finished"),
        manifest_sha256=digest,
    )
    return _side(about, audit, run)


def _side(about: ComparedRun, audit: Audit, run: RunFolder) -> Side:
    pairs, outputs = run.table("pairs"), run.table("outputs")
    return Side(about, audit.model, audit.suites, audit.config, pairs, outputs, run.heads(), audit.heads)


def version_of(environment: Mapping[str, Any]) -> str | None:
    """The version of evenhand that measured; None where the run does not tell."""
    version = environment.get("versions", {}).get("evenhand")
    return None if version is None else str(version)


def compare(before: Side, after: Side, config: RunConfig, *, heads: bool = True) -> Comparison:
    """Compare two runs, whatever they have in common.

    Args:
        before, after: the runs.
        config: q, min_bias, min_nie, power and seed.
        heads: whether the heads are wanted.
    Raises:
        StoreError: a measure of the heads cannot be read.
    """
    hashes = {suite.name: suite.sha256 for suite in before.suites}
    same = {suite.name for suite in after.suites if hashes.get(suite.name) == suite.sha256}
    common = common_pairs(before.pairs, after.pairs, same)
    reason = _no_heads(before, after) if heads else "the heads were not asked for"
    tables, findings = (before.heads, after.heads), (before.findings, after.findings)
    return Comparison(
        before=before.about,
        after=after.about,
        pairs=common.counts,
        left_out=common.left_out,
        warnings=tuple(_warnings(before, after, same)),
        outputs=_worst_first(output_changes(common.table, before.outputs, after.outputs, config)),
        heads=() if reason else _worst_first(head_changes(common.table, tables, findings, config)),
        heads_reason=reason,
        q=config.q,
    )


def _worst_first(found: Iterable[AnyChange]) -> tuple[AnyChange, ...]:
    """By what became of it, then the most certain, then the largest."""
    return tuple(sorted(found, key=_rank))


def _rank(one: Changed) -> tuple[int, float, float]:
    certain = one.size.p if one.change != "shifted" else one.difference.p
    return CHANGES.index(one.change), 1.0 if certain is None else certain, -abs(one.size.estimate or 0.0)


def _no_heads(before: Side, after: Side) -> str | None:
    """Why heads cannot be compared: head 3-4 of one architecture is not head 3-4 of another."""
    shapes = [(m.architecture, m.layers, m.heads) for m in (before.model, after.model)]
    if shapes[0] != shapes[1]:
        told = " and ".join(f"{name} with {layers} × {heads} heads" for name, layers, heads in shapes)
        return f"the models have no heads in common: {told}"
    return None if before.heads.sections and after.heads.sections else _NO_HEADS


def _warnings(before: Side, after: Side, same_suites: set[str]) -> Iterator[str]:
    versions = [side.about.evenhand or "an unknown version" for side in (before, after)]
    if versions[0] != versions[1]:
        yield f"The runs were made by different versions of evenhand: {versions[0]} and {versions[1]}."
    for name in _MEASURED_WITH:
        old, new = _unlike(before.settings.get(name), after.settings.get(name))
        if old != new:
            yield f"The runs were measured with different settings: {name} {_shown(old)} and {_shown(new)}."
    known = {suite.name for suite in before.suites}
    for suite in after.suites:
        if suite.name in known and suite.name not in same_suites:
            yield f"The suite {suite.name} differs between the runs; only pairs with the same texts are compared."


def _unlike(old: Any, new: Any) -> tuple[Any, Any]:
    """Of two groups of settings those that both have and that differ; versions may know others."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return old, new
    keys = [key for key in new if key in old and old[key] != new[key]]
    return {key: old[key] for key in keys}, {key: new[key] for key in keys}


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(entry)}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
