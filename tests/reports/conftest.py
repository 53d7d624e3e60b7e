"""Runs and pages that several tests read; each is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.results import Audit
from reports.html import HtmlReport
from tests.reports.sample_run import Sample, write_sample

SAMPLES: tuple[Sample, ...] = ("fail", "waived", "pass", "inconclusive", "error", "empty")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Audit]]:
    """A run folder with its report for each kind of outcome; the failing one holds hostile model text."""
    root = tmp_path_factory.mktemp("runs")
    found = {}
    for sample in SAMPLES:
        audit = write_sample(root / sample, sample, hostile=sample == "fail")
        HtmlReport().render(root / sample, audit)
        found[sample] = (root / sample, audit)
    return found


@pytest.fixture(scope="session")
def pages(runs: dict[str, tuple[Path, Audit]]) -> dict[str, str]:
    """The report of each run as text."""
    return {name: (folder / "report.html").read_text(encoding="utf-8") for name, (folder, _) in runs.items()}


@pytest.fixture(autouse=True)
def outside_of_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where GitHub runs these tests, their reports are not told to it."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
