"""The Markdown summary: worst first, within its budget, and honest about what it leaves out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from audit.results import Audit
from reports.folder import FinishedRun, read_folder
from reports.head_groups import by_importance
from reports.markdown import COMMENT, MarkdownReport, summary
from reports.markdown_text import escape
from tests.reports.edge_runs import EDGES, Edge, check_of, poison, with_checks, write_edge

Runs = dict[str, tuple[Path, Audit]]


@pytest.fixture
def failed(runs: Runs) -> FinishedRun:
    return read_folder(*runs["fail"])


def section(text: str, title: str) -> str:
    found = re.search(rf"^### {title}\n\n(.*?)(?=^###|\Z)", text, re.M | re.S)
    return found[1] if found else ""


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.split("\n") if line.startswith("| ")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines][2:]


def test_begins_with_the_verdict_why_and_what_to_do(failed: FinishedRun) -> None:
    lines = summary(failed).split("\n")
    assert lines[0] == "## FAIL: gender-occupation on SmolLM2-135M-Instruct"
    assert lines[2].startswith("**A limit for release is exceeded.** 3 attention heads carry bias")
    assert lines[4] == "Hold the release until the cause is removed or a waiver is signed."
    assert "359 of 362 pairs measured" in lines[6]


def test_a_check_tells_limit_estimate_interval_n_and_smallest_effect(failed: FinishedRun) -> None:
    _, cells = rows(section(summary(failed), "Checks"))
    told = [cell.strip() for cell in cells]
    assert told[0] == "**FAIL**"
    assert "**limit set after the run**" in told[1]
    assert "limit set by Model risk committee on 2026-09-01" in told[1]
    assert told[2:] == [
        "gender-occupation",
        "she / he",
        "0.241 nats",
        "0.161 to 0.321",
        "±0.100",
        "240",
        "0.070",
    ]


def test_heads_pairs_gaps_and_limits_are_there(failed: FinishedRun) -> None:
    text = summary(failed)
    heads = [head for head in by_importance(failed.audit.heads) if head.flagged]
    shown = [cells[0].strip() for cells in rows(section(text, "Heads that carry the bias"))]
    assert shown == [f"{head.layer}-{head.head}" for head in heads] != []
    pairs = rows(section(text, "Strongest pairs"))
    effects = [abs(float(cells[2].replace("−", "-").replace("–", "0"))) for cells in pairs]
    assert effects == sorted(effects, reverse=True)
    assert "](report.html#pair-gender-occupation-" in pairs[0][0]
    assert "- Skipped, 3 pairs: 9 tokens more than the context window" in section(
        text, "What was not measured"
    )
    assert "- Only what the suite swaps is tested." in section(text, "What this cannot tell")
    assert "Left out" not in text


def test_links_lead_to_anchors_of_the_report(runs: Runs, pages: dict[str, str]) -> None:
    links = re.findall(r"\(report\.html#([^)]+)\)", summary(read_folder(*runs["fail"])))
    assert links
    assert all(f'id="{link}"' in pages["fail"] for link in links)


@pytest.mark.parametrize("budget", [10_000, 12_000, 20_000, COMMENT])
def test_keeps_to_its_bytes_and_tells_what_it_left_out(runs: Runs, budget: int) -> None:
    folder, audit = runs["fail"]
    many = with_checks(audit, *(check_of(audit, 1, id=f"check-{number:04}-ä") for number in range(400)))
    run = replace(read_folder(folder, audit), audit=many)
    text = summary(run, budget)
    assert len(text.encode()) <= budget
    shown = len(rows(section(text, "Checks")))
    assert f"{400 - shown} of 400 checks" in text
    assert text.startswith("## FAIL")
    assert text.endswith("`report.html` holds all.\n")
    whole = summary(run)
    for name in (
        "What this cannot tell",
        "What was not measured",
        "Strongest pairs",
        "Heads that carry the bias",
    ):
        assert section(whole, name)


def test_the_worst_stay(runs: Runs) -> None:
    folder, audit = runs["pass"]
    passed = [check_of(audit, 1, id=f"passed-{number:04}") for number in range(300)]
    failed = check_of(runs["fail"][1], 1, id="the-failed-one")
    text = summary(replace(read_folder(folder, audit), audit=with_checks(audit, *passed, failed)), 10_000)
    assert "the-failed-one" in rows(section(text, "Checks"))[0][1]


def test_a_budget_that_holds_nothing_is_refused(failed: FinishedRun) -> None:
    with pytest.raises(ValueError, match="a budget of 100 bytes is too small; expected at least 10000"):
        summary(failed, 100)


@pytest.mark.parametrize("text", ["@a" * 5_000, "&" * 5_000, "w" * 5_000, "👩" * 5_000])
def test_the_verdict_is_there_whatever_must_be_escaped(failed: FinishedRun, text: str) -> None:
    told = summary(replace(failed, audit=poison(failed.audit, text)), 10_000)
    assert told.startswith("## FAIL: ")
    assert len(told.encode()) <= 10_000


@pytest.mark.parametrize("edge", EDGES)
def test_sensible_at_the_edges(edge: Edge, tmp_path: Path) -> None:
    audit = write_edge(tmp_path, edge)
    (path,) = MarkdownReport().render(tmp_path, audit)
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"## {audit.verdict}: ")
    assert bool(section(text, "Checks")) == bool(audit.gate.checks)
    assert bool(section(text, "Heads that carry the bias")) == any(head.flagged for head in audit.heads)
    assert bool(section(text, "Strongest pairs")) == (edge != "all skipped")
    assert not re.search(r"\bnan\b|None", text)


def test_an_empty_audit_says_that_nothing_was_decided(runs: Runs) -> None:
    text = summary(read_folder(*runs["empty"]))
    assert text.startswith("## INCONCLUSIVE: no suite on SmolLM2-135M-Instruct")
    assert "**No limit was set, so there was nothing to decide.**" in text
    assert "This run folder is incomplete: it lacks `manifest.json`, `pairs.parquet`" in text


def test_a_waiver_is_told_where_it_is_used(tmp_path: Path) -> None:
    audit = write_edge(tmp_path, "all waived")
    cells = rows(section(summary(read_folder(tmp_path, audit)), "Checks"))
    assert all("Waiver W-12 (owner A. Owner" in row[1] for row in cells)


@pytest.mark.parametrize("text", ["1. one", "- one", "+ one", "---", "==="])
def test_nothing_at_the_start_of_a_line_is_a_list_or_a_rule(text: str) -> None:
    assert escape(text).startswith(("1\\.", "\\"))


@pytest.mark.parametrize("text", ["0.011", "2026-11-01", "−0.1", "-0.1", "a - b"])
def test_figures_stay_readable(text: str) -> None:
    assert escape(text) == text
