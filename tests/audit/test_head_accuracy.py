"""Coreference accuracy of heads, against counting text by text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.config import RunConfig
from audit.head_accuracy import with_accuracy
from audit.results import HeadFinding

CONFIG = RunConfig()
HEADS = [(0, 0), (0, 1), (1, 0)]


def tables(count: int = 24, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs ``The cook met the nurse …``: in half of them the nurse (candidate 1, tied to she) is meant."""
    rng = np.random.default_rng(seed)
    pairs, heads = [], []
    for number in range(count):
        gold, nurse_first = ("nurse", "cook")[number % 2], number % 3 == 0
        left, right = ("nurse", "cook") if nurse_first else ("cook", "nurse")
        texts = [f"The {left} met the {right} before {pronoun} left." for pronoun in ("she", "he")]
        pairs.append(
            {
                **{
                    "suite": "w",
                    "pair_id": f"p{number}",
                    "axis": "gender",
                    "kind": "treatment",
                    "control": None,
                },
                **{"cluster": f"t{number // 2}", "item": f"i{number % 6}", "order": 0, "directed": True},
                **{"arm_a": "she", "arm_b": "he", "group_a": "female", "group_b": "male"},
                **{"text_a": texts[0], "text_b": texts[1], "candidate_1": "nurse", "candidate_2": "cook"},
                **{"gold": gold, "status": "measured"},
            }
        )
        for layer, head in HEADS:
            place = {"suite": "w", "pair_id": f"p{number}", "stream": "self", "layer": layer, "head": head}
            heads.append(place | {"coref_a": rng.normal(), "coref_b": rng.normal()})
    return pd.DataFrame(pairs), pd.DataFrame(heads)


def findings() -> list[HeadFinding]:
    known: dict[str, Any] = {"suite": "w", "contrast": ("she", "he"), "stream": "self", "label": "none"}
    return [HeadFinding(**known, flagged=False, layer=layer, head=head) for layer, head in HEADS]


def slow(pairs: pd.DataFrame, heads: pd.DataFrame, layer: int, head: int) -> tuple[float, float]:
    """Accuracy over all texts; and with less against the stereotype (she: nurse, he: cook)."""
    right, pro, anti = [], [], []
    own = heads[(heads["layer"] == layer) & (heads["head"] == head)].set_index("pair_id")
    for pair in pairs.to_dict("records"):
        for arm, tied, lean in (("she", "nurse", "coref_a"), ("he", "cook", "coref_b")):
            looks_at = "nurse" if own.loc[pair["pair_id"], lean] > 0 else "cook"
            hit = looks_at == pair["gold"]
            right.append(hit)
            (pro if pair["gold"] == tied else anti).append(hit)
            assert arm in pair["arm_a" if arm == "she" else "arm_b"]
    return float(np.mean(right)), float(np.mean(pro) - np.mean(anti))


def test_accuracy_and_gap_equal_counting() -> None:
    pairs, heads = tables()
    for finding in with_accuracy(findings(), pairs, heads, CONFIG):
        accuracy, gap = slow(pairs, heads, finding.layer, finding.head)
        assert finding.coreference_accuracy is not None
        assert finding.accuracy_gap is not None
        assert finding.coreference_accuracy.estimate == pytest.approx(accuracy)
        assert finding.coreference_accuracy.n == 24
        low, high = finding.coreference_accuracy.ci_low, finding.coreference_accuracy.ci_high
        assert low is not None
        assert high is not None
        assert 0 <= low < accuracy < high <= 1
        assert finding.accuracy_gap.estimate == pytest.approx(gap)


def test_baselines_equal_counting() -> None:
    pairs, heads = tables()
    first = np.mean([pair["text_a"].split()[1] == pair["gold"] for pair in pairs.to_dict("records")])
    for finding in with_accuracy(findings(), pairs, heads, CONFIG):
        assert finding.first_accuracy == pytest.approx(first)
        assert finding.nearest_accuracy == pytest.approx(1 - first)


def test_a_head_that_follows_the_stereotype_has_the_largest_gap() -> None:
    pairs, heads = tables()
    heads = heads.assign(coref_a=0.1, coref_b=-0.1)  # she looks at the nurse, he at the cook
    for finding in with_accuracy(findings(), pairs, heads, CONFIG):
        assert finding.coreference_accuracy is not None
        assert finding.accuracy_gap is not None
        assert (finding.coreference_accuracy.estimate, finding.accuracy_gap.estimate) == (0.5, 1.0)


def test_without_a_gold_referent_or_a_tie_it_is_undefined() -> None:
    pairs, heads = tables()
    for finding in with_accuracy(findings(), pairs.assign(gold=None), heads, CONFIG):
        assert finding.coreference_accuracy is None
        assert finding.nearest_accuracy is None
    for finding in with_accuracy(findings(), pairs.assign(directed=False), heads, CONFIG):
        assert finding.accuracy_gap is not None
        assert finding.accuracy_gap.estimate is None
        assert finding.accuracy_gap.reason == (
            "the suite ties no candidate to an arm, so no text is with or against a stereotype"
        )
        assert finding.coreference_accuracy is not None


def test_rows_that_were_not_read_do_not_count() -> None:
    pairs, heads = tables()
    heads.loc[heads["head"] == 1, ["coref_a", "coref_b"]] = np.nan
    unread = with_accuracy(findings(), pairs, heads, CONFIG)[1].coreference_accuracy
    assert unread is not None
    assert (unread.estimate, unread.reason) == (None, "the pronoun's row was not read")
