"""SARIF: valid, anchored, stable, and never more than code scanning takes."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.results import Audit
from reports.issues import Issue, issues_of
from reports.places import Place
from reports.sarif import MOST_BYTES, SarifReport, sarif
from tests.reports.edge_runs import EDGES, Edge, write_edge
from tests.reports.sarif_schema import sarif_faults

Runs = dict[str, tuple[Path, Audit]]


@dataclass(frozen=True)
class Log:
    """A log as its consumer sees it."""

    whole: dict[str, Any]

    @property
    def run(self) -> dict[str, Any]:
        (run,) = self.whole["runs"]
        return run

    @property
    def results(self) -> list[dict[str, Any]]:
        return self.run["results"]


def log_of(folder: Path, audit: Audit, root: Path) -> Log:
    return Log(json.loads(sarif(issues_of(folder, audit, root), audit)))


def test_the_check_sees_a_fault(runs: Runs, tmp_path: Path) -> None:
    log = log_of(*runs["fail"], tmp_path)
    del log.run["tool"]["driver"]["name"]
    log.results[0]["level"] = "fatal"
    assert sarif_faults(log.whole) == [
        "$.runs[0].tool.driver: 'name' is a required property",
        "$.runs[0].results[0].level: 'fatal' is not one of ['none', 'note', 'warning', 'error']",
    ]


@pytest.mark.parametrize("sample", ["fail", "waived", "pass", "inconclusive", "error", "empty"])
def test_valid_for_every_verdict(runs: Runs, sample: str, tmp_path: Path) -> None:
    log = log_of(*runs[sample], tmp_path)
    assert sarif_faults(log.whole) == []
    assert log.run["properties"]["verdict"] == sample.replace("empty", "inconclusive").upper()
    assert log.run["invocations"][0]["executionSuccessful"] == (sample != "error")


@pytest.mark.parametrize("edge", EDGES)
def test_valid_at_the_edges(edge: Edge, tmp_path: Path) -> None:
    audit = write_edge(tmp_path / "run", edge)
    log = log_of(tmp_path / "run", audit, tmp_path)
    assert sarif_faults(log.whole) == []
    assert bool(log.results) == (edge != "all passed")


def test_every_rule_tells_what_it_means_and_every_result_has_its_rule(runs: Runs, tmp_path: Path) -> None:
    log = log_of(*runs["fail"], tmp_path)
    rules = log.run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert "**What to do.**" in rule["help"]["markdown"]
    assert [rules[result["ruleIndex"]]["id"] for result in log.results] == [r["ruleId"] for r in log.results]
    assert [rule["id"] for rule in rules] == [
        *("check-flagged_heads", "check-total_effect", "flagged-head", "strong-pair"),
    ]


def test_worst_first_with_one_full_region_each(runs: Runs, tmp_path: Path) -> None:
    log = log_of(*runs["fail"], tmp_path)
    levels = [result["level"] for result in log.results]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    for result in log.results:
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region["startLine"] == region["endLine"] >= 1
        assert 1 <= region["startColumn"] < region["endColumn"]


def test_a_check_is_anchored_at_its_threshold_and_a_pair_at_its_line(runs: Runs, tmp_path: Path) -> None:
    config = "preset: ci\nchecks:\n- id: no-biased-heads\n  measure: flagged_heads\n  at_most: 0\n"
    (tmp_path / "bias.yaml").write_text(config)
    results = log_of(*runs["fail"], tmp_path).results
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert places[0]["artifactLocation"]["uri"] == "bias.yaml"
    assert places[0]["region"] == {"startLine": 5, "startColumn": 3, "endLine": 5, "endColumn": 13}
    pair = places[[result["ruleId"] for result in results].index("strong-pair")]
    assert (pair["artifactLocation"]["uri"], pair["region"]["startLine"]) == ("suites/gender.yaml", 12)


def test_fingerprints_differ_within_a_run_and_stay_when_figures_and_lines_change(
    runs: Runs, tmp_path: Path
) -> None:
    def prints(audit: Audit, folder: Path) -> list[str]:
        results = log_of(folder, audit, tmp_path).results
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]

    folder, audit = runs["fail"]
    before = prints(audit, folder)
    assert len(set(before)) == len(before)
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "gender.yaml").write_text("\n\nsuite: gender-occupation\n")
    told = [check.model_copy(update={"why": "other", "at_most": 7.0}) for check in audit.gate.checks]
    changed = audit.model_copy(update={"gate": audit.gate.model_copy(update={"checks": tuple(told)})})
    assert prints(changed, folder) == before


def test_a_waived_check_is_suppressed_with_its_reason(runs: Runs, tmp_path: Path) -> None:
    checks = [r for r in log_of(*runs["waived"], tmp_path).results if r["ruleId"].startswith("check-")]
    assert [r["level"] for r in checks] == ["note", "note"]
    assert all("a fix is planned" in r["suppressions"][0]["justification"] for r in checks)


def issue(number: int, filling: str = "") -> Issue:
    place = Place("suites/a.yaml", number + 1)
    return Issue("strong-pair", "note", None, "t", f"m{number}{filling}", place, "", (str(number),), "", {})


def test_no_more_than_5000_results_and_the_worst_stay(runs: Runs) -> None:
    issues = [issue(number) for number in range(5_003)]
    log = Log(json.loads(sarif(issues, runs["fail"][1])))
    assert [result["message"]["text"].split()[0] for result in log.results] == [f"m{n}" for n in range(5_000)]
    (notice,) = log.run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("3 results of lesser weight were left out")
    assert log.run["properties"]["leftOut"] == 3
    del log.results[10:]  # the others are alike, and the schema is slow
    assert sarif_faults(log.whole) == []
    assert (
        "toolExecutionNotifications"
        not in Log(json.loads(sarif(issues[:9], runs["fail"][1]))).run["invocations"][0]
    )


@pytest.mark.parametrize("most", [MOST_BYTES, 20_000, 5_000, 0])
def test_no_more_bytes_than_code_scanning_takes(runs: Runs, most: int) -> None:
    issues = [issue(number, hashlib.sha512(b"%d" % number).hexdigest()) for number in range(400)]
    content = sarif(issues, runs["fail"][1], most_bytes=most)
    log = Log(json.loads(content))
    assert len(gzip.compress(content, mtime=0)) <= most or not log.results
    kept = len(log.results)
    assert kept == 400 if most == MOST_BYTES else kept < 400
    assert log.run["properties"]["leftOut"] == 400 - kept


def test_the_file_lies_in_the_run_folder_and_files_are_told_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = write_edge(tmp_path / "run", "one head")
    monkeypatch.chdir(tmp_path)
    (path,) = SarifReport().render(Path("run"), audit)
    assert path == Path("run/evenhand.sarif")
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
