"""A finished run on the tiny model, decided and rendered again with other thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.api import gate_again, render
from audit.cli import main
from audit.errors import InputError, StoreError
from audit.results import ExitCode, Verdict
from audit.store import RunFolder, open_run
from audit.verify import verify


def test_gate_decides_again_alike(copy: Path, done: RunFolder) -> None:
    before = (copy / "audit.json").read_bytes()
    again = gate_again(copy, None)
    assert again.audit.model_dump(exclude={"gate"}) == done.audit.model_dump(exclude={"gate"})
    assert again.audit.gate == done.audit.gate
    assert (copy / "audit.json").read_bytes() == before
    assert open_run(copy).audit == again.audit


def gate_file(folder: Path, at_most: float, more: str = "") -> str:
    file = folder / "gate.yaml"
    check = (
        f"{{id: ll, measure: likelihood_diff, at_most: {at_most}, set_by: me, reason: r, date: 2020-01-01}}"
    )
    file.write_text(f"preset: mine\nchecks:\n  - {check}\n{more}", encoding="utf-8")
    return str(file)


WAIVED = (
    "waivers:\n  - {id: w, check: ll, owner: o, approver: a, reason: r, "
    "created: 2020-01-01, expires: 2999-01-01}\n"
)


@pytest.mark.parametrize(
    ("verdict", "more"),
    [(Verdict.FAIL, ""), (Verdict.WAIVED, WAIVED), (Verdict.PASS, ""), (Verdict.INCONCLUSIVE, "")],
)
def test_the_exit_code_is_the_verdict(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verdict: Verdict, more: str
) -> None:
    (found,) = [f for f in open_run(copy).audit.findings if f.measure == "likelihood_diff" and not f.control]
    assert found.estimate is not None
    assert found.ci_low is not None
    low = found.ci_low / 2
    assert low > 0
    at_most = {Verdict.PASS: 1000.0, Verdict.INCONCLUSIVE: found.estimate}.get(verdict, low)
    capsys.readouterr()
    code = main(["gate", str(copy), "--config", gate_file(tmp_path, at_most, more), "--json"])
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count("\n") == 1
    told = json.loads(said.out)
    assert told["verdict"] == verdict.value
    assert code == int(ExitCode.of(verdict))
    assert [(c["id"], c["suite"], c["verdict"]) for c in told["checks"]] == [
        ("ll", "tiny-jobs", verdict.value)
    ]
    audit = open_run(copy).audit
    assert audit.verdict is verdict
    assert audit.config["preset"] == "mine"
    assert audit.config["probes"] == [
        "attention",
        "likelihood",
        "masked",
        "classification",
        "question-answering",
        "translation",
        "generation",
        "causal",
        "patterns",
        "embedding",
    ]
    assert main(["report", str(copy)]) == 0
    assert verdict.value in (copy / "report.html").read_text(encoding="utf-8")


def test_the_summary_says_where_the_report_lies(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    verdict = open_run(copy).audit.verdict
    assert main(["gate", str(copy)]) == int(ExitCode.of(verdict))
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[1].startswith(f" {verdict.value}   tiny-jobs on ")
    assert lines[-1] == f"report  {copy / 'report.html'}"
    assert "73 of 73 pairs measured" in said.out
    assert main(["gate", str(copy), "--quiet"]) == int(ExitCode.of(verdict))
    assert capsys.readouterr().out == ""


def test_a_run_is_sound_and_so_is_a_decision_that_was_taken_again(copy: Path) -> None:
    assert verify(copy).faults == ()
    gate_again(copy, None)
    found = verify(copy)
    assert (found.faults, found.notes) == ((), ())
    assert found.files == sum(path.is_file() for path in copy.rglob("*"))


def test_an_unknown_format_renders_nothing(copy: Path) -> None:
    (copy / "report.html").unlink()
    with pytest.raises(InputError) as caught:
        render(copy, ("html", "pfd"))
    assert str(caught.value).startswith("format: unknown report 'pfd'; expected ")
    assert not (copy / "report.html").exists()


def test_a_run_that_lost_its_tables_is_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copy / "audit.json").read_bytes()
    (copy / "heads.parquet").write_bytes(b"PAR1")
    capsys.readouterr()
    assert main(["gate", str(copy)]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"{copy}/heads.parquet: cannot be read (")
    assert said.count("\n") == 1
    (copy / "heads.parquet").unlink()
    with pytest.raises(StoreError, match=r"no such table; run the audit again$"):
        gate_again(copy, None)
    assert (copy / "audit.json").read_bytes() == before


def test_a_config_that_no_longer_holds_is_told(copy: Path) -> None:
    found = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    found["config"]["speed"] = "ludicrous"
    (copy / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        gate_again(copy, None)
    assert str(caught.value) == (
        f"{copy}/manifest.json: config.speed: not a config: Extra inputs are not permitted"
    )


def test_a_decision_that_departs_from_the_run_says_so(
    copy: Path, done: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lax = tmp_path / "lax.yaml"
    day = done.audit.environment["started"][:10]
    check = f"{{id: ll, measure: likelihood_diff, at_most: 1000, set_by: me, reason: r, date: {day}}}"
    lax.write_text(f"preset: lax\nmin_bias: 0.1\nchecks:\n  - {check}\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["gate", str(copy), "--config", str(lax)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "(set after the run)" in said
    told = next(limit.text for limit in open_run(copy).audit.limits if limit.id == "decided-again")
    assert told == (
        "Decided again, not as the run was made: min_bias 0.1 instead of 0.02; check ll added; "
        f"check biased-heads removed; check total-effect removed. The run itself came to {done.audit.verdict}."
    )
    assert told in said
    assert told in (copy / "report.html").read_text(encoding="utf-8")
    assert gate_again(copy, None).audit.gate == done.audit.gate


def test_a_run_without_its_manifest_is_not_decided_again(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read \(No such file or directory\)"):
        gate_again(copy, None)


def test_a_run_of_another_format_is_refused(copy: Path) -> None:
    found = json.loads((copy / "audit.json").read_text(encoding="utf-8"))
    found["schema_version"] = "9.0"
    (copy / "audit.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        open_run(copy)
    assert str(caught.value) == (
        f"{copy}/audit.json: schema_version: written in another format (got '9.0'); expected 1.x"
    )
