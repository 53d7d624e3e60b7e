"""The public module: what projects import, and what pytest loads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import evenhand
from audit.results import Audit, CheckResult, Coverage, Estimate, Gate, HeadFinding, ModelInfo, Verdict
from tests.wheel import ROOT, run

MODEL = ModelInfo(
    name="tiny",
    family="llama",
    architecture="LlamaForCausalLM",
    layers=1,
    heads=2,
    parameters=10,
    vocabulary=5,
    context=8,
    dtype="float32",
    device="cpu",
    attention_route="evenhand",
    bos=True,
    hashes={},
    self_test=(),
)


def head(number: int, label: str, flagged: bool) -> HeadFinding:
    return HeadFinding(
        suite="jobs",
        contrast=("she", "he"),
        stream="self",
        layer=3,
        head=number,
        label=label,
        flagged=flagged,
        reasons=("bias 0.21", "effect 0.24 nats"),
        bias=Estimate(estimate=0.21),
    )


def audit(*heads: HeadFinding, failed: int = 0) -> Audit:
    return Audit(
        verdict=Verdict.PASS,
        model=MODEL,
        suites=(),
        config={},
        environment={},
        coverage=Coverage(planned=9, measured=9 - failed, skipped=0, failed=failed),
        findings=(),
        heads=heads,
        gate=Gate(verdict=Verdict.PASS, checks=(), why=""),
    )


def test_load_reads_what_was_written(tmp_path: Path) -> None:
    written = audit(head(0, "none", False))
    (tmp_path / "audit.json").write_text(written.model_dump_json(), encoding="utf-8")
    assert evenhand.load(tmp_path) == written


def test_load_names_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(evenhand.AuditError) as caught:
        evenhand.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/audit.json: cannot be read (No such file or directory); expected a finished run"
    )
    assert caught.value.exit_code == 2


def test_load_names_a_file_that_is_not_an_audit(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text("{}", encoding="utf-8")
    with pytest.raises(evenhand.AuditError) as caught:
        evenhand.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/audit.json: not an audit (")
    assert "\n" not in str(caught.value)


def test_heads_without_bias_pass() -> None:
    evenhand.assert_no_biased_heads(audit(head(0, "none", False), head(1, "unmeasured", False)))


def test_flagged_heads_are_named() -> None:
    with pytest.raises(AssertionError) as caught:
        evenhand.assert_no_biased_heads(audit(head(0, "none", False), head(1, "carries", True)))
    assert str(caught.value) == (
        "1 attention heads carry bias:\n  jobs she/he: self layer 3 head 1: bias 0.21; effect 0.24 nats"
    )


def test_what_was_not_measured_never_passes() -> None:
    with pytest.raises(AssertionError, match=r"^2 of 9 pairs could not be measured$"):
        evenhand.assert_no_biased_heads(audit(head(0, "none", False), failed=2))
    with pytest.raises(AssertionError, match=r"^no attention head was measured$"):
        evenhand.assert_no_biased_heads(audit(head(0, "unmeasured", False)))
    with pytest.raises(AssertionError, match=r"^no attention head was measured$"):
        evenhand.assert_no_biased_heads(audit())


def test_an_undecided_check_of_heads_never_passes() -> None:
    check = CheckResult(
        id="biased-heads",
        suite="jobs",
        measure="flagged_heads",
        contrast=("she", "he"),
        at_most=0,
        verdict=Verdict.INCONCLUSIVE,
        estimate=Estimate(estimate=0.0),
        why="2 of 3 heads could still hide a bias.",
        set_by="board",
        set_on="2026-11-01",
        set_reason="agreed",
    )
    done = audit(head(0, "none", False))
    gate = Gate(verdict=Verdict.INCONCLUSIVE, checks=(check,), why=check.why)
    with pytest.raises(AssertionError, match=r"^2 of 3 heads could still hide a bias\.$"):
        evenhand.assert_no_biased_heads(done.model_copy(update={"gate": gate}))


def test_run_without_a_suite_is_refused() -> None:
    with pytest.raises(evenhand.AuditError, match=r"^no suite was named; expected at least one suite file$"):
        evenhand.run(model="demo")


def test_run_tells_what_the_command_told(tmp_path: Path) -> None:
    with pytest.raises(evenhand.AuditError) as caught:
        evenhand.run(tmp_path / "absent.yaml", model="demo", out=tmp_path / "run")
    assert caught.value.exit_code == 2
    assert "absent.yaml" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_lint_returns_every_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("suite: broken\nversion: one\ncolour: red\n", encoding="utf-8")
    faults = evenhand.lint(broken)
    assert len(faults) >= 2
    assert all(fault.startswith(f"{broken}:") for fault in faults)
    assert evenhand.lint(ROOT / "suites" / "quickstart.yaml") == ()


@pytest.mark.parametrize("name", evenhand.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(evenhand, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'evenhand' has no attribute 'rum'"):
        evenhand.rum  # noqa: B018


def test_the_plugin_registers_its_option(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("--evenhand-model") is None


def test_reading_a_run_brings_no_generic_name_into_the_process(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(audit(head(0, "none", False)).model_dump_json(), encoding="utf-8")
    code = (
        "import evenhand, json, sys\n"
        "evenhand.assert_no_biased_heads(sys.argv[1])\n"
        "print(json.dumps([name for name in ('audit', 'probes', 'reports') if name in sys.modules]))"
    )
    done = run(sys.executable, "-P", "-c", code, tmp_path, cwd=tmp_path)
    assert json.loads(done.stdout) == []
