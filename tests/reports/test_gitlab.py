"""GitLab code quality: what its documentation asks for, for every outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.results import Audit
from reports.gitlab import GitlabReport
from tests.reports.edge_runs import EDGES, Edge, write_edge

Runs = dict[str, tuple[Path, Audit]]


def issues(folder: Path, audit: Audit) -> list[dict[str, Any]]:
    (path,) = GitlabReport().render(folder, audit)
    assert path.name == "gl-code-quality-report.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("edge", EDGES)
def test_every_issue_has_all_fields(edge: Edge, tmp_path: Path) -> None:
    audit = write_edge(tmp_path, edge)
    found = issues(tmp_path, audit)
    for each in found:
        assert set(each) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert each["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert set(each["location"]) == {"path", "lines"}
        assert not each["location"]["path"].startswith(("./", "/"))
        assert each["location"]["lines"]["begin"] >= 1
    assert len({each["fingerprint"] for each in found}) == len(found)


@pytest.mark.parametrize(
    ("edge", "severities"),
    [
        ("all failed", ["critical"] * 2 + ["major"] * 3 + ["info"] * 6),
        ("all waived", ["info"] * 2 + ["info"] * 3 + ["info"] * 6),
        ("one pair", ["critical"] * 2 + ["info"]),
        ("all passed", []),
        ("incomplete", ["major"]),
        ("all skipped", ["blocker"]),
    ],
)
def test_severity_follows_the_verdict(edge: Edge, severities: list[str], tmp_path: Path) -> None:
    audit = write_edge(tmp_path, edge)
    assert [each["severity"] for each in issues(tmp_path, audit)] == severities


def test_says_what_the_audit_says(tmp_path: Path) -> None:
    audit = write_edge(tmp_path, "one head")
    check, _, head, *_ = issues(tmp_path, audit)
    assert check["description"] == (
        "FAIL: 3 attention heads carry bias under she/he (15-7, 17-2, 12-3); at most 0 allowed."
    )
    assert check["check_name"] == "evenhand/check-flagged_heads"
    assert head["description"].startswith("Head 12-3 carries the bias under she/he: ")
