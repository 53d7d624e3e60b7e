"""The figures that are published keep the bars; a smaller calibration is made here and now."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit.planting import Planting
from tests.calibration.ledger import FIGURES, FOLDER
from tests.calibration.planted import draw, figures

PUBLISHED: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
ROLES = ("carries", "opposes", "moves", "acts", "none")


@pytest.mark.parametrize("rule", ["preset", "no floors", "by", "max-t"])
def test_published_recall_and_false_flags_keep_the_bars_by_their_bounds(rule: str) -> None:
    planted, null = PUBLISHED["planted"][rule], PUBLISHED["null"][rule]
    assert min(planted["audits"], null["audits"]) >= 100
    assert planted["recall"]["low"] >= 0.95
    assert planted["nie in errors"]["5 %"] >= 7
    assert planted["audits with a false flag"]["high"] <= 0.05
    assert null["audits with a false flag"]["high"] <= 0.05
    assert all(planted[f"named {role}"]["low"] >= 0.95 for role in ROLES)


def test_published_nulls_doses_coverage_and_power_keep_theirs() -> None:
    demo = PUBLISHED["nulls on the demo model"]
    assert {kind: found["audits with any flag"]["of"] for kind, found in demo.items()} == {
        "labels": 100,
        "same-group": 100,
    }
    assert all(found["audits with any flag"]["count"] <= 10 for found in demo.values())
    halves = PUBLISHED["held-out halves"]
    assert halves["random sets"] >= 200
    assert halves["fall more than 95 % of random sets"] == halves["directions"] >= 2
    assert PUBLISHED["models before training"]["audits with any flag"]["of"] >= 5
    recalls = [found["preset"]["recall"]["count"] for found in PUBLISHED["doses"].values()]
    assert len(recalls) >= 5
    assert recalls == sorted(recalls, reverse=True)
    assert all(found["coverage"] >= 0.93 for found in PUBLISHED["coverage"].values())
    assert all(abs(found["found"] - 0.8) <= 0.03 for found in PUBLISHED["power"].values())


def test_the_page_tells_the_published_counts() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for rule in ("preset", "no floors"):
        planted = PUBLISHED["planted"][rule]
        recall, false = planted["recall"], planted["audits with a false flag"]
        assert f"{recall['count']} of {recall['of']}" in page
        assert f"{false['count']} of {false['of']} (≤ {false['high']:.3f})".replace("0.", ".") in page
    halves = PUBLISHED["held-out halves"]
    assert f"In {halves['fall more than 95 % of random sets']} of {halves['directions']} directions" in page
    for found in PUBLISHED["doses"].values():
        assert f"| {found['preset']['recall']['count']} of {found['preset']['recall']['of']} |" in page
    for found in PUBLISHED["coverage"].values():
        assert f"| {found['coverage']:.3f} |".replace("0.", ".") in page


def test_two_planted_and_two_null_models_come_out_the_same_now() -> None:
    planted = [{"key": str(seed), **draw(Planting(seed))} for seed in (1000, 1001)]
    null = [{"key": str(seed), **draw(Planting.nothing(seed))} for seed in (1000, 1001)]
    for rule in ("preset", "by", "max-t"):
        found = figures(planted, rule)
        assert (found["recall"]["count"], found["recall"]["of"]) == (6, 6)
        assert found["audits with a false flag"]["count"] == 0
        assert all(found[f"named {role}"]["count"] == found[f"named {role}"]["of"] for role in ROLES[:4])
        assert figures(null, rule)["audits with a false flag"]["count"] == 0
