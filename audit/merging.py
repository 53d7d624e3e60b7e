"""Shards → the run that they are the shares of, without the model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from audit.api import render
from audit.errors import InputError, MeasurementError
from audit.head_spool import HeadSpool, SpooledHeads
from audit.head_table import HeadTable
from audit.measured_run import manifest_of
from audit.progress import Watcher
from audit.results import Audit, Coverage, HeldOut
from audit.run_records import RECORDS, open_records
from audit.shard_folders import ShardFolder, read_shards
from audit.store import DETAIL, RunFolder, check_target, open_run, write_run

if TYPE_CHECKING:
    import pandas as pd

_UNTRIED = "heads are tried on a model, and shards were joined without it; a run that is not cut into shards tries them"


def merge_shards(
    paths: Sequence[Path], out: Path, watcher: Watcher, formats: tuple[str, ...] = ("html",)
) -> RunFolder:
    """Join shards, decide, write the run folder, then render the reports from it.

    The result is that of the run without shards. With ``causal: {heads: possible}`` its effects come from batches of
    all heads, which rounds them otherwise. What needs the model is not made: heads are not tried on held-out halves.

    Args:
        paths: folders of all shards, in any order.
        out: the folder of the whole run.
        watcher: told of progress.
        formats: reports to render.
    Raises:
        InputError: the shards are not those of one run, all, and finished; or ``out`` is no place for a run.
        StoreError: a shard is damaged, or ``out`` cannot be written; nothing was changed.
    """
    shards = read_shards(paths)
    if out.resolve() in {shard.path.resolve() for shard in shards}:
        raise InputError.single("is one of the shards; choose another folder with --out", out)
    check_target(out)
    with (
        open_records(out, watcher, resume=False, finished=False),
        watcher.step("statistics"),
        closing(HeadSpool(out.resolve() / RECORDS)) as spool,
    ):
        _write(out, shards, _joined(shards, spool), watcher)
    render(out, formats)
    return open_run(out)


@dataclass(frozen=True, slots=True)
class _Joined:
    """What the shards measured.

    Args:
        tables: all but the heads'.
        heads: read by measures.
        portions: of ``heads.parquet``.
        coverage: of the whole run.
        by_pair: pair id → its shard, from 0.
    """

    tables: Mapping[str, pd.DataFrame]
    heads: HeadTable
    portions: Iterator[pd.DataFrame]
    coverage: Coverage
    by_pair: Mapping[str, int]


def _joined(shards: Sequence[ShardFolder], spool: HeadSpool) -> _Joined:
    from audit.choosable_effects import ChosenEffects, choices_by_pair, reasons_of_chosen, without_scopes
    from audit.conclude import coverage_of
    from audit.head_frames import head_frames
    from audit.heads import possible_heads
    from audit.joined_heads import spool_heads
    from audit.joined_shards import joined_coverage, joined_tables

    config = shards[0].config
    tables, by_pair = joined_tables(shards, [shard.tables() for shard in shards])
    spool_heads(shards, by_pair, spool)
    pairs = tables["pairs"]
    suites = dict(zip(pairs["pair_id"], pairs["suite"], strict=True))
    heads: HeadTable = SpooledHeads(spool, suites)
    portions = head_frames(spool, suites)
    undefined, unaligned, left_out = joined_coverage(shards, by_pair)
    if config.causal.heads == "possible":
        choices = possible_heads(pairs, heads, config) if heads.sections else {}
        chosen = choices_by_pair(pairs, choices)
        heads = effects = ChosenEffects(heads, chosen)
        portions = map(effects.rows, portions)
        tables = {**tables, "outputs": without_scopes(tables["outputs"])}
        undefined = reasons_of_chosen(undefined, chosen)
    surveys = shards[0].run.audit.coverage.surveys
    coverage = coverage_of(pairs, undefined, unaligned, left_out, surveys)
    return _Joined(tables, heads, portions, coverage, by_pair)


def _write(out: Path, shards: Sequence[ShardFolder], joined: _Joined, watcher: Watcher) -> None:
    from audit.conclude import conclude
    from audit.runner import pairs_to_show

    first, config, tables = shards[0].run.audit, shards[0].config, joined.tables
    audit = conclude(
        config,
        first.model,
        first.suites,
        tables,
        joined.heads,
        joined.coverage,
        _environment(shards),
        held_out=_held_out(shards[0], joined, watcher),
    )
    kept = [name for name, at in joined.by_pair.items() if _detail(name) in shards[at].manifest["files"]]
    pairs = tables["pairs"][tables["pairs"]["pair_id"].isin(kept)]
    shown = pairs_to_show(pairs, joined.heads, audit.heads, config.detail)
    details = partial(_copy_details, shown=shown, shards=shards, by_pair=joined.by_pair)
    write_run(out, tables, joined.portions, details, _manifest(audit, shards), audit)


def _held_out(first: ShardFolder, joined: _Joined, watcher: Watcher) -> tuple[HeldOut, ...]:
    """The halves of the run with the reason why nothing was tried on them, as far as it needs no model to tell."""
    from audit.generality import try_out

    found: list[HeldOut] = []
    for _ in first.manifest["probes"]["held_out"]:
        found += try_out(joined.tables["pairs"], joined.heads, first.config, watcher, _untried)
    return tuple(found)


def _untried(*_: object) -> NoReturn:
    raise MeasurementError(_UNTRIED)


def _environment(shards: Sequence[ShardFolder]) -> dict[str, Any]:
    """Of all shards, from the first moment to the last; what differs is told of each."""
    found = [shard.run.audit.environment for shard in shards]
    times = {
        "started": min(each["started"] for each in found),
        "finished": max(each["finished"] for each in found),
    }
    return {**_common(found), **times}


def _common(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    common: dict[str, Any] = {}
    for key in dict.fromkeys(key for each in found for key in each):
        values = [each.get(key) for each in found]
        nested = [value for value in values if isinstance(value, dict)]
        if len(nested) == len(values):
            common[key] = _common(nested)
        else:
            alike = all(value == values[0] for value in values)
            common[key] = values[0] if alike else "; ".join(dict.fromkeys(map(str, values)))
    return common


def _manifest(audit: Audit, shards: Sequence[ShardFolder]) -> dict[str, Any]:
    """That of the run, and where its shards came from."""
    first = shards[0].manifest
    made_of = [
        {
            "shard": shard.shard.model_dump(),
            "environment": shard.manifest["environment"],
            "records": shard.manifest["records"],
            "files": shard.manifest["files"],
        }
        for shard in shards
    ]
    return {
        **manifest_of(audit, first["limit"], first["probes"]),
        "records": {"source": first["records"]["source"]},
        "shards": made_of,
    }


def _detail(pair_id: str) -> str:
    return f"{DETAIL}/{pair_id}.npz"


def _copy_details(
    folder: Path, shown: Sequence[str], shards: Sequence[ShardFolder], by_pair: Mapping[str, int]
) -> None:
    """The strongest of the pairs that a shard kept."""
    for name in shown:
        (folder / DETAIL).mkdir(exist_ok=True)
        shutil.copyfile(shards[by_pair[name]].check(_detail(name)), folder / _detail(name))
