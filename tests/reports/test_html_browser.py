"""The page in a real browser: offline, both themes, narrow, without scripts, sorted, printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.results import Audit

Runs = dict[str, tuple[Path, Audit]]
Open = Callable[..., Any]
#: Lowest contrast of text with its nearest background, over all visible text elements of the page.
CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, under) => [0, 1, 2].map((i) => (top[3] ?? 1) * (top[i] - under[i]) + under[i]);
  const ground = (el) => {
    const layers = [];
    for (let e = el; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  let worst = [21, ""];
  for (const el of document.querySelectorAll("body *:not(script):not(svg *)")) {
    const own = [...el.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !el.checkVisibility()) continue;
    const [a, b] = [lum(parse(getComputedStyle(el).color)), lum(ground(el))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, el.outerHTML.slice(0, 120)];
  }
  return worst;
}"""

#: Cells of tables that reach beyond the card around them, or that hold more than they show.
CUT = """() => [...document.querySelectorAll("th, td")]
  .filter((cell) => cell.checkVisibility())
  .filter((cell) => cell.getBoundingClientRect().right > cell.closest(".card").getBoundingClientRect().right
    || cell.scrollWidth > cell.clientWidth + 1)
  .map((cell) => cell.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("sample", ["fail", "waived", "pass", "inconclusive", "error", "empty"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_sideways_scroll(open_page: Open, sample: str, width: int) -> None:
    page = open_page(sample, width)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", [320, 360, 600])
def test_every_figure_of_a_table_is_seen_on_a_phone(open_page: Open, width: int, script: bool) -> None:
    """No cell reaches beyond its card, none is cut, and each figure stands beside its name."""
    page = open_page("fail", width, script=script)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate(CUT) == []
    assert page.evaluate("getComputedStyle(document.querySelector('.stack thead')).display") == "none"
    label = (
        "getComputedStyle(document.querySelector('#heads td.half[data-label^=Signed]'), '::before').content"
    )
    assert page.evaluate(label) == '"Signed bias"'
    unnamed = "#heads .stack td.num:not([data-label]), #outputs td.num:not([data-label], .dash)"
    assert page.locator(unnamed).count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sample", ["fail", "inconclusive", "pass"])
def test_text_can_be_read_in_both_themes(open_page: Open, scheme: str, sample: str) -> None:
    page = open_page(sample, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    ratio, element = page.evaluate(CONTRAST)
    assert ratio >= 4.5, element


def test_theme_follows_the_system_until_the_reader_chooses(open_page: Open) -> None:
    page = open_page(scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light theme").click()
    light = page.evaluate(ground)
    assert (dark, light) == ("rgb(18, 20, 24)", "rgb(248, 248, 246)")
    page.reload()
    assert page.evaluate(ground) == light


def test_map_has_different_colours_in_the_two_themes(open_page: Open) -> None:
    fill = "getComputedStyle(document.querySelector('svg.head-map rect.z0')).fill"
    assert open_page().evaluate(fill) != open_page(scheme="dark").evaluate(fill)


def test_reads_without_scripts(open_page: Open) -> None:
    page = open_page(script=False)
    assert page.locator("#verdict .chip").inner_text().endswith("FAIL")
    assert page.locator("svg.head-map").count() == 4
    assert page.locator("svg.head-map").first.is_visible()
    flagged = page.locator("#heads table.sortable").filter(
        has=page.locator("caption", has_text="Flagged heads")
    )
    assert flagged.locator("tbody tr").count() == 3
    assert page.locator("svg.attention").first.is_visible()
    assert page.locator(".looks").first.inner_text().split() == ["She", "→", "Nurse", "He", "→", "Doctor"]
    assert not page.locator("#theme").is_visible()
    assert not page.locator(".choose").first.is_visible()
    assert page.locator("#heads th button").count() == 0


def test_sorts_by_keyboard_both_ways(open_page: Open) -> None:
    page = open_page()
    table = page.locator("#heads table.sortable").nth(1)
    heading = table.get_by_role("button", name="Signed bias")
    first = table.locator("tbody td[data-value]:nth-child(3)")
    heading.focus()
    page.keyboard.press("Enter")
    values = [float(cell.get_attribute("data-value")) for cell in first.all()]
    assert values == sorted(values)
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("Signed bias")
    page.keyboard.press("Enter")
    values = [float(cell.get_attribute("data-value")) for cell in first.all()]
    assert values == sorted(values, reverse=True)


def test_drawing_the_first_head_again_changes_nothing(open_page: Open) -> None:
    """The script draws with the numbers in the page what was drawn from the numbers of the run."""
    page = open_page()
    view = page.locator(".attention-view").first
    before = view.locator("svg.attention").text_content(), view.locator("table").all_inner_texts()
    widths = "(v) => [...v.querySelectorAll('[data-bar]')].map((b) => Number(b.getAttribute('width')))"
    drawn = view.evaluate(widths)
    tints = view.locator(".w").evaluate_all("(words) => words.map((word) => word.className)")
    view.locator("select.head").select_option(index=1)
    assert view.locator("svg.attention").text_content() != before[0]
    view.locator("select.head").select_option(index=0)
    assert (view.locator("svg.attention").text_content(), view.locator("table").all_inner_texts()) == before
    assert view.evaluate(widths) == pytest.approx(drawn, abs=0.2)
    assert view.locator(".w").evaluate_all("(words) => words.map((word) => word.className)") == tints


def test_reader_chooses_the_word_that_looks(open_page: Open) -> None:
    page = open_page()
    page.locator("details.pair > summary").nth(1).click()
    view = page.locator(".attention-view").nth(1)
    view.locator("select.query").select_option(index=1)
    assert view.locator(".who").all_inner_texts() == ["the", "the"]


def test_a_link_to_a_pair_opens_it(open_page: Open) -> None:
    page = open_page()
    page.evaluate("location.hash = 'pair-gender-occupation-seed-doctor-nurse-said'")
    page.wait_for_function("document.getElementById(location.hash.slice(1)).open")


def test_hostile_text_runs_nothing(open_page: Open) -> None:
    page = open_page()
    assert page.locator("img").count() == 0
    assert "alert(1)" in page.locator(".said").nth(1).inner_text()


def test_prints_with_everything_open(open_page: Open, tmp_path: Path) -> None:
    page = open_page("pass", scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
