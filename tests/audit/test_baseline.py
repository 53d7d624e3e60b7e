"""Checks of a change: against itself, against a clean baseline, and against what cannot be compared."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from audit.api import gate_again
from audit.config import Check, Waiver
from audit.errors import InputError
from audit.results import Verdict
from audit.store import RunFolder
from tests.audit.simulated import CARRIER, Tables
from tests.audit.written_run import CONFIG, MODEL, simulated, write_run_of

SET: dict[str, Any] = {"set_by": "board", "reason": "agreed", "date": dt.date(2026, 1, 1)}
EFFECT = Check(id="effect", measure="total_effect", worse_by_at_most=0.1, **SET)
HEADS = Check(id="heads", measure="flagged_heads", worse_by_at_most=0, **SET)
PLACE = (1, 2)


def config(*checks: Check, **more: Any) -> Any:
    return CONFIG.model_copy(update={"checks": checks, "largest_hidden_bias": 0.3, **more})


def decided(
    folder: Path, base: tuple[Any, Any], head: tuple[Any, Any], *checks: Check, **more: Any
) -> RunFolder:
    write_run_of(folder / "base", *base)
    write_run_of(folder / "head", *head)
    return gate_again(folder / "head", config(*checks, **more), folder / "base")


def told(run: RunFolder) -> dict[str, tuple[Verdict, str]]:
    return {check.id: (check.verdict, check.why) for check in run.audit.gate.checks}


def test_a_run_against_itself_passes_even_without_any_allowance(tmp_path: Path) -> None:
    side = simulated({PLACE: CARRIER}, 0.8)
    none = EFFECT.model_copy(update={"worse_by_at_most": 0.0})
    run = decided(tmp_path, side, side, none, HEADS)
    assert [check.verdict for check in run.audit.gate.checks] == [Verdict.PASS, Verdict.PASS]
    assert run.audit.verdict is Verdict.PASS
    effect, heads = run.audit.gate.checks
    assert effect.kind == heads.kind == "change"
    assert (effect.estimate.estimate, effect.estimate.ci_high) == (0, 0)
    assert effect.against.before == effect.against.after
    assert heads.why == (
        "0 attention heads newly carry bias under she/he; "
        "no other can have become worse by a signed bias of 0.3."
    )
    assert heads.against.before.estimate == heads.against.after.estimate == 1
    assert run.audit.gate.baseline.model == "small"


def test_a_planted_bias_against_a_clean_baseline_fails(tmp_path: Path) -> None:
    run = decided(tmp_path, simulated(seed=1), simulated({PLACE: CARRIER}, 0.8, seed=2), EFFECT, HEADS)
    found = told(run)
    assert found["heads"] == (
        Verdict.FAIL,
        "1 attention head carries bias under she/he (1-2) that did not in the baseline; at most 0 allowed.",
    )
    verdict, why = found["effect"]
    assert verdict is Verdict.FAIL
    assert why.startswith("the total effect under she/he went from ")
    assert why.endswith(": worse by more than 0.1.")
    assert run.audit.verdict is Verdict.FAIL


def test_less_bias_than_before_passes(tmp_path: Path) -> None:
    run = decided(tmp_path, simulated({PLACE: CARRIER}, 0.8, seed=2), simulated(seed=1), EFFECT, HEADS)
    assert [check.verdict for check in run.audit.gate.checks] == [Verdict.PASS, Verdict.PASS]


def test_an_interval_around_the_allowance_decides_nothing(tmp_path: Path) -> None:
    check = EFFECT.model_copy(update={"worse_by_at_most": 0.6})
    run = decided(tmp_path, simulated(seed=1), simulated(total_effect=0.8, seed=2), check)
    (verdict, why) = told(run)["effect"]
    assert verdict is Verdict.INCONCLUSIVE
    assert why.endswith(": the interval straddles 0.6.")


def test_a_growth_that_a_head_could_hide_decides_nothing(tmp_path: Path) -> None:
    write_run_of(tmp_path / "base", *simulated(seed=1))
    write_run_of(tmp_path / "head", *simulated(seed=2))
    strict = config(HEADS, largest_hidden_bias=0.05)
    run = gate_again(tmp_path / "head", strict, tmp_path / "base")
    (verdict, why) = told(run)["heads"]
    assert verdict is Verdict.INCONCLUSIVE
    assert "heads may have become worse under she/he by a signed bias of 0.05 or more" in why


def first_units(side: tuple[Tables, pd.DataFrame], units: int) -> tuple[Tables, pd.DataFrame]:
    tables, outputs = side
    pairs = tables.pairs.head(2 * units)
    heads, rows = (table[table["pair_id"].isin(pairs["pair_id"])] for table in (tables.heads, outputs))
    return Tables(pairs, heads), rows


@pytest.mark.parametrize("check", [EFFECT, HEADS], ids=lambda check: check.id)
def test_a_baseline_with_too_few_of_the_pairs_decides_nothing(tmp_path: Path, check: Check) -> None:
    side = simulated(seed=1)
    run = decided(tmp_path, first_units(side, 30), side, check)
    assert told(run)[check.id] == (
        Verdict.INCONCLUSIVE,
        "Undecided: only 60 of 240 pairs of simulated, she/he are the same in the baseline.",
    )
    (result,) = run.audit.gate.checks
    assert (result.against.pairs, result.against.of) == (60, 240)


@pytest.mark.parametrize("check", [EFFECT, HEADS], ids=lambda check: check.id)
def test_a_suite_of_a_few_pairs_decides_nothing(tmp_path: Path, check: Check) -> None:
    side = first_units(simulated(seed=1), 9)
    (verdict, why) = told(decided(tmp_path, side, side, check))[check.id]
    assert verdict is Verdict.INCONCLUSIVE
    assert why.endswith("can be compared with the baseline on 9 units of pairs only.")


def test_a_baseline_of_another_suite_decides_nothing(tmp_path: Path) -> None:
    tables, outputs = simulated(seed=1)
    other = Tables(tables.pairs.assign(suite="other"), tables.heads.assign(suite="other"))
    run = decided(tmp_path, (other, outputs.assign(suite="other")), (tables, outputs), EFFECT, HEADS)
    why = "Undecided: only 0 of 240 pairs of simulated, she/he are the same in the baseline."
    assert set(told(run).values()) == {(Verdict.INCONCLUSIVE, why)}


def test_without_a_baseline_a_check_of_a_change_never_passes(tmp_path: Path) -> None:
    write_run_of(tmp_path / "run", *simulated(seed=1))
    both = EFFECT.model_copy(update={"at_most": 100.0})
    run = gate_again(tmp_path / "run", config(both))
    limit, change = run.audit.gate.checks
    assert (limit.kind, limit.verdict) == ("limit", Verdict.PASS)
    assert (change.kind, change.verdict, change.why) == (
        "change",
        Verdict.INCONCLUSIVE,
        "any suite: Undecided: the check 'effect' limits a change, and no baseline was given (--baseline).",
    )
    assert run.audit.verdict is Verdict.INCONCLUSIVE


def test_a_check_of_another_suite_looks_at_nothing(tmp_path: Path) -> None:
    side = simulated(seed=1)
    check = EFFECT.model_copy(update={"suite": "absent"})
    (verdict, why) = told(decided(tmp_path, side, side, check))["effect"]
    assert verdict is Verdict.INCONCLUSIVE
    assert why == (
        "Undecided: no pair that the check 'effect' (total_effect) could look at is in the baseline, too."
    )


def test_a_contrast_without_heads_to_look_at_does_not_keep_the_others_from_passing(tmp_path: Path) -> None:
    tables, outputs = simulated(seed=1)
    names = tables.pairs.assign(pair_id="names-" + tables.pairs["pair_id"], arm_a="Ann", arm_b="Bob")
    both = Tables(pd.concat([tables.pairs, names], ignore_index=True), tables.heads)
    run = decided(tmp_path, (both, outputs), (both, outputs), HEADS)
    assert [(check.contrast, check.verdict) for check in run.audit.gate.checks] == [
        (("she", "he"), Verdict.PASS)
    ]


def test_other_heads_decide_nothing(tmp_path: Path) -> None:
    tables, outputs = simulated(seed=1)
    write_run_of(tmp_path / "base", tables, outputs, model=MODEL.model_copy(update={"heads": 5}))
    write_run_of(tmp_path / "head", tables, outputs)
    run = gate_again(tmp_path / "head", config(HEADS), tmp_path / "base")
    assert told(run)["heads"] == (
        Verdict.INCONCLUSIVE,
        "Undecided: the models have no heads in common: Small with 2 × 5 heads and Small with 2 × 4 heads.",
    )


def test_a_waiver_accepts_a_change_that_fails(tmp_path: Path) -> None:
    days = {"created": dt.date(2026, 1, 1), "expires": dt.date(2999, 1, 1)}
    waiver = Waiver(id="w", check="effect", owner="o", approver="a", reason="r", **days)
    sides = simulated(seed=1), simulated(total_effect=0.8, seed=2)
    run = decided(tmp_path, *sides, EFFECT, waivers=(waiver,))
    (result,) = run.audit.gate.checks
    assert (result.verdict, result.waiver) == (Verdict.WAIVED, "w")


def test_a_baseline_that_no_check_asks_for_is_told(tmp_path: Path) -> None:
    side = simulated(seed=1)
    check = EFFECT.model_copy(update={"at_most": 100.0, "worse_by_at_most": None})
    run = decided(tmp_path, side, side, check)
    assert run.audit.verdict is Verdict.PASS
    assert [limit.text for limit in run.audit.limits if limit.id == "baseline"] == [
        "A baseline was given, but no check limits a change (worse_by_at_most), so it decided nothing."
    ]


def test_a_baseline_that_is_no_run_is_refused(tmp_path: Path) -> None:
    write_run_of(tmp_path / "run", *simulated(seed=1))
    before = (tmp_path / "run" / "audit.json").read_bytes()
    with pytest.raises(InputError) as caught:
        gate_again(tmp_path / "run", config(EFFECT), tmp_path / "absent")
    assert str(caught.value) == (
        f"{tmp_path}/absent/audit.json: no finished run here (No such file or directory); expected audit.json"
    )
    assert (tmp_path / "run" / "audit.json").read_bytes() == before


def test_a_check_needs_a_limit() -> None:
    with pytest.raises(ValueError, match="a check needs a limit; expected at_most, worse_by_at_most or both"):
        Check(id="c", measure="total_effect", **SET)


def test_the_report_tells_the_change_and_the_baseline(tmp_path: Path) -> None:
    from reports.html import HtmlReport

    run = decided(tmp_path, simulated(seed=1), simulated(total_effect=0.8, seed=2), EFFECT)
    (page,) = HtmlReport().render(tmp_path / "head", run.audit)
    text = page.read_text(encoding="utf-8")
    assert "Total effect, since the baseline" in text
    assert "worse by at most <strong>0.100</strong>" in text
    assert "240 of 240 pairs are the same" in text
