"""The views of the page in a real browser: charts, head pages, the table of all pairs and its address."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from audit.results import Audit
from reports.folder import read_folder
from reports.total_effects import total_effects

Runs = dict[str, tuple[Path, Audit]]
Open = Callable[..., Any]
PREFIX = "head-gender-occupation-she-he-"
ROWS = "#pair-browser tbody tr:not(.detail)"
PAIR_FIRST = "seed-doctor-nurse"


def ready(page: Any) -> Any:
    """Wait until the table of pairs answers."""
    page.wait_for_selector("#pair-browser:not([hidden])")
    return page


def asked(page: Any) -> dict[str, str]:
    """What the address asks of the table."""
    address = urlsplit(page.evaluate("location.hash.slice(1)"))
    return {name: value[0] for name, value in parse_qs(address.query).items()}


def all_charts(page: Any) -> Any:
    """Scroll through the page until every chart is drawn."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    for chart in page.locator(".chart").all():
        chart.evaluate("(chart) => chart.scrollIntoView({behavior: 'instant', block: 'center'})")
        page.wait_for_function("(chart) => chart.classList.contains('live')", arg=chart.element_handle())
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_when_it_comes_into_view(open_page: Open, scheme: str) -> None:
    page = open_page(scheme=scheme)
    assert page.evaluate("window.Plotly === undefined || document.querySelectorAll('.chart.live').length < 5")
    all_charts(page)
    assert page.locator(".chart.live").count() == page.locator(".chart").count() == 5
    assert page.locator(".chart .still:visible").count() == 0


def test_charts_follow_the_theme(open_page: Open) -> None:
    page = all_charts(open_page())
    colour = "document.querySelector('.chart .plot').layout.font.color"
    light = page.evaluate(colour)
    page.locator("#theme").click()
    page.wait_for_function(f"{colour} !== '{light}'")
    assert page.evaluate(colour) == page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()"
    )


def test_the_map_shows_another_measure(open_page: Open) -> None:
    page = all_charts(open_page())
    plot = "document.querySelector('.head-map-chart .plot')"
    assert page.evaluate(f"{plot}.data[0].zmin") < 0
    page.locator(".head-map-chart select").select_option("pattern")
    page.wait_for_function(f"{plot}.data[0].zmin === -0.5")
    assert page.locator(".map-legend:visible").inner_text().split() == ["first", "token", "mixed"]


def test_arrow_keys_choose_a_head_and_enter_opens_its_page(open_page: Open) -> None:
    page = all_charts(open_page())
    page.locator(".head-map-chart .plot").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    told = page.locator(".head-map-chart [role=status]")
    assert told.inner_text().startswith("Layer 1, head 1 (none):")
    page.keyboard.press("Enter")
    page.wait_for_selector("#head-page:not([hidden])")
    assert page.evaluate("location.hash") == f"#{PREFIX}1-1"
    assert page.locator("#head-page h3").inner_text().startswith("Head 1-1")


def test_a_click_on_the_map_opens_the_page_of_a_head(open_page: Open) -> None:
    page = all_charts(open_page())
    page.locator(".head-map-chart .nsewdrag").click()
    page.wait_for_selector("#head-page:not([hidden])")
    assert page.evaluate("location.hash").startswith(f"#{PREFIX}")


def test_the_page_of_a_head_is_restored_and_leads_to_pairs(open_page: Open) -> None:
    page = open_page(anchor=f"#{PREFIX}15-7")
    page.wait_for_selector("#head-page:not([hidden])")
    text = page.locator("#head-page").inner_text()
    assert "Head 15-7" in text
    assert "carries" in text
    assert "Signed bias, from the swapped word" in text
    link = page.locator("#head-page li a[href^='#pair-']").first
    anchor = (link.get_attribute("href") or "").removeprefix("#")
    link.click()
    page.wait_for_function(f"location.hash === '#{anchor}'")
    page.wait_for_selector("#head-page", state="hidden")
    page.go_back()
    page.wait_for_selector("#head-page:not([hidden])")
    page.locator("#head-page").get_by_role("button", name="Close").click()
    page.wait_for_selector("#head-page", state="hidden")


def test_filter_search_and_sort_are_kept_in_the_address(open_page: Open, runs: Runs) -> None:
    page = ready(open_page())
    page.locator("#pairs-kind").select_option("treatment")
    page.locator("#pairs-sort").select_option("-te")
    page.locator("#pairs-q").fill("nurse  DOCTOR")
    assert asked(page) == {"kind": "treatment", "sort": "-te", "q": "nurse  DOCTOR"}
    run = read_folder(*runs["fail"])
    effects = total_effects(run)
    texts = (run.pairs["text_a"] + run.pairs["text_b"]).str.lower()
    fits = run.pairs[
        (run.pairs["kind"] == "treatment") & texts.str.contains("nurse") & texts.str.contains("doctor")
    ]
    order = sorted(fits["pair_id"], key=lambda name: -effects.get(name, -9.0))
    shown = [button.get_attribute("data-key") for button in page.locator("#pair-browser button.open").all()]
    assert shown[: len(effects)] == order[:25]
    assert f"of {len(fits)} pairs, of 362 in all" in page.locator("#pair-browser [role=status]").inner_text()


