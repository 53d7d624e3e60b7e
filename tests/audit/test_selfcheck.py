"""The self-check counts what it should, and says how sure it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats

from audit.cli import main
from audit.planting import Planting
from audit.results import Label
from audit.selfcheck import Bar, Outcome, PlantedAudit, Share, tally
from audit.selfcheck_summary import models_needed
from tests.conftest import Told

TRUTH: dict[tuple[int, int], Label] = {(0, 0): "carries", (0, 1): "opposes", (1, 0): "moves", (1, 1): "acts"}


def audit(flagged: set[tuple[int, int]], **labels: Label) -> PlantedAudit:
    """An audit that names every planted head rightly but for the labels given as ``l0h1="none"``."""
    named: dict[tuple[int, int], Label] = {**TRUTH, (0, 2): "none", (1, 2): "none"}
    named |= {(int(key[1]), int(key[3])): label for key, label in labels.items()}
    return PlantedAudit(0, TRUTH, named, frozenset(flagged))


def test_audits_are_counted_against_the_truth() -> None:
    found = tally([audit({(0, 0)}), audit({(0, 0), (0, 2)}, l0h2="carries"), audit(set(), l0h0="none")])
    assert found.recall == Share(2, 3)
    assert found.false == Share(1, 3)
    assert found.false_discoveries == pytest.approx((0 + 1 / 2 + 0) / 3)
    assert found.named("carries") == Share(2, 3)
    assert found.named("none") == Share(5, 6)
    assert found.labels["none", "carries"] == 1


@pytest.mark.parametrize(("count", "trials"), [(0, 90), (3, 10), (10, 10), (149, 150)])
def test_bounds_are_scipys_exact_ones(count: int, trials: int) -> None:
    share = Share(count, trials)
    for bound, side in ((share.low, "greater"), (share.high, "less")):
        interval = stats.binomtest(count, trials, alternative=side).proportion_ci(0.99, method="exact")
        assert bound == pytest.approx(interval.low if side == "greater" else interval.high)


@pytest.mark.parametrize(
    ("share", "least", "standing"),
    [
        (Share(300, 300), True, "shown"),
        (Share(30, 30), True, "holds here"),
        (Share(28, 30), True, "missed"),
        (Share(0, 90), False, "shown"),
        (Share(0, 89), False, "holds here"),
        (Share(2, 30), False, "missed"),
    ],
)
def test_a_bar_is_shown_only_by_its_bound(share: Share, least: bool, standing: str) -> None:
    assert Bar("x", share, least, 0.95 if least else 0.05).standing == standing


def test_one_bar_missed_is_enough() -> None:
    good, bad = tally([audit({(0, 0)})]), tally([audit({(0, 0), (1, 0)})])
    assert Outcome(1.0, good, tally([PlantedAudit(0, {}, {(0, 0): "none"}, frozenset())])).holds
    assert not Outcome(1.0, bad, good).holds


def test_the_models_that_a_proof_takes() -> None:
    assert models_needed() == 90


def test_a_null_is_planted_nothing() -> None:
    assert Planting.nothing(3).labels == ()
    assert len(Planting(3).labels) == 9


def test_the_command_finds_what_it_planted_and_keeps_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["selfcheck", "--seeds", "1", "--json", "--save", str(tmp_path / "planted")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["models"]) == (True, 1)
    bars = {bar["what"]: bar for bar in found["bars"]}
    assert (bars["carriers flagged (recall)"]["count"], bars["carriers flagged (recall)"]["trials"]) == (3, 3)
    assert (tmp_path / "planted" / "model.safetensors").is_file()


def test_a_missed_bar_ends_with_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Outcome(1.0, tally([audit(set(), l0h0="none")]), tally([audit({(0, 0)})]))
    monkeypatch.setattr("audit.selfcheck.run_selfcheck", lambda *_: lost)
    assert main(["selfcheck"]) == 4
    said = capsys.readouterr().out
    assert " MISSED   1 models with planted heads, 1 without" in said
    assert "Missed: carriers flagged (recall); heads named 'carries'.\n" in said


def test_wrong_numbers_are_told(told: Told) -> None:
    assert told("selfcheck", "--seeds", "0") == "--seeds: out of range (got 0); expected at least 1"
    assert told("selfcheck", "--dose", "0") == "--dose: out of range (got 0); expected more than 0"
