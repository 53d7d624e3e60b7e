"""Which pairs are shown, why, and what they are a part of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from audit.results import Audit, HeadFinding
from reports.folder import FinishedRun, read_folder
from reports.html import render_page
from reports.pair_choice import choose_pairs, mean_bias, written_by_hand
from reports.total_effects import shares, total_effects

Runs = dict[str, tuple[Path, Audit]]


@pytest.fixture(scope="module")
def run(runs: Runs) -> FinishedRun:
    return read_folder(*runs["fail"])


def test_a_name_does_not_make_a_pair_written_by_hand() -> None:
    pairs = pd.DataFrame(
        {
            "pair_id": ["planted-seeds.nurse-pilot.o0.she-he", "seeds.she-he", "doctor", "nurse", "doctor.a"],
            "cluster": ["planted-seeds", "seeds", "doctor", "doctor", "doctor"],
        }
    )
    assert list(written_by_hand(pairs)) == [False, False, True, True, False]


def test_a_template_called_seed_does_not_flood_the_page(run: FinishedRun) -> None:
    names = "planted-seeds." + run.pairs["pair_id"]
    renamed = run.pairs.assign(pair_id=run.pairs["pair_id"].where(run.pairs["cluster"].str[0] == "s", names))
    choice = choose_pairs(replace(run, pairs=renamed), total_effects(run))
    assert [row.pair_id for row in choice.rows] == ["seed-doctor-nurse", "seed-doctor-nurse-said"]


def test_order_is_by_hand_then_by_strength(run: FinishedRun) -> None:
    choice = choose_pairs(run, total_effects(run))
    assert [row.pair_id in choice.by_hand for row in choice.rows] == [True] * 2 + [False] * 10
    assert {row.pair_id for row in choice.rows} == set(run.details)
    strengths = [choice.strength[row.pair_id] for row in choice.rows[2:]]
    assert strengths == sorted(strengths, reverse=True)


def test_strength_is_the_mean_size_over_flagged_heads() -> None:
    heads = pd.DataFrame(
        {
            "pair_id": ["a", "a", "a", "b", "c"],
            "layer": [0, 1, 2, 0, 0],
            "head": [0, 0, 0, 0, 0],
            "bias": [0.2, -0.4, 0.9, -0.1, None],
        }
    )
    common = {"suite": "s", "contrast": ("she", "he"), "stream": "self", "head": 0, "label": "carries"}
    findings = [HeadFinding(**common, layer=layer, flagged=layer < 2) for layer in range(3)]
    assert mean_bias(heads, findings) == pytest.approx({"a": 0.3, "b": 0.1})
    assert mean_bias(heads, []) == pytest.approx({"a": 0.5, "b": 0.1})


def test_total_effects_are_counted_over_all_pairs_not_over_the_examples(run: FinishedRun) -> None:
    effects = total_effects(run)
    wide = run.outputs[run.outputs["measure"] == "completion_log_odds"].pivot(
        index="pair_id", columns="arm", values="value"
    )
    tested = run.pairs[(run.pairs["kind"] == "treatment") & (run.pairs["status"] == "measured")]["pair_id"]
    wide = wide.loc[tested]
    assert effects.to_dict() == pytest.approx((wide["she"] - wide["he"]).to_dict())
    raised = effects - effects.median()
    (share,) = shares(run, raised)
    assert share[:2] == ("gender-occupation", ("she", "he"))
    assert (share.pairs, share.not_above) == (len(tested), int((raised <= 0).sum()))
    assert share.not_above * 2 == pytest.approx(len(tested), abs=2)


def test_undirected_pairs_and_pairs_without_effect_are_not_counted(run: FinishedRun) -> None:
    undirected = replace(run, pairs=run.pairs.assign(directed=False))
    assert shares(undirected, total_effects(undirected)) == ()
    silent = replace(run, outputs=run.outputs[run.outputs["measure"] != "completion_log_odds"])
    assert total_effects(silent).empty


def test_the_page_says_how_the_examples_were_chosen(run: FinishedRun) -> None:
    page = render_page(run)
    (share,) = shares(run, total_effects(run))
    assert "taken over the 3 flagged heads" in page
    assert f"{share.not_above} of {share.pairs} pairs (" in page
    choice = choose_pairs(run, total_effects(run))
    for row in choice.rows:
        assert f"mean |signed bias| {choice.strength[row.pair_id]:.3f} · total effect" in page