def test_the_address_restores_the_table_and_back_goes_back(open_page: Open) -> None:
    page = ready(open_page(anchor="#pairs?kind=control&sort=te&q=nurse&page=2"))
    before = page.locator(ROWS).first.inner_text()
    assert page.locator("#pairs-kind").input_value() == "control"
    assert page.locator("#pairs-q").input_value() == "nurse"
    page.locator("#pairs-kind").select_option("")
    assert asked(page) == {"sort": "te", "q": "nurse"}
    page.go_back()
    page.wait_for_function("document.querySelector('#pairs-kind').value === 'control'")
    assert page.locator(ROWS).first.inner_text() == before
    page.get_by_role("button", name="Show all").click()
    assert asked(page) == {}


def test_an_opened_pair_shows_both_texts_with_what_differs(open_page: Open) -> None:
    page = ready(open_page(anchor="#pairs?open=t00-1-0"))
    detail = page.locator("#pair-browser .detail")
    marks = detail.locator(".said").nth(0).locator("mark").all_inner_texts()
    assert marks == ["She"]
    text = detail.inner_text()
    for told in ("What the model wrote", "suites/gender.yaml:12", "Total effect", "Likelihood of the texts"):
        assert told in text
    assert detail.locator("a[href^='#head-']").count() == 3
    page.locator("#pair-browser button.open[aria-expanded=true]").click()
    assert page.locator("#pair-browser .detail").count() == 0
    assert asked(page) == {}


def test_the_anchor_of_any_pair_opens_it(open_page: Open, runs: Runs) -> None:
    name = read_folder(*runs["fail"]).pairs["pair_id"].iloc[-1]
    page = ready(open_page(anchor=f"#pair-gender-occupation-{name}"))
    page.wait_for_selector("#pair-browser .detail")
    assert page.locator("#open-pair button.open").get_attribute("data-key") == name


def test_pages_of_the_table(open_page: Open) -> None:
    page = ready(open_page())
    assert page.locator(ROWS).count() == 25
    page.get_by_role("button", name="Next").click()
    assert asked(page) == {"page": "2"}
    assert "26–50 of 362" in page.locator("#pair-browser [role=status]").inner_text()
    page.get_by_role("button", name="Previous").click()
    assert page.get_by_role("button", name="Previous").is_disabled()


def test_nothing_that_fits_is_said(open_page: Open) -> None:
    page = ready(open_page())
    page.locator("#pairs-q").fill("no such words")
    assert page.locator("#pair-browser [role=status]").inner_text() == "No pair fits."
    assert page.locator(ROWS).count() == 0


def test_hostile_text_stays_text_in_an_opened_pair(open_page: Open) -> None:
    page = ready(open_page(anchor=f"#pairs?open={PAIR_FIRST}"))
    assert "<script>alert(1)</script> ]]> & [U+202E]evil[U+2066]" in page.locator(".detail").inner_text()
    assert page.locator("img").count() == 0


def test_without_scripts_the_worst_pairs_and_still_pictures_are_there(open_page: Open) -> None:
    page = open_page(script=False)
    assert page.locator(".still-pairs tbody tr").count() == 200
    assert not page.locator("#pair-browser").is_visible()
    assert page.locator(".still svg.scatter").is_visible()
    assert page.locator(".still svg.projection").is_visible()
    assert page.locator("#power tbody tr").first.is_visible()
    assert page.locator(".not-measured li").first.is_visible()
    assert page.locator(".plot:visible, .choose:visible, .live-only:visible").count() == 0
    assert page.locator(f"[id='{PREFIX}15-7'], [id='{PREFIX}0-0']").count() == 2


def test_print_shows_what_is_in_the_still_page(open_page: Open, tmp_path: Path) -> None:
    page = all_charts(ready(open_page()))
    page.emulate_media(media="print")
    assert page.locator(".still-pairs").is_visible()
    assert page.locator(".still svg.scatter").is_visible()
    assert page.locator(".plot:visible, #pair-browser:visible").count() == 0
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_scrolls_sideways_with_everything_open(open_page: Open, width: int) -> None:
    page = all_charts(ready(open_page(width=width, anchor="#pairs?open=t00-1-0")))
    page.evaluate(f"location.hash = '{PREFIX}15-7'")
    page.wait_for_selector("#head-page:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sample", ["fail", "empty"])
def test_axe_finds_nothing_serious(open_page: Open, scheme: str, sample: str) -> None:
    page = open_page(sample, scheme=scheme)
    if sample == "fail":
        all_charts(ready(page))
        page.evaluate(f"location.hash = '{PREFIX}15-7'")
        page.wait_for_selector("#head-page:not([hidden])")
        page.locator("#pair-browser button.open").first.click()
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], [node["html"][:160] for node in each["nodes"]][:5])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert json.dumps(serious, indent=1) == "[]"


@pytest.mark.parametrize("sample", ["waived", "pass", "inconclusive", "error", "empty"])
def test_every_outcome_opens_without_a_complaint(open_page: Open, sample: str) -> None:
    page = all_charts(open_page(sample))
    assert page.locator("#verdict .chip").is_visible()
