"""Comparisons as a page and as Markdown: what they say, what they escape, and how long they get."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit.registry import COMPARISONS
from reports.comparison_html import comparison_page
from reports.comparison_markdown import LIMIT, comparison_markdown
from reports.comparison_rows import counts, headline, output_row
from tests.reports.sample_comparison import nothing_changed, output, sample_comparison
from tests.reports.sample_run import HOSTILE


class Text(HTMLParser):
    """The text of a page, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def told(self) -> str:
        return re.sub(r" (?=[;:,.])", "", " ".join(" ".join(self.words).split()))


def test_the_built_in_formats_come_through_the_door() -> None:
    assert COMPARISONS.names() == ("html", "markdown")


@pytest.mark.parametrize("name", ["html", "markdown"])
def test_a_format_writes_one_whole_file(tmp_path: Path, name: str) -> None:
    (file,) = COMPARISONS.get(name).render(tmp_path, sample_comparison())
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    again = file.read_bytes()
    COMPARISONS.get(name).render(tmp_path, sample_comparison())
    assert file.read_bytes() == again


def test_the_headline_says_what_got_worse() -> None:
    assert headline(sample_comparison()) == "Worse than before: 1 output measure and 3 head measures."
    assert headline(sample_comparison(heads=0)) == "Worse than before: 1 output measure."
    assert headline(nothing_changed()) == "No measure is shown to be worse or better."
    better = nothing_changed().model_copy(update={"outputs": (output("total_effect", "better", 0.3, 0.1),)})
    assert headline(better) == "Nothing got worse, and something got better."


def test_rows_are_in_the_units_of_their_measures() -> None:
    share = output_row(output("pct_stereotype", "better", 0.71, 0.55))
    assert (share.name, str(share.before)) == (
        "Pairs that follow the stereotype",
        "71.0 % (63.0 % to 79.0 %)",
    )
    assert str(share.size) == "−16.0 % (−24.0 % to −8.0 %)"
    effect = output_row(output("total_effect", "worse", 0.05, 0.31))
    assert (str(effect.after), effect.note) == ("+0.310 (0.230 to 0.390)", "in nats")
    assert (
        counts(sample_comparison().outputs)
        == "1 worse, 1 shifted, 1 better, 1 no change shown, 1 not compared"
    )


def test_the_page_tells_both_runs_worst_first() -> None:
    told = Text(comparison_page(sample_comparison())).told
    for part in (
        "Worse than before: 1 output measure and 3 head measures.",
        "The runs were made by different versions of evenhand: 0.1.0 and 0.2.0.",
        "240 of 242 before and 244 now",
        "head 0-7: signed bias from the swapped word; none → carries; gender-occupation: she against he",
        "measured in one of the two runs only",
        "2 pairs: the texts differ between the runs",
        "its own verdict: FAIL",
    ):
        assert part in told, part
    assert (
        told.index("Total effect")
        < told.index("Difference in length")
        < told.index("Difference in likelihood")
    )


def test_the_page_asks_nothing_of_the_network_and_has_no_script() -> None:
    page = comparison_page(sample_comparison())
    tags = Text(page).tags
    assert "script" not in tags
    assert re.search(r"default-src 'none'; style-src 'sha256-[\w+/=]+';", page)
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page)
    assert re.search(r"url\((?!['\"]?data:)", page) is None


def test_a_page_without_changes_says_so() -> None:
    told = Text(comparison_page(nothing_changed())).told
    assert "No measure is shown to be worse or better." in told
    assert "The models have no heads in common: A with 2 × 4 heads and B with 3 × 4 heads." in told


def test_hostile_names_stay_text() -> None:
    page = comparison_page(sample_comparison(HOSTILE))
    found = Text(page)
    assert {"script", "img"}.isdisjoint(found.tags)
    assert "<script>alert(1)</script>" in found.told
    assert "\u202e" not in page
    written = comparison_markdown(sample_comparison(f"{HOSTILE} |x|\n# y @all [a](http://b) `c`"))
    assert "\u202e" not in written
    assert "<script" not in written
    assert not re.search(r"@all|\[a\]|`c`|\|x\||https?://", written)
    tables = [line for line in written.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {7}


def test_markdown_tells_the_worst_first() -> None:
    lines = comparison_markdown(sample_comparison()).splitlines()
    assert lines[0] == "## evenhand: Worse than before: 1 output measure and 3 head measures."
    rows = [
        line
        for line in lines
        if line.startswith("| 🔺") or line.startswith("| 🔸") or line.startswith("| ✅")
    ]
    assert [row.split("|")[1].strip() for row in rows[:3]] == ["🔺 **worse**", "🔸 shifted", "✅ better"]
    assert "- left out, the texts differ between the runs: 2 pairs (t01-0-0, candidate)" in lines
    assert "### Heads: 3 worse, 1 better, 1 no change shown" in lines
    assert "Heads are not compared" not in "\n".join(lines)
    assert "\nHeads are not compared: the models have no heads in common" in comparison_markdown(
        nothing_changed()
    )


@pytest.mark.parametrize("name", ["candidate", "ü☂" * 3000, "|" * 30_000])
def test_markdown_fits_into_a_comment_and_counts_what_does_not(name: str) -> None:
    written = comparison_markdown(sample_comparison(name, heads=2000))
    assert len(written.encode()) <= LIMIT
    shown = len(re.findall(r"^\| 🔺 \*\*worse\*\* \| head&#32;?|^\| 🔺 \*\*worse\*\* \| head", written, re.M))
    if name == "candidate":
        (left_out,) = re.findall(r"… and (\d+) more rows", written)
        assert shown + int(left_out) == 2001
        assert shown > 100
