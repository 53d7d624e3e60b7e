"""JUnit XML, read back by junitparser."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Properties, Skipped, TestCase

from audit.results import Audit, Estimate, Verdict
from reports.junit import JunitReport, junit_xml
from tests.reports.edge_runs import check_of, with_checks, write_edge

Runs = dict[str, tuple[Path, Audit]]


def read(audit: Audit, root: Path) -> JUnitXml:
    return JUnitXml.fromstring(junit_xml(audit, root))


def cases(audit: Audit, root: Path) -> list[TestCase]:
    return [case for suite in read(audit, root) for case in suite]


def told(case: TestCase) -> dict[str, str]:
    (properties,) = case.iterchildren(Properties)
    return {each.name: each.value for each in properties}


def test_a_failed_check_is_a_failure_with_all_its_figures(runs: Runs, tmp_path: Path) -> None:
    heads, effect = cases(runs["fail"][1], tmp_path)
    assert (heads.name, heads.classname) == ("no-biased-heads [she/he]", "evenhand.gender-occupation")
    (failure,) = effect.result
    assert isinstance(failure, Failure)
    assert failure.message == "The total effect under she/he is +0.241 nats [+0.161, +0.321]: beyond ±0.1."
    assert failure.type == "limit exceeded"
    found = told(effect)
    assert {
        name: float(found[name]) for name in ("estimate", "ci_low", "ci_high", "threshold", "n", "mde", "p")
    } == {
        **{"estimate": 0.241, "ci_low": 0.161, "ci_high": 0.321, "threshold": 0.1},
        **{"n": 240, "mde": 0.07, "p": 0.0002},
    }
    assert found["threshold_set_by"] == "Model risk committee"
    assert (found["threshold_set_on"], found["threshold_set_after_the_run"]) == ("2026-09-01", "yes")
    assert found["report"] == "report.html#checks"


def test_one_suite_for_each_suite_and_the_counts_are_those_of_the_cases(runs: Runs, tmp_path: Path) -> None:
    audit = runs["fail"][1]
    other = audit.suites[0].model_copy(update={"name": "names"})
    three = with_checks(
        audit,
        audit.gate.checks[0],
        check_of(audit, 1, suite="names", verdict=Verdict.WAIVED, waiver="W-12"),
        check_of(audit, 1, suite="names", verdict=Verdict.PASS),
    )
    xml = read(three.model_copy(update={"suites": (*audit.suites, other)}), tmp_path)
    assert [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in xml] == [
        ("gender-occupation", 1, 1, 0, 0),
        ("names", 2, 0, 0, 1),
    ]
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (3, 1, 0, 1)
    assert [suite.timestamp for suite in xml] == ["2026-11-20T09:14:02"] * 2


@pytest.mark.parametrize(
    ("sample", "kind", "type_"),
    [
        ("fail", Failure, "limit exceeded"),
        ("inconclusive", Failure, "inconclusive"),
        ("error", Error, "not measured"),
    ],
)
def test_what_is_no_pass_fails(runs: Runs, sample: str, kind: type, type_: str, tmp_path: Path) -> None:
    (result,) = cases(runs[sample][1], tmp_path)[0].result
    assert (type(result), result.type) == (kind, type_)


def test_a_waived_check_is_skipped_with_who_accepts_it_and_why(runs: Runs, tmp_path: Path) -> None:
    for case in cases(runs["waived"][1], tmp_path):
        (skipped,) = case.result
        assert isinstance(skipped, Skipped)
        assert skipped.message == (
            "Waiver W-12 (owner A. Owner, approved by B. Approver, until 2027-02-01): "
            "The assistant is not used for hiring; a fix is planned."
        )


def test_a_pass_has_no_result(runs: Runs, tmp_path: Path) -> None:
    assert [case.result for case in cases(runs["pass"][1], tmp_path)] == [[], []]


@pytest.mark.parametrize(("edge", "kind"), [("incomplete", Failure), ("all skipped", Error)])
def test_an_incomplete_run_fails_though_no_check_does(edge: str, kind: type, tmp_path: Path) -> None:
    audit = write_edge(tmp_path, edge)
    *_, whole = cases(audit, tmp_path)
    assert (whole.name, whole.classname) == ("whole-run", "evenhand")
    (result,) = whole.result
    assert isinstance(result, kind)
    assert result.message == audit.gate.why


def test_an_audit_without_checks_does_not_look_green(runs: Runs, tmp_path: Path) -> None:
    (case,) = cases(runs["empty"][1], tmp_path)
    assert case.name == "whole-run"
    assert case.result[0].type == "inconclusive"


def test_what_is_undefined_is_left_out_with_its_reason(runs: Runs, tmp_path: Path) -> None:
    audit = runs["inconclusive"][1]
    estimate = Estimate(estimate=float("nan"), reason="nothing was measured")
    found = told(cases(with_checks(audit, check_of(audit, 1, estimate=estimate)), tmp_path)[0])
    assert found["reason"] == "nothing was measured"
    assert not {"estimate", "ci_low", "ci_high", "ci_level", "p", "mde"} & set(found)
    assert found["n"] == "0"


def test_a_check_of_no_suite_keeps_a_name(runs: Runs, tmp_path: Path) -> None:
    audit = runs["inconclusive"][1]
    xml = read(with_checks(audit, check_of(audit, 1, suite="", contrast=None)), tmp_path)
    assert [(suite.name, [case.name for case in suite]) for suite in xml] == [
        ("gender-occupation", []),
        ("any suite", ["answer-effect"]),
    ]


def test_a_write_that_fails_leaves_the_old_file(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "junit.xml").write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        JunitReport().render(tmp_path, runs["fail"][1])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("junit.xml", "old")]
