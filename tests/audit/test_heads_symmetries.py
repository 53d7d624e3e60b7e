"""Heads: exchanging, renaming and shuffling do what they must; nulls stay silent."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.config import RunConfig
from audit.heads import analyse_heads
from audit.redirect import redirect
from audit.results import HeadFinding
from tests.audit.simulated import DIVERGENCES, MOVER, SIGNED, Tables, simulate
from tests.audit.test_heads import CONFIG, PLANTED, analyse, flagged

NAMES = ("arm", "group", "text", "tokens")
MEASURES = ("bias", "nie", "bias_next", "nie_next", "jsd")


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Treatments only, with planted heads."""
    return simulate(PLANTED, seed=4, controls=False)


def exchange_columns(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Exchange ``name_a`` and ``name_b`` for every name."""
    swap = {f"{name}_{a}": f"{name}_{b}" for name in names for a, b in ("ab", "ba")}
    return frame.rename(columns=swap)[list(frame.columns)]


def by_place(tables: Tables, config: RunConfig = CONFIG) -> dict[tuple[int, int], HeadFinding]:
    """All findings by (layer, head), whatever the contrast is called."""
    return {(f.layer, f.head): f for f in analyse_heads(tables.pairs, tables.heads, config)}


def same_figures(one: HeadFinding, other: HeadFinding, sign: float = 1) -> None:
    """Signed estimates agree up to the sign; p-values, divergences and counts agree."""
    for name in MEASURES:
        x, y = getattr(one, name), getattr(other, name)
        assert y.estimate == pytest.approx(x.estimate * (1 if name == "jsd" else sign))
        assert (y.n, y.units, y.clusters, y.items) == (x.n, x.units, x.clusters, x.items)
        if name != "jsd":
            assert y.p == pytest.approx(x.p)
            bounds = (x.ci_low, x.ci_high) if sign > 0 else (-x.ci_high, -x.ci_low)
            assert (y.ci_low, y.ci_high) == pytest.approx(bounds)
    for name in ("p_flag", "p_adjusted", "total_variation", "value_weighted", "mass"):
        assert getattr(other, name) == pytest.approx(getattr(one, name))


def test_exchanging_the_texts_flips_every_signed_measure_and_no_divergence(tables: Tables) -> None:
    heads = exchange_columns(tables.heads.assign(**{n: -tables.heads[n] for n in SIGNED}), ("coref", "mass"))
    heads = heads.rename(columns={"coref_a_next": "coref_b_next", "coref_b_next": "coref_a_next"})
    turned = by_place(Tables(exchange_columns(tables.pairs, NAMES), heads))
    opposite = {"carries": "opposes", "opposes": "carries"}
    for place, finding in by_place(tables).items():
        other = turned[place]
        assert tuple(other.contrast) == ("he", "she")
        if finding.label not in opposite:
            same_figures(finding, other, sign=-1)
        assert other.label == opposite.get(finding.label, finding.label)
        assert other.bias.estimate == pytest.approx(-finding.bias.estimate)
        assert other.nie.estimate == pytest.approx(-finding.nie.estimate)
        assert other.preference_a == pytest.approx(finding.preference_b)


def test_renaming_arms_and_candidates_together_changes_nothing(tables: Tables) -> None:
    pairs = exchange_columns(tables.pairs, NAMES).rename(
        columns={
            "candidate_1": "candidate_2",
            "candidate_2": "candidate_1",
            "completion_1": "completion_2",
            "completion_2": "completion_1",
        }
    )
    old = tables.heads
    new = {
        "coref_a": -old["coref_b"],
        "coref_b": -old["coref_a"],
        "mass_a": old["mass_b"],
        "mass_b": old["mass_a"],
    }
    new |= {"coref_a_next": -old["coref_b_next"], "coref_b_next": -old["coref_a_next"]}
    renamed = by_place(Tables(pairs, old.assign(**new)))
    for place, finding in by_place(tables).items():
        same_figures(finding, renamed[place])
        assert (renamed[place].label, renamed[place].flagged) == (finding.label, finding.flagged)
        assert renamed[place].preference_a == pytest.approx(1 - finding.preference_b)


def test_the_order_of_rows_changes_nothing(tables: Tables) -> None:
    shuffled = Tables(
        tables.pairs.sample(frac=1, random_state=1), tables.heads.sample(frac=1, random_state=2)
    )
    found = by_place(shuffled)
    for place, finding in by_place(tables).items():
        same_figures(finding, found[place])
        assert found[place].label == finding.label


def test_tables_read_back_from_parquet_give_the_same(tables: Tables) -> None:
    read = []
    for frame in (tables.pairs, tables.heads):
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        read.append(pd.read_parquet(buffer))
    found = by_place(Tables(*read))
    assert found == by_place(tables)


def test_pairs_that_were_not_measured_do_not_count(tables: Tables) -> None:
    last = tables.pairs["cluster"] == "template-19"
    pairs = tables.pairs.assign(
        status=np.where(last, "skipped", "measured"), reason=np.where(last, "too long", None)
    )
    heads = tables.heads[~tables.heads["pair_id"].isin(set(pairs.loc[last, "pair_id"]))]
    finding = by_place(Tables(pairs, heads))[0, 0]
    assert (finding.bias.n, finding.bias.units, finding.bias.clusters) == (228, 114, 19)


def test_identical_texts_give_exactly_nothing(tables: Tables) -> None:
    zero = tables.heads.assign(**dict.fromkeys((*SIGNED, *DIVERGENCES), 0.0), coref_b=tables.heads["coref_a"])
    zero = zero.assign(coref_b_next=zero["coref_a_next"])
    for finding in by_place(Tables(tables.pairs, zero)).values():
        assert (finding.label, finding.flagged) == ("none", False)
        for name in MEASURES:
            assert getattr(finding, name).estimate == 0
        assert finding.bias.p == finding.nie.p == 1
        assert finding.total_variation == finding.value_weighted == 0


def test_a_bias_that_never_varies_cannot_be_tested_and_says_so(tables: Tables) -> None:
    finding = by_place(Tables(tables.pairs, tables.heads.assign(bias=0.1)))[0, 0]
    assert finding.bias.estimate == pytest.approx(0.1)
    assert (finding.bias.p, finding.p_flag, finding.p_adjusted) == (None, None, None)
    assert finding.bias.reason
    assert (finding.label_pronoun, finding.flagged) == ("unmeasured", False)


# --- nulls -----------------------------------------------------------------------------------------


def relabelled(pairs: pd.DataFrame, seed: int) -> dict[str, int]:
    """A random direction for each item."""
    items = sorted(set(pairs["item"]))
    signs = np.random.default_rng(seed).choice([-1, 1], len(items))
    return dict(zip(items, signs.tolist(), strict=True))


def test_redirect_turns_signed_measures_of_an_item_and_nothing_else(tables: Tables) -> None:
    direction = relabelled(tables.pairs, seed=0)
    before = tables.heads.copy(deep=True)
    pairs, heads = redirect(tables.pairs, tables.heads, direction)
    pd.testing.assert_frame_equal(tables.heads, before)
    keys = ["suite", "pair_id", "stream", "layer", "head"]
    sign = before["pair_id"].map(tables.pairs.set_index("pair_id")["item"].map(direction))
    expected = before.set_index(keys).sort_index()
    found = heads.set_index(keys).sort_index()
    turn = before.assign(sign=sign).set_index(keys).sort_index()["sign"]
    for name in SIGNED:
        np.testing.assert_allclose(found[name], expected[name] * turn)
    for name in (*DIVERGENCES, "mass_a", "mass_b"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert len(pairs) == len(tables.pairs)
    back = redirect(pairs, heads, direction)[1].set_index(keys).sort_index()
    np.testing.assert_allclose(back[list(SIGNED)], expected[list(SIGNED)])


def test_redirect_makes_treatments_of_same_group_controls() -> None:
    tables = same_group(seed=3)
    direction = dict.fromkeys(tables.pairs["item"], 1)
    pairs, heads = redirect(tables.pairs, tables.heads, direction)
    assert set(pairs["kind"]) == {"treatment"}
    np.testing.assert_allclose(heads["bias"], (heads["coref_a"] - heads["coref_b"]) / 2)
    np.testing.assert_allclose(heads["bias_next"], (heads["coref_a_next"] - heads["coref_b_next"]) / 2)
    assert analyse(Tables(pairs, heads))[0, 0].bias.n == 240


def same_group(seed: int) -> Tables:
    """Only the same-group controls of a run."""
    tables = simulate({}, seed)
    pairs = tables.pairs[tables.pairs["control"] == "same-group"]
    return Tables(pairs, tables.heads[tables.heads["pair_id"].isin(set(pairs["pair_id"]))])


def too_many(audits: int, share: float) -> int:
    """More false audits than this are not chance at the given share (one-sided, 1 in 1000)."""
    return int(stats.binom.ppf(0.999, audits, share))


def test_items_relabelled_at_random_are_silent(tables: Tables) -> None:
    assert flagged(analyse(tables))
    draws = [Tables(*redirect(tables.pairs, tables.heads, relabelled(tables.pairs, s))) for s in range(60)]
    assert sum(bool(flagged(analyse(draw))) for draw in draws) <= 6


def test_same_group_candidates_with_a_random_direction_are_silent() -> None:
    tables = same_group(seed=8)
    draws = [Tables(*redirect(tables.pairs, tables.heads, relabelled(tables.pairs, s))) for s in range(20)]
    assert sum(bool(flagged(analyse(draw))) for draw in draws) <= 2


def test_models_without_any_planted_head_are_silent() -> None:
    audits = [bool(flagged(analyse(simulate({}, seed, controls=False)))) for seed in range(100, 120)]
    assert sum(audits) <= 1


def test_heads_that_only_move_are_rarely_called_carriers() -> None:
    movers = {(layer, head): MOVER for layer in (0, 1) for head in range(4)}
    audits = [bool(flagged(analyse(simulate(movers, seed, controls=False)))) for seed in range(200, 250)]
    assert sum(audits) <= too_many(len(audits), CONFIG.q)


def test_false_discoveries_stay_below_q_beside_real_carriers() -> None:
    false = found = 0
    for seed in range(300, 330):
        names = flagged(analyse(simulate(PLANTED, seed, controls=False)))
        found += len(names & {(0, 0), (0, 1), (1, 1)})
        false += bool(names - {(0, 0), (0, 1), (1, 1)})
    assert found >= 0.95 * 90
    assert false <= too_many(30, CONFIG.q)
