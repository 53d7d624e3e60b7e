"""Texts in Arabic, Hebrew, Chinese and Thai, from the suite to the page (the one run takes a few seconds)."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import sync_playwright

from audit.api import Request, run_audit
from audit.loader import load_config, load_suite
from audit.progress import Watcher
from audit.store import RunFolder
from tests.needs import missing
from tests.reports.chromium import CHROMIUM, QUIET
from tests.tiny_scripts import write_scripts

TEMPLATES = {"ar", "ar-clitic", "ar-phrase", "he", "he-left-out", "zh", "th"}
#: Templates by what the probes must find in all of their pairs.
WITHOUT_PRONOUN, ENDS_WITH_PRONOUN = "he-left-out", "he"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("scripts")
    suite, model = write_scripts(folder)
    request = Request((load_suite(suite),), str(model), load_config("release")[0], folder / "out")
    return run_audit(request, Watcher(quiet=True))


@pytest.fixture(scope="module")
def heads(run: RunFolder) -> pd.DataFrame:
    pairs = run.table("pairs")
    equal = pairs["tokens_a"].map(len) == pairs["tokens_b"].map(len)
    return run.table("heads").merge(pairs[["pair_id", "cluster"]].assign(equal=equal), on="pair_id")


def test_all_pairs_are_measured_and_words_of_one_arm_alone_are_counted(run: RunFolder) -> None:
    covered = run.audit.coverage
    assert (covered.planned, covered.measured, covered.skipped, covered.failed) == (28, 28, 0, 0)
    # In each of four pairs the adjective that one arm leaves out, and the space that then follows another.
    assert covered.unaligned_words == 8
    assert {*run.table("pairs")["cluster"]} == TEMPLATES


def test_divergence_and_bias_need_no_equal_number_of_tokens(heads: pd.DataFrame) -> None:
    assert heads["jsd"].between(0, 1).all()
    assert heads["total_variation"].between(0, 1).all()
    assert (heads.groupby("pair_id")["jsd"].max() > 0).all()
    assert heads["bias"].notna().eq(heads["cluster"] != WITHOUT_PRONOUN).all()
    assert heads["bias_next"].notna().eq(heads["cluster"] != ENDS_WITH_PRONOUN).all()
    assert {*heads.loc[~heads["equal"], "cluster"]} >= {"ar-phrase", "he-left-out"}


def test_effects_are_there_where_tokens_are_equally_many_and_else_have_a_reason(
    run: RunFolder, heads: pd.DataFrame
) -> None:
    assert heads["nie"].notna().eq(heads["equal"]).all()
    assert {*heads.loc[heads["equal"], "cluster"]} >= {"he", "zh"}
    told: dict[str, set[str]] = {}
    for reason in run.audit.coverage.undefined:
        for pair_id in reason.pair_ids:
            told.setdefault(pair_id, set()).add(reason.reason)
    pairs = run.table("pairs")
    for pair in pairs.itertuples():
        counts = len(pair.tokens_a), len(pair.tokens_b)
        reason = f"nie: attention rows cannot be exchanged: {counts[0]} against {counts[1]} tokens"
        assert (reason in told.get(str(pair.pair_id), set())) == (counts[0] != counts[1])


def test_every_text_stands_in_the_page_as_written_and_in_its_own_direction(run: RunFolder) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    swaps = re.findall(r'<span class="swap" dir="auto">(.*?)</span>\s*<span class="note">', page, re.DOTALL)
    shown = [unescape(re.sub(r"<[^>]+>", "", part)) for part in swaps]
    assert "昨天护士问了医生一个问题。她 / 他说" in shown
    assert "เมื่อวานพยาบาลถามหมอแล้วเธอ / เขาก็พูดว่า" in shown
    assert "הָאָחוֹת שאל את הָרוֹפֵא שְׁאֵלָה. היא / הוא" in shown
    assert not re.search(r'<p class="said [ab]">', page)


#: Left edges of the words of the first text of a card, in the order of the text.
EDGES = """(card) => [...card.querySelectorAll(".sentence.a [data-row]")]
  .map((word) => [word.textContent, word.getBoundingClientRect().left])"""


def test_words_run_from_right_to_left_in_a_browser(run: RunFolder) -> None:
    if CHROMIUM is None:
        missing("Chromium", "the system's package manager (.ci/run in CI)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto((run.path / "report.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        cards = {
            str(card.get_attribute("id")): card.evaluate(EDGES) for card in page.query_selector_all(".pair")
        }
        browser.close()
    hebrew, chinese = (_edges(cards, f"pair-scripts-{template}.") for template in ("he", "zh"))
    assert hebrew == sorted(hebrew, reverse=True)
    assert chinese == sorted(chinese)


def _edges(cards: dict[str, Any], begins: str) -> list[float]:
    """Of the first such card whose attention was kept, without signs, which may share a place."""
    words = next(words for name, words in cards.items() if name.startswith(begins) and words)
    return [left for word, left in words if any(character.isalnum() for character in word)]
