"""What a design cannot exclude: the bound that a check of heads passes by, against a slow oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.config import RunConfig
from audit.heads import analyse_heads
from tests.audit.simulated import CARRIER, Tables, simulate, slow_fit, unit_means

CONFIG = RunConfig()


def test_the_bound_is_simultaneous_over_all_rows_and_never_above_1() -> None:
    tables = simulate({(0, 0): CARRIER}, seed=3)
    found = [
        f for f in analyse_heads(tables.pairs, tables.heads, CONFIG) if tuple(f.contrast) == ("she", "he")
    ]
    tests = 2 * len(found)
    for finding in found:
        for suffix, bound in (("", finding.bound), ("_next", finding.bound_next)):
            units = unit_means(tables, finding.layer, finding.head, f"bias{suffix}")
            mean, se, _, df = slow_fit(units["value"].to_numpy(), list(units["cluster"]), list(units["item"]))
            reach = stats.t.ppf(1 - 0.05 / tests / 2, df) * se
            assert bound == pytest.approx(min(abs(mean) + reach, 1))
    wide = tables.heads.assign(bias=tables.heads["bias"] * 50)
    assert {f.bound for f in analyse_heads(tables.pairs, wide, CONFIG) if f.bound is not None} == {1.0}


def test_a_row_without_a_bias_has_no_bound() -> None:
    tables = simulate({}, seed=4)
    gone = Tables(tables.pairs, tables.heads.assign(bias_next=np.nan))
    found = [f for f in analyse_heads(gone.pairs, gone.heads, CONFIG) if tuple(f.contrast) == ("she", "he")]
    assert {f.bound_next for f in found} == {None}
    assert all(f.bound is not None and f.bound > 0 for f in found)
