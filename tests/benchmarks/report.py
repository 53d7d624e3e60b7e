"""The report of a large run: how long it takes to build, how big it is, how soon it answers, what it holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from audit.store import open_run
from tests.benchmarks.fresh import Cost, cost_of, in_fresh_process
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.timing import ROUNDS, Row, spread
from tests.reports.chromium import CHROMIUM, QUIET
from tests.reports.large_run import write_large

_PAIRS = 10_000
#: Seconds from the start of the navigation until the table answers.
_ANSWERS = """() => new Promise((done) => {
  const look = () => (document.querySelector("#pair-browser:not([hidden])")
    ? done(performance.now() / 1000) : requestAnimationFrame(look));
  look();
})"""
#: Draws every chart: the reader scrolls through the page with all parts open.
_SCROLL = """async () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  for (let y = 0; y < document.documentElement.scrollHeight; y += 600) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((done) => setTimeout(done, 40));
  }
}"""


def run_report() -> None:
    """Build the page in fresh processes and open it as often."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_large(folder, _PAIRS)
        costs = [in_fresh_process(_built, folder) for _ in range(ROUNDS)]
        page = folder / "report.html"
        found: Row = {
            "pairs": _PAIRS,
            "build": {
                "seconds": spread([cost.seconds for cost in costs]),
                "peak memory (MiB)": spread([cost.peak for cost in costs]),
            },
            "size (MB)": round(page.stat().st_size / 1e6, 2),
            "page": _opened(page),
        }
    write_figures("report", found)


def _built(folder: Path) -> Cost:
    def build() -> None:
        from reports.html import HtmlReport

        HtmlReport().render(folder, open_run(folder).audit)

    return cost_of(build)


def _opened(page: Path) -> Row:
    with sync_playwright() as driver:
        rounds = [_round(driver, page) for _ in range(ROUNDS + 1)][1:]  # once to warm up
    return {name: spread([each[name] for each in rounds]) for name in rounds[0]}


def _round(driver: Any, page: Path) -> dict[str, float]:
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri(), wait_until="commit")
    seconds = tab.evaluate(_ANSWERS)
    tab.evaluate(_SCROLL)
    tab.locator("#pairs-q").fill("nurse")
    tab.locator("#pair-browser button.open").first.click()
    tab.wait_for_selector("#pair-browser .detail")
    heap = tab.context.new_cdp_session(tab)
    heap.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in heap.send("Performance.getMetrics")["metrics"]}
    found = {
        "seconds until it answers": round(seconds, 3),
        "memory (MiB)": _held(browser),
        "of it the script's (MiB)": round(metrics["JSHeapUsedSize"] / 2**20, 1),
    }
    browser.close()
    return found


def _held(browser: Any) -> float:
    """PSS of the largest process that renders a page."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [each["id"] for each in told if each["type"] == "renderer"]
    return round(max(map(_pss, renderers)), 1)


def _pss(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
