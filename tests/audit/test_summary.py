"""What a release manager reads on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.results import (
    Audit,
    Coverage,
    Estimate,
    Gate,
    HeadFinding,
    ModelInfo,
    SelfTestStep,
    SuiteInfo,
    Verdict,
)
from audit.store import RunFolder
from audit.summary import print_self_test, print_summary, summary_json

Captured = pytest.CaptureFixture[str]
MODEL = ModelInfo(
    **{"name": "m", "family": "decoder", "architecture": "Llama", "dtype": "float32", "device": "cpu"},
    **{"layers": 3, "heads": 4, "parameters": 2_000_000, "vocabulary": 9, "context": 9, "bos": True},
    attention_route="rows",
    hashes={},
    self_test=(
        SelfTestStep(name="logits are numbers", passed=True),
        SelfTestStep(name="rows", passed=False, value=0.25, bound=1e-5, note="off"),
    ),
)
SUITE = SuiteInfo(
    **{"name": "jobs", "version": 1, "axis": "gender", "task": "coreference", "file": "jobs.yaml"},
    **{"sha256": "0", "pairs": 4, "treatment": 4, "control": 0, "clusters": 2, "items": 2},
)


def head(number: int, nie: float, row: str) -> HeadFinding:
    suffix = "" if row == "pronoun" else "_next"
    measured = {
        f"bias{suffix}": Estimate(estimate=-0.2, ci_low=-0.25, ci_high=-0.15),
        f"nie{suffix}": Estimate(estimate=nie, ci_low=nie / 2, ci_high=nie * 2),
        f"p_adjusted{suffix}": 0.0123,
        f"label_{row}": "carries",
    }
    place = {"suite": "jobs", "contrast": ("she", "he"), "stream": "self", "layer": 2, "head": number}
    return HeadFinding(**place, label="carries", flagged=True, **measured)


def run(*heads: HeadFinding, failed: int = 0) -> RunFolder:
    audit = Audit(
        verdict=Verdict.FAIL,
        model=MODEL,
        suites=(SUITE,),
        config={},
        environment={},
        coverage=Coverage(planned=4, measured=4 - failed, skipped=0, failed=failed),
        findings=(),
        heads=heads,
        gate=Gate(verdict=Verdict.FAIL, checks=(), why="Too much."),
    )
    return RunFolder(Path("nowhere"), audit)


def test_flagged_heads_are_told_with_their_habits(capsys: Captured) -> None:
    first = head(1, 0.3, "next").model_copy(update={"pattern": "first_token", "pattern_score": 0.715})
    print_summary(run(first, head(0, 0.01, "pronoun")))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert (
        "on neutral text: 2-1 first token (0.71)" in lines
        or "on neutral text: 2-1 first token (0.72)" in lines
    )


def test_flagged_heads_are_listed_strongest_first(capsys: Captured) -> None:
    print_summary(run(head(0, 0.01, "pronoun"), head(1, 0.3, "next"), failed=1))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[:2] == ["FAIL jobs on m", "Too much."]
    assert lines[3:5] == [
        "2-1 predicting -0.200 [-0.250, -0.150] +0.3000 nats 0.012",
        "2-0 pronoun -0.200 [-0.250, -0.150] +0.0100 nats 0.012",
    ]
    assert lines[5].startswith("3 of 4 pairs measured, 0 skipped, 1 failed; 2 head × contrast estimates")
    assert lines[-1] == "report nowhere/audit.json"


def test_only_the_first_eight_heads_are_listed(capsys: Captured) -> None:
    print_summary(run(*(head(number, 0.1, "pronoun") for number in range(11))))
    assert "… and 3 more heads in the report" in capsys.readouterr().out


def test_the_summary_is_one_line_of_json() -> None:
    line = summary_json(run(head(3, 0.1, "pronoun")))
    assert "\n" not in line
    assert json.loads(line) == {
        **{"verdict": "FAIL", "why": "Too much.", "checks": [], "flagged_heads": ["2-3"]},
        **{"planned": 4, "measured": 4, "folder": "nowhere", "report": "nowhere/report.html"},
    }


def test_every_step_of_the_self_test_is_told(capsys: Captured) -> None:
    print_self_test(MODEL)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert " ".join(lines[:-2]) == (
        "m: Llama, 3 layers × 4 heads, 2 M parameters, float32 on cpu, route rows"
    )
    assert lines[-2:] == ["ok logits are numbers", "FAIL rows 0.25 ≤ 1e-05 off"]
