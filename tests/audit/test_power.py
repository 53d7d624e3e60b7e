"""Planning: components are recovered, planned effects are found as often as planned, and limits are told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audit.cli import main
from audit.config import RunConfig
from audit.heads import analyse_heads
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.power import Components, Design, Growth, smallest_design, variance_components
from audit.power_plan import power_needs
from audit.store import RunFolder
from tests.audit.simulated import CARRIER, simulate, simulate_outputs
from tests.calibration.coverage import as_seen, normal_sample, simulated_power
from tests.conftest import Told

ALPHA, POWER = 0.05, 0.8
TRUE = Components(0.1, 0.4, 0.5, 0.0, 0.0)


def test_components_are_recovered() -> None:
    found = variance_components(*normal_sample(Design(20, 20, 6), TRUE, 4000, seed=1))
    means = np.mean([[each.template, each.item, each.rest] for each in found], axis=0)
    # Negative estimates count as 0, which lifts the mean of the smallest a little.
    np.testing.assert_allclose(means, [0.1, 0.4, 0.5], atol=0.02)


@pytest.mark.parametrize("design", [Design(20, 20, 6), Design(30, 12, 4), Design(12, 24, 6)])
def test_the_mean_varies_as_planned(design: Design) -> None:
    values, _, _ = normal_sample(design, TRUE, 20_000, seed=2)
    assert TRUE.standard_error(design) == pytest.approx(values.mean(axis=0).std(), rel=0.02)


@pytest.mark.parametrize(
    ("design", "components"),
    [
        (Design(20, 20, 6), TRUE),
        (Design(30, 16, 6), TRUE),
        (Design(24, 24, 4), Components(0.1, 0.2, 0.7, 0.0, 0.0)),
        (Design(16, 32, 6), Components(0.5, 0.1, 0.4, 0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_the_planned_effect_is_found_as_often_as_planned(
    design: Design, components: Components, alpha: float
) -> None:
    effect = as_seen(components, design).detectable(design, alpha, POWER)
    found = simulated_power(design, components, effect, alpha)
    assert found == pytest.approx(POWER, abs=0.03)


def test_where_neither_factor_matters_the_test_is_conservative_and_the_plan_a_little_hopeful() -> None:
    """`V` is then the larger of two noisy variances; components at least 0 make up for most of it."""
    design, nothing = Design(24, 24, 6), Components(0.0, 0.0, 1.0, 0.0, 0.0)
    hopeful = as_seen(nothing, design).detectable(design, ALPHA, POWER)
    assert 0.7 < simulated_power(design, nothing, hopeful, ALPHA) < POWER
    values, template, item = normal_sample(design, nothing, 500, seed=4)
    estimated = variance_components(values, template, item)
    effect = float(np.median([each.detectable(design, ALPHA, POWER) for each in estimated]))
    assert simulated_power(design, nothing, effect, ALPHA) == pytest.approx(POWER, abs=0.03)


def test_the_smallest_design_is_enough_and_one_less_is_not() -> None:
    start = Design(20, 20, 6)
    cases: tuple[tuple[Growth, float], ...] = (("templates", 0.46), ("items", 0.45), ("both", 0.2))
    for growth, threshold in cases:
        found = smallest_design(TRUE, start, threshold, ALPHA, POWER, growth)
        assert found is not None
        assert TRUE.detectable(found, ALPHA, POWER) <= threshold
        size = found.items if growth == "items" else found.templates
        less = start.grown(growth, size - 1)
        assert TRUE.detectable(less, ALPHA, POWER) > threshold


def test_more_templates_do_not_help_against_items_that_vary() -> None:
    start = Design(20, 20, 6)
    least = np.sqrt(TRUE.item / 20) * 2.9
    assert smallest_design(TRUE, start, least, ALPHA, POWER, "templates") is None
    both = smallest_design(TRUE, start, least, ALPHA, POWER, "both")
    assert both is not None
    assert both.templates == both.items > 20
    assert smallest_design(TRUE, start, 5.0, ALPHA, POWER, "templates") == start


# --- from tables to needs --------------------------------------------------------------------------

LIMITS = {"flagged_heads": 0, "total_effect": 0.1, "pct_stereotype": 0.6, "likelihood_diff": 1}
SET = {"set_by": "t", "reason": "t", "date": "2026-01-01"}
CONFIG = RunConfig.model_validate(
    {"checks": [{"id": name, "measure": name, "at_most": limit, **SET} for name, limit in LIMITS.items()]}
)


def planned_pairs(rows: list[dict[str, object]]) -> list[Pair]:
    """The pairs that rows of ``pairs.parquet`` came from, as far as planning looks at them."""
    spans = dict.fromkeys((PRONOUN, CANDIDATE_1, CANDIDATE_2), (0, 1))
    texts = {arm: Text(arm, "g", "text", ((0, 1),), spans) for arm in ("she", "he", "Monday", "Tuesday")}
    return [
        Pair(
            *(str(row[name]) for name in ("suite", "pair_id", "axis")),
            "control" if row["kind"] == "control" else "treatment",
            None,
            *(str(row[name]) for name in ("cluster", "item")),
            0,
            True,
            texts[str(row["arm_a"])],
            texts[str(row["arm_b"])],
            ("a", "b"),
            None,
            "t.yaml",
            1,
        )
        for row in rows
    ]


def test_needs_begin_with_what_the_analysis_says_it_can_find() -> None:
    tables = simulate({(0, 0): CARRIER}, seed=6)
    outputs = simulate_outputs(tables.pairs, 0.3, seed=6)
    frames = {"pairs": tables.pairs, "outputs": outputs}
    needs = power_needs(planned_pairs(tables.pairs.to_dict("records")), frames, tables.heads, CONFIG)
    assert [need.check for need in needs] == ["flagged_heads"] * 2 + list(LIMITS)[1:]
    worst, median, effect, share, size = needs
    biases = [e for f in analyse_heads(tables.pairs, tables.heads, CONFIG) for e in (f.bias, f.bias_next)]
    known = sorted(each.mde for each in biases if each.mde is not None)
    assert worst.reach is not None
    assert median.reach is not None
    assert worst.reach.now == Design(20, 20, 6)
    assert worst.reach.pairs_per_unit == 2
    assert worst.alpha == pytest.approx(0.05 / len(known))
    assert worst.reach.detectable == pytest.approx(known[-1], rel=0.05)
    assert known[0] <= median.reach.detectable <= known[-1]
    assert worst.threshold == CONFIG.largest_hidden_bias
    assert effect.reach is not None
    assert effect.reach.designs["both"] is not None
    assert share.threshold == pytest.approx(0.1)
    assert (size.reach, size.reason) == (None, "a size is described, not tested against 0: it has no power")


def test_the_command_plans_from_a_run(
    done: RunFolder, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = str(folder / "jobs.yaml")
    assert main(["power", suite, "--run", str(done.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["power"] == 0.8
    assert {need["check"] for need in found["needs"]} == {"biased-heads", "total-effect"}
    assert main(["power", suite, "--run", str(done.path)]) == 0
    said = capsys.readouterr().out
    assert "total-effect  tiny-jobs she/he: total_effect" in said
    assert "the suite now" in said


def test_the_command_plans_from_a_pilot(
    folder: Path, done: RunFolder, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = str(folder / "jobs.yaml")
    assert main(["power", suite, "--model", str(tiny_folder), "--templates", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["variances_from"] == f"a pilot of 16 pairs on {tiny_folder}"
    assert found["needs"][0]["reach"]["now"] == {"templates": 4, "items": 4, "per_template": 4}


def test_what_is_missing_is_told(told: Told, copy: Path) -> None:
    assert told("power", "selfcheck") == (
        "--model, --run: neither is given; expected a model to try the suite on, or a finished run"
    )
    assert told("power", "selfcheck", "--model", "demo", "--run", "x") == (
        "--model, --run: both are given; expected a model to try the suite on, or a finished run"
    )
    assert told("power", "selfcheck", "--run", str(copy)) == (
        f"{copy}: the suite 'selfcheck' was not measured here; expected tiny-jobs"
    )
