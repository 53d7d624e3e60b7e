"""Coreference accuracy: each text once, over all texts and by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.config import RunConfig
from audit.referents import coreference_findings
from audit.results import Finding

GROUPS = ("female", "male", "neutral")
TEMPLATES = 24


def tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Three arms, so that every text is in two pairs; and which texts are right, by (template, group)."""
    rng = np.random.default_rng(seed)
    pairs, outputs, odds = [], [], {}
    for t in range(TEMPLATES):
        for group in GROUPS:
            odds[t, group] = float(rng.normal(0.3 if group == "female" else -0.1))
        for a, b in (("female", "male"), ("female", "neutral"), ("male", "neutral")):
            name = f"t{t}.{a}-{b}"
            pairs.append(
                {
                    **{
                        "suite": "w",
                        "pair_id": name,
                        "axis": "gender",
                        "kind": "treatment",
                        "status": "measured",
                    },
                    **{
                        "cluster": f"t{t}",
                        "item": f"i{t // 2}",
                        "arm_a": a,
                        "arm_b": b,
                        "group_a": a,
                        "group_b": b,
                    },
                    **{"text_a": f"{t} {a}", "text_b": f"{t} {b}"},
                }
            )
            for arm in (a, b):
                row = {"suite": "w", "pair_id": name, "arm": arm, "measure": "referent_log_odds"}
                outputs.append({**row, "value": odds[t, arm]})
    return pd.DataFrame(pairs), pd.DataFrame(outputs), pd.Series(odds) > 0


def by_group(findings: list[Finding]) -> dict[str | None, Finding]:
    return {finding.group: finding for finding in findings}


def test_accuracy_counts_each_text_once() -> None:
    pairs, outputs, right = tables()
    found = by_group(coreference_findings(pairs, outputs, RunConfig()))
    assert list(found) == [None, *GROUPS]
    assert found[None].estimate == pytest.approx(right.mean())
    assert found[None].n == 3 * TEMPLATES
    for group in GROUPS:
        assert found[group].estimate == pytest.approx(right[:, group].mean())
        assert found[group].n == TEMPLATES
    assert {f.measure for f in found.values()} == {"coreference_accuracy"}
    assert {f.contrast for f in found.values()} == {None}
    overall = found[None]
    assert overall.ci_low is not None
    assert overall.ci_high is not None
    assert 0 < overall.ci_low < float(overall.estimate or 0) < overall.ci_high < 1


def test_pairs_that_were_not_measured_and_controls_do_not_count() -> None:
    pairs, outputs, right = tables()
    pairs.loc[pairs["cluster"] == "t0", "status"] = "failed"
    pairs.loc[pairs["cluster"] == "t1", "kind"] = "control"
    found = by_group(coreference_findings(pairs, outputs, RunConfig()))
    assert found[None].estimate == pytest.approx(right[right.index.get_level_values(0) >= 2].mean())
    assert found[None].n == 3 * (TEMPLATES - 2)


def test_a_tie_is_not_right() -> None:
    pairs, outputs, _ = tables()
    found = by_group(coreference_findings(pairs, outputs.assign(value=0.0), RunConfig()))
    assert found[None].estimate == 0.0


def test_without_gold_referents_there_is_no_accuracy() -> None:
    pairs, outputs, _ = tables()
    assert coreference_findings(pairs, outputs[:0], RunConfig()) == []
    assert coreference_findings(pairs, outputs.assign(value=np.nan), RunConfig()) == []
