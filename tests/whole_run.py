"""A run folder as a run leaves it, hashes, records and all, made without a model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from audit.api import render
from audit.measured_run import manifest_of
from audit.progress import Watcher
from audit.records import DetailRecord
from audit.results import Audit, SuiteInfo
from audit.run_records import open_records
from audit.store import write_detail, write_run
from tests.tiny_suite import write_suite


def write_whole_run(
    out: Path,
    audit: Audit,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    details: list[DetailRecord],
) -> Path:
    """Write the folder of a run of one suite, which lies beside it, and render its report.

    Args:
        out: the folder.
        audit: its result; its suite's file and hash, and its config, are made to fit.
        tables: pairs, outputs, heads.
        details: kept attention.
    Returns:
        The folder.
    """
    from audit.config import RunConfig
    from audit.loader import load_suite

    out.parent.mkdir(parents=True, exist_ok=True)
    loaded = load_suite(write_suite(out.parent))
    suites: tuple[SuiteInfo, ...] = tuple(
        suite.model_copy(update={"file": loaded.file, "sha256": loaded.sha256}) for suite in audit.suites
    )
    config = audit.config or RunConfig().model_dump(mode="json")
    audit = audit.model_copy(update={"suites": suites, "config": config})

    def add_details(folder: Path) -> None:
        for record in details:
            write_detail(folder, record)

    with open_records(out, Watcher(quiet=True), resume=False, finished=False) as records:
        for number in range(3):
            records.keep(f"{number:064x}", b"a record of %d" % number, "json", pairs=2)
        made_by = {"ledger": records.digest, "source": "0" * 64}
        manifest = {**manifest_of(audit, None, {"by_pair": {}}), "records": made_by}
        pairs, outputs, heads = tables
        write_run(out, {"pairs": pairs, "outputs": outputs}, iter([heads]), add_details, manifest, audit)
        records.settle()
    render(out, ("html",))
    return out
