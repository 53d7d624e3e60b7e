"""Whole attention in a real browser: each view, by keyboard, in both themes, on a phone, with hostile words."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.folder import FinishedRun, read_folder
from reports.html import HtmlReport
from tests.reports.sample_attention import write_attention_run
from tests.reports.test_html_browser import CONTRAST, CUT

Open = Callable[..., Any]
VIEWS = ("Lines", "All heads", "Matrix", "Neurons")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder: Path = tmp_path_factory.mktemp("attention")
    HtmlReport().render(folder, audit := write_attention_run(folder))
    return read_folder(folder, audit)


@pytest.fixture
def open_page(browser: Any, run: FinishedRun) -> Iterator[Open]:
    """Open the report; at the end, no page may have asked for anything or complained."""
    contexts: list[Any] = []
    troubles: list[str] = []

    def open_report(width: int = 1280, *, script: bool = True, scheme: str = "light") -> Any:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, java_script_enabled=script, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        url = (run.path / "report.html").as_uri()
        page.on("request", lambda r: None if r.url.startswith((url, "data:")) else troubles.append(r.url))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{url}#attention")
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert troubles == []


def pick(page: Any, view: str) -> Any:
    page.get_by_role("tab", name=view, exact=True).click()
    return page.locator("#attention-view")


def pair_with(page: Any, control: str) -> Any:
    """Choose the pair that shows a control."""
    for number in range(4):
        page.locator(".pair-choice").select_option(str(number))
        if page.locator(control).is_visible():
            return page
    raise AssertionError(control)


def lines(page: Any, side: str) -> list[dict[str, Any]]:
    """Visible lines of one picture."""
    found: list[dict[str, Any]] = page.locator(
        f"svg.head-lines[data-side={side}] line:not(.off)"
    ).evaluate_all(
        "(all) => all.map((l) => ({q: l.dataset.q, k: l.dataset.k, c: l.getAttribute('class'),"
        " o: Number(l.getAttribute('stroke-opacity'))}))"
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_and_can_be_read(open_page: Open, view: str, width: int, scheme: str) -> None:
    page = open_page(width, scheme=scheme)
    pick(page, view)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ratio, element = page.evaluate(CONTRAST)
    assert ratio >= 4.5, element
    assert page.evaluate(CUT.replace('"th, td"', '"#attention th, #attention td"')) == []


def test_without_scripts_the_first_head_is_drawn(open_page: Open) -> None:
    page = open_page(script=False)
    assert page.locator("#attention svg.head-lines").count() == 3
    assert page.locator("#attention svg.head-lines").first.is_visible()
    assert not page.locator(".explorer").is_visible()


def test_lines_weigh_what_the_run_kept(open_page: Open, run: FinishedRun) -> None:
    page = open_page()
    detail = run.details["seed-doctor-nurse"]
    a, b = detail.weights_a[15, 7], detail.weights_b[15, 7]
    top = max(np.abs(a[:, 1:]).max(), np.abs(b[:, 1:]).max(), np.abs(a - b)[:, 1:].max())
    for side, weights in (("a", a), ("b", b), ("d", a - b)):
        drawn = lines(page, side)
        assert drawn
        for line in drawn:
            value = weights[int(line["q"][1:]), int(line["k"][1:])]
            assert line["o"] == pytest.approx(min(1, abs(value) / top), abs=0.03)
            assert line["c"] == (f"line-{side}" if side != "d" else "line-a" if value > 0 else "line-b")
    assert {line["c"] for line in lines(page, "d")} == {"line-a", "line-b"}
    # Nothing of weight is missing.
    assert len(lines(page, "a")) == pytest.approx((a[:, 1:] >= 0.02).sum(), abs=3)


def test_a_word_shows_its_own_lines_and_numbers_in_all_three(open_page: Open, run: FinishedRun) -> None:
    page = open_page()
    she = page.locator("svg[data-side=a] .word[data-end=q]").last
    she.hover()
    for side in "abd":
        assert {line["q"] for line in lines(page, side)} == {"m8"}
    weight = run.details["seed-doctor-nurse"].weights_a[15, 7, 8, 4]
    assert f"{weight:.2f}" in page.locator("svg[data-side=a] .figures text").all_text_contents()
    assert "From She / He" in page.locator(".numbers caption").inner_text()
    page.mouse.move(5, 5)
    assert len({line["q"] for line in lines(page, "a")}) > 1
    she.click()
    page.mouse.move(5, 5)
    assert {line["q"] for line in lines(page, "d")} == {"m8"}


def test_words_by_keyboard(open_page: Open) -> None:
    page = open_page()
    page.locator("svg[data-side=a] .word[tabindex='0']").focus()
    for key in ("End", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "to ., she"
    assert {line["k"] for line in lines(page, "a")} <= {"m7"}
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"


def test_several_heads_have_colours_of_their_own(open_page: Open) -> None:
    page = open_page()
    chips = page.locator(".chips button")
    chips.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert [chip.get_attribute("aria-pressed") for chip in chips.all()[:3]] == ["true", "true", "false"]
    assert {line["c"] for line in lines(page, "a")} == {"line-h0", "line-h1"}
    assert {line["c"] for line in lines(page, "d")} == {"line-a", "line-b"}
    heads = set(page.locator(".numbers td[data-label=Head]").all_inner_texts())
    assert heads == {"15-7", "12-3"}
    page.keyboard.press("Enter")
    assert {line["c"] for line in lines(page, "a")} == {"line-a"}


def test_any_other_head_can_be_shown(open_page: Open) -> None:
    page = open_page()
    page.locator("select.layer").select_option("29")
    page.locator("select.head-number").select_option("8")
    page.locator("button.add").click()
    assert page.locator(".chips button[aria-pressed=true]").all_inner_texts()[-1].strip() == "29-8"


def test_sub_words_are_merged_or_not(open_page: Open) -> None:
    page = open_page()
    words = "svg[data-side=a] .word[data-end=q]"
    merged = page.locator(words).count()
    page.locator(".merge").uncheck()
    assert page.locator(words).count() == merged + 1
    assert str(page.locator(words).nth(2).text_content()).startswith("·ctor")


def test_one_sentence_looks_at_the_other(open_page: Open) -> None:
    page = pair_with(open_page(), ".parts")
    whole = page.locator("svg[data-side=a] .word[data-end=q]").count()
    page.locator(".parts").select_option("01")
    left, right = (page.locator(f"svg[data-side=a] .word[data-end={end}]").count() for end in "qk")
    assert (left, right) == (whole // 2, whole - whole // 2)


def test_streams_of_an_encoder_decoder(open_page: Open) -> None:
    page = pair_with(open_page(), ".stream")
    names = page.locator("select.stream option").all_inner_texts()
    assert names == ["Encoder", "Decoder", "Cross-attention"]
    page.locator("select.stream").select_option("2")
    written = page.locator("svg[data-side=b] .word[data-end=q] title").all_text_contents()
    assert written == ["<pad>", "Le", "infirmier", "dit"]
    for view in VIEWS:
        assert pick(page, view).inner_text()


def test_all_heads_open_one_by_keyboard(open_page: Open) -> None:
    page = open_page()
    pick(page, "All heads")
    assert page.locator(".head-grid button").count() == 270
    assert page.locator(".head-grid button.named").count() == 8
    page.wait_for_function("document.querySelectorAll('.head-grid .thumb').length > 0")
    # Only what is near the window is drawn.
    assert page.locator(".head-grid .thumb").count() < 270
    page.locator(".head-grid button[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".preview h4").inner_text() == "Head 14-6"
    page.keyboard.press("Enter")
    assert page.get_by_role("tab", name="Lines").get_attribute("aria-selected") == "true"
    assert page.locator(".chips button[aria-pressed=true]").all_inner_texts() == ["14-6"]


def test_the_matrix_is_read_cell_by_cell(open_page: Open, run: FinishedRun) -> None:
    page = open_page()
    pick(page, "Matrix")
    detail = run.details["seed-doctor-nurse"]
    page.locator("svg.matrix[data-side=d]").focus()
    for key in ("ArrowDown",) * 8 + ("ArrowRight",) * 4:
        page.keyboard.press(key)
    a, b = detail.weights_a[15, 7, 8, 4], detail.weights_b[15, 7, 8, 4]
    told = page.locator(".reading-line").inner_text()
    found = re.fullmatch(r"She / He → Nurse: she ([\d.]+), he ([\d.]+), difference \+([\d.]+)", told)
    assert found is not None, told
    assert [float(part) for part in found.groups()] == pytest.approx([a, b, a - b], abs=0.012)
    assert page.locator(".numbers tbody tr").count() == 9
    page.locator(".from select").select_option("m0")
    assert page.locator(".numbers caption").inner_text() == "From The"


def test_neurons_add_up_to_the_score(open_page: Open, run: FinishedRun) -> None:
    page = open_page()
    pick(page, "Neurons")
    (kept,), _ = run.streams_of("seed-doctor-nurse")
    assert kept.a.vectors is not None
    query, keys = (part[0].astype(float) for part in (kept.a.vectors.queries, kept.a.vectors.keys))
    page.locator(".show label", has_text="she").click()
    rows = page.locator("table.neurons tbody tr:not(.query)")
    assert rows.count() == 10
    for number in range(10):
        score = float(query[-1] @ keys[number]) * kept.scales[0]
        told = rows.nth(number).locator("td[data-label=Score]").inner_text().replace("−", "-")
        assert float(told) == pytest.approx(score, abs=0.15)
        weight = rows.nth(number).locator("td.weight span").inner_text()
        assert float(weight) == pytest.approx(kept.a.weights[15, 7, -1, number], abs=0.01)
    page.get_by_label("From the token").select_option("m1")
    assert rows.count() == 2
    page.get_by_role("tab", name="Neurons").focus()
    page.keyboard.press("Home")
    assert page.get_by_role("tab", name="Lines").get_attribute("aria-selected") == "true"


def test_a_stream_without_vectors_says_why(open_page: Open) -> None:
    page = pair_with(open_page(), ".parts")
    assert "bypasses the attention interface" in pick(page, "Neurons").inner_text()


def test_hostile_words_run_nothing(open_page: Open) -> None:
    page = open_page()
    for view in VIEWS:
        pick(page, view)
        assert page.locator("#attention img").count() == 0
        assert page.locator("#attention script:not([type])").count() == 0
    pick(page, "Matrix")
    assert "<script>alert(1)</script>" in page.locator(".numbers").inner_text()


def test_a_card_opens_its_pair(open_page: Open) -> None:
    page = open_page()
    page.locator("details.pair > summary").nth(1).click()
    page.locator("[data-explore]").nth(1).click()
    assert page.locator(".pair-choice").input_value() == "1"
    assert page.evaluate("location.hash") == "#attention"


def test_colours_follow_the_theme(open_page: Open) -> None:
    stroke = "getComputedStyle(document.querySelector('.explorer svg.head-lines .line-a')).stroke"
    assert open_page().evaluate(stroke) != open_page(scheme="dark").evaluate(stroke)


UNPACK = """(w) => {
  const [t, of] = [Array(16).fill("x"), [...Array(16).keys()]];
  const text = { q: { t, w: t, of }, w };
  const stream = { name: "self", layers: 1, heads: 1, absent: [], kept: null, named: [], a: text, b: text };
  const pair = Attention.read(JSON.stringify({ arms: ["a", "b"], streams: [stream] }));
  return [...pair.streams[0].tokens("a", [0, 0]).values];
}"""


def test_scripts_unpack_every_code(open_page: Open) -> None:
    found = open_page().evaluate(UNPACK, base64.b64encode(bytes(range(256))).decode())
    np.testing.assert_allclose(found, (np.arange(256) / 255) ** 2, atol=1e-6)
