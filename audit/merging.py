"""Shards → the run that they are the shares of, without the model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from audit.api import render
from audit.errors import InputError, MeasurementError
from audit.measured_run import manifest_of
from audit.progress import Watcher
from audit.results import Audit, HeldOut
from audit.run_records import open_records
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
    from audit.joined_shards import in_portions

    shards = read_shards(paths)
    if out.resolve() in {shard.path.resolve() for shard in shards}:
        raise InputError.single("is one of the shards; choose another folder with --out", out)
    check_target(out)
    with open_records(out, watcher, resume=False, finished=False), watcher.step("statistics"):
        audit, tables, by_pair = _joined(shards, watcher)
        details = partial(_copy_details, audit=audit, tables=tables, shards=shards, by_pair=by_pair)
        others = {name: table for name, table in tables.items() if name != "heads"}
        heads = in_portions(tables["heads"])
        write_run(out, others, heads, details, _manifest(audit, shards), audit)
    render(out, formats)
    return open_run(out)


def _joined(
    shards: Sequence[ShardFolder], watcher: Watcher
) -> tuple[Audit, dict[str, pd.DataFrame], dict[str, int]]:
    from audit.choosable_effects import only_chosen
    from audit.conclude import conclude, coverage_of
    from audit.heads import possible_heads
    from audit.joined_shards import joined_coverage, joined_tables

    first, config = shards[0].run.audit, shards[0].config
    tables, by_pair = joined_tables(shards, [shard.tables() for shard in shards])
    undefined, unaligned, left_out = joined_coverage(shards, by_pair)
    if config.causal.heads == "possible":
        choices = possible_heads(tables["pairs"], tables["heads"], config) if len(tables["heads"]) else {}
        tables, undefined = only_chosen(tables, undefined, choices)
    coverage = coverage_of(tables["pairs"], undefined, unaligned, left_out, first.coverage.surveys)
    held_out = _held_out(shards[0], tables, watcher)
    audit = conclude(
        config,
        first.model,
        first.suites,
        tables,
        tables["heads"],
        coverage,
        _environment(shards),
        held_out=held_out,
    )
    return audit, tables, by_pair


def _held_out(
    first: ShardFolder, tables: Mapping[str, pd.DataFrame], watcher: Watcher
) -> tuple[HeldOut, ...]:
    """The halves of the run with the reason why nothing was tried on them, as far as it needs no model to tell."""
    from audit.generality import try_out

    found: list[HeldOut] = []
    for _ in first.manifest["probes"]["held_out"]:
        found += try_out(tables["pairs"], tables["heads"], first.config, watcher, _untried)
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


def _copy_details(
    folder: Path,
    audit: Audit,
    tables: Mapping[str, pd.DataFrame],
    shards: Sequence[ShardFolder],
    by_pair: Mapping[str, int],
) -> None:
    """The strongest of the pairs that a shard kept."""
    from audit.head_rows import head_table
    from audit.runner import pairs_to_show

    names = {name: f"{DETAIL}/{name}.npz" for name in by_pair}
    kept = [name for name, file in names.items() if file in shards[by_pair[name]].manifest["files"]]
    pairs = tables["pairs"][tables["pairs"]["pair_id"].isin(kept)]
    for name in pairs_to_show(pairs, head_table(tables["heads"]), audit.heads, int(audit.config["detail"])):
        (folder / DETAIL).mkdir(exist_ok=True)
        shutil.copyfile(shards[by_pair[name]].check(names[name]), folder / names[name])
