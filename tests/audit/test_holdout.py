"""Heads chosen on one half of templates × items and tried on the other."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from audit.config import RunConfig
from audit.holdout import Fall, choose_heads, random_choices, split_halves
from audit.protocols import HeadChoice
from tests.audit.simulated import ACTOR, AVERTED, CARRIER, MOVER, OPPOSER, Planted, simulate

PLANTED = {
    (0, 0): CARRIER,
    (0, 1): AVERTED,
    (0, 2): OPPOSER,
    (1, 0): MOVER,
    (1, 1): ACTOR,
    (1, 2): Planted(0.2, 0.1, "next"),
}


def treatment(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = simulate(PLANTED, seed, controls=False)
    return tables.pairs, tables.heads


@pytest.mark.parametrize("seed", range(5))
def test_no_template_and_no_item_is_on_both_sides(seed: int) -> None:
    pairs, _ = treatment(0)
    halves = split_halves(pairs, seed)
    sides = [pairs[pairs["pair_id"].isin(ids)] for ids in (halves.choosing, halves.trying)]
    for factor in ("cluster", "item"):
        assert min(len(set(side[factor])) for side in sides) >= 7  # a template may meet no item of its half
        assert not set(sides[0][factor]) & set(sides[1][factor])
    for side in sides:  # both orders of the candidates stay together
        assert set(Counter(zip(side["cluster"], side["item"], strict=True)).values()) == {2}
    assert halves.exchanged.exchanged == halves
    assert split_halves(pairs.sample(frac=1, random_state=1), seed).choosing != ()
    assert set(split_halves(pairs.sample(frac=1, random_state=1), seed).choosing) == set(halves.choosing)


def test_carriers_are_chosen_and_hardly_anything_that_opposes_moves_or_acts_alone() -> None:
    wrong = 0
    for seed in range(10):
        pairs, heads = treatment(seed)
        own, theirs = (
            table[table["pair_id"].isin(split_halves(pairs, seed).choosing)] for table in (pairs, heads)
        )
        choice = choose_heads(own, theirs, RunConfig())
        assert {(0, 0), (0, 1)} <= (choice.pronoun or set())
        assert (1, 2) in (choice.next or set())
        wrong += len((choice.pronoun or set()) & {(0, 2), (1, 0), (1, 1), (1, 2)})
    assert wrong <= 3  # of 40; the effect of a mover is 0, its p below .05 and its sign right in 1 of 40
    large = RunConfig(min_bias=0.5, largest_hidden_bias=0.9)
    assert choose_heads(own, theirs, large) == HeadChoice(frozenset(), frozenset())


def test_random_sets_have_as_many_heads_in_each_layer_and_row() -> None:
    choice = HeadChoice(frozenset({(0, 1), (3, 2), (3, 5)}), frozenset({(2, 0)}))
    sets = random_choices(choice, (9, 4), 300, seed=4)
    for drawn in sets:
        assert sorted(layer for layer, _ in drawn.pronoun or ()) == [0, 3, 3]
        assert [layer for layer, _ in drawn.next or ()] == [2]
    assert {head for drawn in sets for _, head in drawn.next or ()} == set(range(4))
    heads = Counter(head for drawn in sets for layer, head in drawn.pronoun or () if layer == 0)
    assert set(heads) == set(range(9))  # the chosen head may be drawn as well
    assert sets == random_choices(choice, (9, 4), 300, seed=4)
    assert sets != random_choices(choice, (9, 4), 300, seed=5)


def test_the_fall_is_signed_and_its_p_counts_random_sets_that_do_as_much() -> None:
    fall = Fall(0.4, 0.1, np.array([0.4, 0.3, 0.1, 0.05, 0.5]))
    assert fall.share == pytest.approx(0.75)
    assert fall.random_shares.tolist() == pytest.approx([0, 0.25, 0.75, 0.875, -0.25])
    assert fall.p == pytest.approx(3 / 6)
    beyond = Fall(0.4, -0.1, np.full(199, 0.35))  # the effect turns round
    assert beyond.share == pytest.approx(1.25)
    assert beyond.p == pytest.approx(1 / 200)
