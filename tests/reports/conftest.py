"""Runs and pages that several tests read; each is made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from audit.results import Audit
from reports.html import HtmlReport
from tests.needs import missing
from tests.reports.chromium import CHROMIUM, QUIET
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of one module: Playwright takes no second one of the same process while it runs."""
    if CHROMIUM is None:
        missing("Chromium", "the system's package manager (.ci/run in CI)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any, runs: dict[str, tuple[Path, Audit]]) -> Iterator[Callable[..., Any]]:
    """Open a report; at the end, no page may have asked for anything or complained."""
    contexts: list[Any] = []
    troubles: list[str] = []

    def open_report(
        sample: str = "fail",
        width: int = 1280,
        *,
        script: bool = True,
        scheme: str = "light",
        anchor: str = "",
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=script, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        url = (runs[sample][0] / "report.html").as_uri()
        page.on("request", lambda r: None if r.url.startswith((url, "data:")) else troubles.append(r.url))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{url}{anchor}")
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert troubles == []
