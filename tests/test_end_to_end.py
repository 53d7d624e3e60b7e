"""The main job on a tiny model: measured once, decided and rendered again as often as one likes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import evenhand
from audit.api import render, run_audit
from audit.loader import load_config
from audit.progress import Watcher
from audit.results import Audit, Verdict
from audit.store import RunFolder, open_run
from tests.audit.test_tables import HEAD_COLUMNS, OUTPUT_COLUMNS, PAIR_COLUMNS
from tests.conftest import request_for
from tests.folders import listing

#: 4 templates × 4 items × 2 orders, one pair written by hand, same-group controls alike, 2 × 4 weekdays.
TREATMENT, CONTROL = 33, 40
LAYERS, HEADS = 3, 4


def without_times(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for name in ("started", "finished"):
        assert found["environment"].pop(name)
    return found


def test_the_run_folder_holds_what_the_contract_names(done: RunFolder) -> None:
    names = {path.name for path in done.path.iterdir()}
    assert names >= {"audit.json", "manifest.json", "report.html", "detail"}
    assert names >= {"pairs.parquet", "outputs.parquet", "heads.parquet"}
    assert not any(name.startswith(".") for name in names)
    assert [path.name for path in done.path.parent.iterdir()] == ["first"]
    details = sorted(path.stem for path in (done.path / "detail").iterdir())
    assert len(details) == 12
    assert "by-hand" in details
    top = json.loads((done.path / "audit.json").read_text(encoding="utf-8"))
    assert {*top} == {
        *("schema_version", "verdict", "model", "suites", "config", "environment", "coverage"),
        *("findings", "heads", "held_out", "gate", "waivers", "limits"),
    }
    manifest = json.loads((done.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["model"]["hashes"].keys() >= {"model.safetensors", "tokenizer.json"}
    assert (manifest["suites"][0]["sha256"], manifest["seed"]) == (top["suites"][0]["sha256"], 0)


def test_the_tables_have_the_columns_and_rows_of_the_contract(done: RunFolder) -> None:
    tables = {name: pq.read_table(done.path / f"{name}.parquet") for name in ("pairs", "outputs", "heads")}
    assert tables["pairs"].column_names == PAIR_COLUMNS
    assert tables["outputs"].column_names == OUTPUT_COLUMNS
    assert tables["heads"].column_names == HEAD_COLUMNS
    assert len(tables["pairs"]) == TREATMENT + CONTROL
    assert len(tables["heads"]) == (TREATMENT + CONTROL) * LAYERS * HEADS
    measures = tables["outputs"]["measure"].to_pylist()
    assert measures.count("log_likelihood") == 2 * (TREATMENT + CONTROL)
    assert measures.count("generation") == 2 * TREATMENT
    assert measures.count("completion_log_odds") == 2 * len(with_completions(done))
    heads = tables["heads"].to_pandas()
    assert heads[["jsd", "total_variation"]].notna().all().all()
    assert heads["jsd"].between(0, 1).all()
    kinds = done.table("pairs").set_index("pair_id")["kind"]
    treated = heads["pair_id"].map(kinds) == "treatment"
    assert heads.loc[~treated, ["bias", "bias_next"]].isna().all().all()
    assert heads.loc[treated, "bias"].notna().all()


def with_completions(done: RunFolder) -> list[str]:
    pairs = done.table("pairs")
    found: list[str] = pairs.loc[pairs["completion_1"].notna(), "pair_id"].tolist()
    return found


def test_the_audit_tells_what_was_covered(done: RunFolder) -> None:
    covered, suite = done.audit.coverage, done.audit.suites[0]
    assert (covered.planned, covered.measured, covered.skipped, covered.failed) == (73, 73, 0, 0)
    assert (suite.pairs, suite.treatment, suite.control) == (73, TREATMENT, CONTROL)
    assert (suite.name, suite.license) == ("tiny-jobs", "CC0-1.0")
    assert all(step.passed for step in done.audit.model.self_test)
    assert len(done.audit.heads) == LAYERS * HEADS
    assert {head.label for head in done.audit.heads} <= {
        "carries",
        "opposes",
        "moves",
        "acts",
        "none",
        "unmeasured",
    }
    measures = {finding.measure for finding in done.audit.findings}
    assert measures >= {"total_effect", "likelihood_diff", "pct_stereotype", "generation_changed"}


def test_the_total_effect_is_that_of_the_outputs(done: RunFolder) -> None:
    outputs, pairs = done.table("outputs"), done.table("pairs").set_index("pair_id")
    odds = outputs[outputs["measure"] == "completion_log_odds"].pivot(
        index="pair_id", columns="arm", values="value"
    )
    treated = odds[odds.index.map(pairs["kind"]) == "treatment"]
    (found,) = [f for f in done.audit.findings if f.measure == "total_effect" and f.control is None]
    assert found.n == len(treated) == 32
    assert found.estimate == pytest.approx(float(np.mean(treated["she"] - treated["he"])), abs=1e-9)
    assert (found.clusters, found.items, found.units) == (4, 4, 16)


def test_the_report_is_one_file_that_tells_the_verdict(done: RunFolder) -> None:
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert done.audit.verdict.value in page
    assert "tiny-jobs" in page
    own = re.sub(r"<script type=\"text/plain\" id=\"plotly-source\">.*?</script>", "", page, flags=re.S)
    assert "http://" not in own.replace("http://www.w3.org", "")
    # it was written in a folder that is there no more
    assert ".first-" not in page


def test_a_second_run_gives_the_same_audit(done: RunFolder, folder: Path, tiny_folder: Path) -> None:
    again = run_audit(request_for(folder, tiny_folder, "second"), Watcher(quiet=True))
    first, second = done.path, again.path
    assert without_times(first / "audit.json") == without_times(second / "audit.json")
    assert without_times(first / "manifest.json") == without_times(second / "manifest.json")
    for name in ("pairs", "outputs", "heads"):
        assert done.table(name).equals(again.table(name))
    assert {*listing(first)} == {*listing(second)}
    page = (first / "report.html").read_bytes()
    assert render(first, ("html",)) == [first / "report.html"]
    assert (first / "report.html").read_bytes() == page


def test_the_public_face_audits_loads_and_asserts(done: RunFolder, folder: Path, tiny_folder: Path) -> None:
    suite = folder / "jobs.yaml"
    found = evenhand.run(
        suite, model=tiny_folder, config="quick", out=folder / "public", options=("--limit", "8", "--quiet")
    )
    assert isinstance(found, Audit)
    assert found == evenhand.load(folder / "public")
    assert (found.coverage.planned, found.coverage.measured, found.coverage.skipped) == (73, 8, 65)
    assert found.verdict not in ("PASS", "WAIVED")
    assert evenhand.load(done.path) == done.audit
    flagged = any(head.flagged for head in done.audit.heads)
    if flagged:
        with pytest.raises(AssertionError, match="carry bias"):
            evenhand.assert_no_biased_heads(done.path)
    elif any(
        c.measure == "flagged_heads" and c.verdict is Verdict.INCONCLUSIVE for c in done.audit.gate.checks
    ):
        with pytest.raises(AssertionError, match="could still hide"):
            evenhand.assert_no_biased_heads(done.path)
    else:
        evenhand.assert_no_biased_heads(done.path)
        evenhand.assert_no_biased_heads(done.audit)


def test_a_limit_takes_the_first_pairs_and_a_run_takes_an_old_ones_place(
    copy: Path, folder: Path, tiny_folder: Path
) -> None:
    from dataclasses import replace

    config = load_config("ci")[0].model_copy(update={"probes": ("likelihood",)})
    request = replace(request_for(folder, tiny_folder, "x"), out=copy, limit=3, config=config)
    again = run_audit(request, Watcher(quiet=True))
    assert again.table("pairs")["pair_id"].tolist() == open_run(copy).table("pairs")["pair_id"].tolist()
    assert len(again.table("pairs")) == 3
    assert (again.audit.verdict, again.audit.heads) == (Verdict.INCONCLUSIVE, ())
    assert not (copy / "detail").exists()
    assert [path.name for path in copy.parent.iterdir()] == ["run"]
