"""What a GitHub workflow hears, and that nobody else hears it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from audit.errors import StoreError
from reports.github import STEP_SUMMARY, annotation, announce
from reports.issues import Issue, Level
from reports.markdown import MarkdownReport
from reports.places import Place
from tests.reports.edge_runs import write_edge


def issue(level: Level, message: str = "m") -> Issue:
    return Issue("rule", level, None, "t", message, Place("suites/a.yaml", 7), "", ("s",), "", {})


def said(*issues: Issue) -> list[str]:
    out = io.StringIO()
    announce(issues, lambda budget: "", {}, out)
    return out.getvalue().splitlines()


def test_an_annotation_names_file_line_and_title() -> None:
    assert annotation(issue("error", "50 % more"), "error") == (
        "::error file=suites/a.yaml,line=7,title=evenhand%2C t::50 %25 more"
    )


def test_nothing_in_a_property_ends_it() -> None:
    place = Place("a,line=1::x\n::error::y.yaml", 7)
    told = annotation(issue("error")._replace(place=place), "error")
    assert told == "::error file=a%2Cline=1%3A%3Ax %3A%3Aerror%3A%3Ay.yaml,line=7,title=evenhand%2C t::m"


def test_errors_and_warnings_are_annotated_and_notes_are_not() -> None:
    lines = said(issue("warning"), issue("note"), issue("error"))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]


def test_no_more_of_a_kind_than_github_shows() -> None:
    lines = said(*[issue("error", f"{number}") for number in range(12)], *[issue("warning")] * 11)
    assert [line.split("::")[-1] for line in lines[:10]] == [f"{number}" for number in range(10)]
    assert len(lines) == 20


def test_outside_of_a_workflow_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    for value in (None, "false", "1"):
        if value is None:
            monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
        else:
            monkeypatch.setenv("GITHUB_ACTIONS", value)
        MarkdownReport().render(tmp_path / "run", write_edge(tmp_path / "run", "all failed"))
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "step.md").exists()


def test_in_a_workflow_the_step_gets_annotations_and_the_summary_after_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "step.md").write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (path,) = MarkdownReport().render(tmp_path / "run", write_edge(tmp_path / "run", "all failed"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 3
    assert all(line.startswith("::error file=suites/gender.yaml,line=1,title=evenhand") for line in lines)
    assert (tmp_path / "step.md").read_text() == f"before\n{path.read_text()}\n"


@pytest.mark.parametrize("before", [STEP_SUMMARY - 20_000, STEP_SUMMARY - 100])
def test_the_step_never_gets_more_than_its_bytes(before: int, tmp_path: Path) -> None:
    step = tmp_path / "step.md"
    step.write_text("x" * before)
    announce([], lambda budget: "y" * budget, {"GITHUB_STEP_SUMMARY": str(step)}, io.StringIO())
    assert step.stat().st_size == (STEP_SUMMARY if before == STEP_SUMMARY - 20_000 else before)


def test_a_summary_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"missing/step\.md: the step's summary cannot be written \(No such file"
    ):
        announce(
            [], lambda budget: "", {"GITHUB_STEP_SUMMARY": str(tmp_path / "missing/step.md")}, io.StringIO()
        )
