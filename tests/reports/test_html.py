"""The page as text: complete, self-contained, escaped."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit.results import Audit
from reports.folder import read_folder
from reports.glossary import GLOSSARY
from reports.html import HtmlReport, model_text
from reports.pair_cards import PairCard, pair_cards
from reports.pair_choice import choose_pairs
from reports.total_effects import total_effects
from reports.wording import LEADS, quantity

Runs = dict[str, tuple[Path, Audit]]
VOID = {"meta", "link", "input", "br", "img", "hr"}


def cards_of(folder: Path, audit: Audit) -> tuple[PairCard, ...]:
    run = read_folder(folder, audit)
    return pair_cards(run, choose_pairs(run, total_effects(run)))


class Reader(HTMLParser):
    """Collects tags, attributes and visible text, and checks that tags nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("dt", "dd", "td", "th", "p", "li", "h3"):
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.mark.parametrize("sample", ["fail", "waived", "pass", "inconclusive", "error", "empty"])
def test_page_is_well_formed_and_names_the_verdict(pages: dict[str, str], runs: Runs, sample: str) -> None:
    reader, audit = Reader(pages[sample]), runs[sample][1]
    assert reader.open == []
    assert audit.verdict.value in reader.text
    assert audit.gate.why[1:] in reader.text
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("sample", ["fail", "empty"])
def test_links_within_the_page_have_targets(pages: dict[str, str], sample: str) -> None:
    reader = Reader(pages[sample])
    ids = {attributes.get("id") for _, attributes in reader.tags}
    links = {attributes["href"] or "" for tag, attributes in reader.tags if tag == "a"}
    assert {link for link in links if not link.startswith("#") or link[1:] not in ids} == set()


def test_nothing_is_fetched_and_nothing_runs_but_the_own_script(pages: dict[str, str]) -> None:
    reader = Reader(pages["fail"])
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert not attributes.get("src")
        if tag == "link":
            assert attributes["href"] == "data:,"
    scripts = [attributes.get("type") for tag, attributes in reader.tags if tag == "script"]
    assert scripts.count(None) == 1
    assert set(scripts) == {None, "application/json", "text/plain"}
    assert "default-src 'none'" in pages["fail"]
    assert "unsafe-inline" not in pages["fail"]


def test_hostile_model_text_is_shown_as_text(pages: dict[str, str]) -> None:
    page = pages["fail"]
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "\x07" not in page
    assert "<script>alert(1)</script> ]]> & [U+202E]evil[U+2066]" in Reader(page).text


def test_size(pages: dict[str, str]) -> None:
    assert len(pages["fail"].encode()) < 2_500_000


def test_parts_of_the_failing_run(pages: dict[str, str]) -> None:
    text = Reader(pages["fail"]).text
    for expected in (
        LEADS["FAIL"],
        "3 of 270 heads carry the bias. 5 more oppose, move or act.",
        "Limit set by Model risk committee on 2026-09-01",
        "not a limit set in advance",
        "Waiver W-12 (expired)",
        "The Doctor asked the Nurse a question. She / He",
        "She → Nurse",
        "He → Doctor",
        "Control: same-group (she against he)",
        "9 tokens more than the context window",
        "2 pairs: the texts differ in length (nie, nde) t05-1-0, t05-1-1",
        "captured rows equal eager",
        "abababab",
        "versions.torch",
        "Local Law 144",
        *(term.name for term in GLOSSARY),
    ):
        assert expected in text


def test_empty_run_says_what_is_missing(pages: dict[str, str]) -> None:
    text = Reader(pages["empty"]).text
    for expected in (
        "No check was configured",
        "No heads were measured",
        "pairs.parquet is missing from the run folder",
        "No output was",
    ):
        assert expected in text


def test_pair_written_by_hand_comes_first_and_has_a_stable_anchor(runs: Runs) -> None:
    cards = cards_of(*runs["fail"])
    assert cards[0].anchor == "pair-gender-occupation-seed-doctor-nurse"
    assert [card.by_hand for card in cards] == [True, True] + [False] * 10
    assert cards[0].head is not None
    assert cards[0].head.name == "15-7"


def test_pairs_without_kept_attention_are_shown_by_their_outputs(runs: Runs, tmp_path: Path) -> None:
    folder, audit = runs["pass"]
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("detail"))
    cards = cards_of(tmp_path / "run", audit)
    assert cards[0].by_hand
    assert all(card.attention is None and card.continuations for card in cards)
    effects = [abs(card.preference.effect) for card in cards[2:] if card.preference]
    assert effects == sorted(effects, reverse=True)
    (path,) = HtmlReport().render(tmp_path / "run", audit)
    assert "holds no kept attention" in path.read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_page(runs: Runs, pages: dict[str, str]) -> None:
    folder, audit = runs["fail"]
    assert HtmlReport().render(folder, audit) == [folder / "report.html"]
    assert (folder / "report.html").read_text(encoding="utf-8") == pages["fail"]
    assert not list(folder.glob(".report*"))


def test_model_text_is_isolated() -> None:
    assert model_text("<\x1b") == "<bdi>&lt;[U+001B]</bdi>"


def test_undefined_is_a_dash_and_zero_a_number() -> None:
    assert quantity("total_effect", None) == "–"
    assert quantity("total_effect", 0.0, signed=True) == "0.000"
    assert quantity("pct_stereotype", 0.5) == "50.0 %"


def test_the_habit_stands_beside_each_flagged_head(pages: dict[str, str]) -> None:
    section = pages["fail"].split('id="heads"')[1].split('id="pairs"')[0]
    assert section.count('<a href="#term-pattern">habit</a>: first token (0.71)') > 0
    assert section.count('<a href="#term-pattern">habit</a>: mixed (0.32)') > 0
    assert 'id="term-pattern"' in pages["fail"]


def test_tests_of_embeddings_have_a_section_of_their_own(pages: dict[str, str]) -> None:
    section = pages["fail"].split('id="embeddings"')[1].split("</section>")[0]
    for told in (
        "family-career</bdi>, input embeddings",
        "family is nearer to female than career is",
        "<strong>+1.21</strong>",
        "not measured: all words are associated alike",
        "occupations</bdi>, block 6",
        "not told apart from chance",
        "0.17 to 0.70",
    ):
        assert told in section
    outputs = pages["fail"].split('id="outputs"')[1].split("</section>")[0]
    assert "family-career" not in outputs
    assert 'id="embeddings"' not in pages["empty"]
    assert 'href="#embeddings"' not in pages["empty"]
