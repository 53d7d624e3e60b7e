"""Whatever a model, a suite or a config says, every format stays what it is and shows it."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from audit.results import Audit, Verdict
from audit.results.visible import in_line, visible
from reports.github import announce
from reports.gitlab import GitlabReport
from reports.issues import issues_of
from reports.junit import JunitReport
from reports.markdown import MarkdownReport
from reports.sarif import SarifReport
from reports.spreadsheet import CsvReport
from tests.reports.edge_runs import (
    HOSTILE,
    check_of,
    poison,
    poisoned_pairs,
    small_heads,
    with_checks,
    write_run_folder,
)
from tests.reports.sample_audit import audit_of
from tests.reports.sample_run import pair_table
from tests.reports.sarif_schema import sarif_faults

pytestmark = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)

TAGS = {"h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "a", "ul", "li", "code", "br"}


class Page(HTMLParser):
    """Tags, links, texts and cells of rendered Markdown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.told = ""
        self.rows: list[int] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += 1

    def handle_data(self, data: str) -> None:
        self.told += data


@pytest.fixture
def run(tmp_path: Path, text: str) -> tuple[Path, Audit]:
    pairs = pair_table()
    pairs = pairs[(pairs["kind"] == "treatment") & (pairs["status"] == "measured")].head(4)
    audit = audit_of(Verdict.WAIVED, pairs, small_heads())  # a waiver's texts are told, too
    folder = tmp_path / "run"
    told = poisoned_pairs(pairs, text)
    write_run_folder(folder, audit, told)
    return folder, poison(audit, text)


def test_junit(run: tuple[Path, Audit], text: str) -> None:
    (path,) = JunitReport().render(*run)
    content = path.read_text(encoding="utf-8")
    assert not re.search("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", content)
    case = next(ET.fromstring(content.encode()).iter("testcase"))
    told = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert told["threshold_set_by"] == in_line(text, 1000)
    assert {element.tag for element in case.iter()} <= {"testcase", "properties", "property", "skipped"}


def test_sarif(run: tuple[Path, Audit], text: str) -> None:
    (path,) = SarifReport().render(*run)
    log = json.loads(path.read_bytes())
    assert sarif_faults(log) == []
    first = log["runs"][0]["results"][0]
    assert first["properties"]["threshold_set_by"] == in_line(text, 1000)
    messages = [result["message"]["text"] for result in log["runs"][0]["results"]]
    assert not any("](" in message or re.search(r"\{\d+\}", message) for message in messages)
    assert all("\n" not in message and len(message) < 6000 for message in messages)


def test_gitlab(run: tuple[Path, Audit], text: str) -> None:
    (path,) = GitlabReport().render(*run)
    issues = json.loads(path.read_bytes())
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 2 + 3 + 4
    assert visible(in_line(text, 40)[:20]) in issues[0]["description"]


def test_markdown(run: tuple[Path, Audit], text: str) -> None:
    (path,) = MarkdownReport().render(*run)
    content = path.read_text(encoding="utf-8")
    page = Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(content))
    assert page.tags <= TAGS
    assert all(link.startswith("report.html#pair") for link in page.links)
    assert page.rows == [9] * 3 + [7] * 4 + [4] * 5
    lines = [
        line for line in content.split("\n") if line.startswith("| ")
    ]  # a renderer drops cells beyond the titles
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [10] * 4 + [8] * 5 + [5] * 6
    assert " ".join(in_line(text, 70).split())[:60].removesuffix("…") in " ".join(page.told.split())
    assert not re.search(r"https?://|@(?=\w)|www\.", re.sub(r"\]\(report\.html#[^)]*\)", "]", content))
    assert visible(content) == content


def test_csv(run: tuple[Path, Audit], text: str) -> None:
    for path in CsvReport().render(*run):
        content = path.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        titles, *rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert rows
        assert {len(row) for row in rows} == {len(titles)}
        for cell in {cell for row in rows for cell in row}:
            assert not re.match(r"\s*[=+@＝＋－＠]|[\t\r\n]", cell)
            assert not cell.startswith("-") or float(cell) < 0
            assert visible(cell) == cell


def test_annotations(run: tuple[Path, Audit], text: str, tmp_path: Path) -> None:
    folder, audit = run
    failed = with_checks(audit, *(check_of(audit, number, verdict=Verdict.FAIL) for number in (0, 1)))
    out = io.StringIO()
    announce(issues_of(folder, failed, tmp_path), lambda budget: "", {}, out)
    lines = out.getvalue().removesuffix("\n").split("\n")
    assert len(lines) == 2 + 3
    assert all(re.match(r"::error file=[^,:]+,line=\d+,title=[^,:]+::[^\r\n]+$", line) for line in lines)
