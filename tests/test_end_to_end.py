"""The main job on a tiny model: measured once, decided and rendered again as often as one likes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import evenhand
from audit.api import Request, gate_again, render, run_audit
from audit.cli import main
from audit.errors import InputError, StoreError
from audit.loader import load_config, load_suite
from audit.progress import Watcher
from audit.results import Audit, ExitCode, Verdict
from audit.store import RunFolder, open_run
from tests.audit.test_tables import HEAD_COLUMNS, OUTPUT_COLUMNS, PAIR_COLUMNS
from tests.folders import listing
from tests.tiny_suite import write_suite

#: 4 templates × 4 items × 2 orders, one pair written by hand, same-group controls alike, 2 × 4 weekdays.
TREATMENT, CONTROL = 33, 40
LAYERS, HEADS = 3, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def request_for(folder: Path, model: Path, out: str) -> Request:
    suite = load_suite(write_suite(folder))
    return Request((suite,), str(model), load_config("quick")[0], folder / "runs" / out)


@pytest.fixture(scope="module")
def done(folder: Path, tiny_folder: Path) -> RunFolder:
    return run_audit(request_for(folder, tiny_folder, "first"), Watcher(quiet=True))


@pytest.fixture
def copy(done: RunFolder, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    import shutil

    shutil.copytree(done.path, tmp_path / "run")
    return tmp_path / "run"


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
        *("findings", "heads", "gate", "waivers", "limits"),
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
    assert "http://" not in page.replace("http://www.w3.org", "")
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


def test_gate_decides_again_alike(copy: Path, done: RunFolder) -> None:
    before = (copy / "audit.json").read_bytes()
    again = gate_again(copy, None)
    assert again.audit.model_dump(exclude={"gate"}) == done.audit.model_dump(exclude={"gate"})
    assert again.audit.gate == done.audit.gate
    assert (copy / "audit.json").read_bytes() == before
    assert open_run(copy).audit == again.audit


def gate_file(folder: Path, at_most: float, more: str = "") -> str:
    file = folder / "gate.yaml"
    check = (
        f"{{id: ll, measure: likelihood_diff, at_most: {at_most}, set_by: me, reason: r, date: 2020-01-01}}"
    )
    file.write_text(f"preset: mine\nchecks:\n  - {check}\n{more}", encoding="utf-8")
    return str(file)


WAIVED = (
    "waivers:\n  - {id: w, check: ll, owner: o, approver: a, reason: r, "
    "created: 2020-01-01, expires: 2999-01-01}\n"
)


@pytest.mark.parametrize(
    ("verdict", "more"),
    [(Verdict.FAIL, ""), (Verdict.WAIVED, WAIVED), (Verdict.PASS, ""), (Verdict.INCONCLUSIVE, "")],
)
def test_the_exit_code_is_the_verdict(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verdict: Verdict, more: str
) -> None:
    (found,) = [f for f in open_run(copy).audit.findings if f.measure == "likelihood_diff" and not f.control]
    assert found.estimate is not None
    assert found.ci_low is not None
    low = found.ci_low / 2
    assert low > 0
    at_most = {Verdict.PASS: 1000.0, Verdict.INCONCLUSIVE: found.estimate}.get(verdict, low)
    capsys.readouterr()
    code = main(["gate", str(copy), "--config", gate_file(tmp_path, at_most, more), "--json"])
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count("\n") == 1
    told = json.loads(said.out)
    assert told["verdict"] == verdict.value
    assert code == int(ExitCode.of(verdict))
    assert told["checks"] == {"ll she/he": verdict.value}
    audit = open_run(copy).audit
    assert audit.verdict is verdict
    assert audit.config["preset"] == "mine"
    assert audit.config["probes"] == ["attention", "likelihood", "generation", "causal"]
    assert main(["report", str(copy)]) == 0
    assert verdict.value in (copy / "report.html").read_text(encoding="utf-8")


def test_the_summary_says_where_the_report_lies(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    verdict = open_run(copy).audit.verdict
    assert main(["gate", str(copy)]) == int(ExitCode.of(verdict))
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[1].startswith(f" {verdict.value}   tiny-jobs on ")
    assert lines[-1] == f"report  {copy / 'report.html'}"
    assert "73 of 73 pairs measured" in said.out
    assert main(["gate", str(copy), "--quiet"]) == int(ExitCode.of(verdict))
    assert capsys.readouterr().out == ""


def test_an_unknown_format_renders_nothing(copy: Path) -> None:
    (copy / "report.html").unlink()
    with pytest.raises(InputError) as caught:
        render(copy, ("html", "pfd"))
    assert str(caught.value) == "format: unknown report 'pfd'; expected html"
    assert not (copy / "report.html").exists()


def test_a_run_that_lost_its_tables_is_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copy / "audit.json").read_bytes()
    (copy / "heads.parquet").write_bytes(b"PAR1")
    capsys.readouterr()
    assert main(["gate", str(copy)]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"{copy}/heads.parquet: cannot be read (")
    assert said.count("\n") == 1
    (copy / "heads.parquet").unlink()
    with pytest.raises(StoreError, match=r"no such table; run the audit again$"):
        gate_again(copy, None)
    assert (copy / "audit.json").read_bytes() == before


def test_a_config_that_no_longer_holds_is_told(copy: Path) -> None:
    found = json.loads((copy / "audit.json").read_text(encoding="utf-8"))
    found["config"]["speed"] = "ludicrous"
    (copy / "audit.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        gate_again(copy, None)
    assert str(caught.value) == (
        f"{copy}/audit.json: config.speed: not a config: Extra inputs are not permitted"
    )


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
