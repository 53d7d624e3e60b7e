"""From texts to labels: exchanging, renaming, shuffling and repeating texts do what they must, on any planted model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.config import RunConfig
from audit.expand import expand
from audit.heads import analyse_heads
from audit.loader import load_suite
from audit.pairs import CANDIDATE_1, CANDIDATE_2, Pair, Text
from audit.planting import Planting
from audit.progress import Watcher
from audit.results import HeadFinding
from audit.runner import measure
from audit.selfcheck import measuring_config
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.model import LoadedModel
from probes.planted import PlantedGpt2

SUITE = expand(load_suite("selfcheck"))
#: Seven templates with six items each, both orders: enough to be certain of what is planted.
PAIRS = [pair for pair in SUITE if pair.kind == "treatment"][: 7 * 12]
CONFIG = measuring_config(RunConfig())
Found = dict[tuple[int, int], HeadFinding]
SLOW = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 3)
OPPOSITE = {"carries": "opposes", "opposes": "carries"}


@cache
def planted(seed: int) -> LoadedModel:
    model = PlantedGpt2().plant(SUITE, Planting(seed)).model
    assert isinstance(model, LoadedModel)
    return model


def audited(seed: int, pairs: Sequence[Pair], config: RunConfig = CONFIG) -> Found:
    tables = measure(planted(seed), pairs, [AttentionProbe(), CausalProbe()], config, Watcher(quiet=True))
    found = analyse_heads(tables.pairs(), tables.heads(), config)
    return {(head.layer, head.head): head for head in found}


@cache
def plain(seed: int) -> Found:
    return audited(seed, PAIRS)


def agree(one: Found, other: Found, sign: int = 1) -> None:
    """Signed estimates agree up to the sign, divergences as they are; float32 sums in another order differ."""
    for place, finding in one.items():
        for name in ("bias", "nie"):
            x, y = getattr(finding, name), getattr(other[place], name)
            assert y.estimate == pytest.approx(sign * x.estimate, abs=2e-5)
            assert (y.n, y.units, y.clusters, y.items) == (x.n, x.units, x.clusters, x.items)
            if finding.label_pronoun != "none":
                assert y.p == pytest.approx(x.p, rel=1e-2, abs=1e-6)
        for name in ("total_variation", "value_weighted", "mass"):
            assert getattr(other[place], name) == pytest.approx(getattr(finding, name), abs=1e-5)
        assert other[place].jsd.estimate == pytest.approx(finding.jsd.estimate, abs=1e-5)


def renamed(text: Text) -> Text:
    """The same text, its candidates called by each other's names."""
    spans = dict(text.mentions)
    spans[CANDIDATE_1], spans[CANDIDATE_2] = spans[CANDIDATE_2], spans[CANDIDATE_1]
    return replace(text, mentions=spans)


@SLOW
@given(SEEDS)
def test_exchanging_the_texts_flips_what_is_signed_and_nothing_else(seed: int) -> None:
    found = audited(seed, [replace(pair, a=pair.b, b=pair.a) for pair in PAIRS])
    agree(plain(seed), found, sign=-1)
    assert {head.contrast for head in found.values()} == {("he", "she")}
    labels = {place: head.label for place, head in plain(seed).items()}
    assert "carries" in labels.values()
    assert {p: head.label for p, head in found.items() if labels[p] in OPPOSITE} == {
        p: OPPOSITE[label] for p, label in labels.items() if label in OPPOSITE
    }


@SLOW
@given(SEEDS)
def test_renaming_arms_and_candidates_together_changes_nothing(seed: int) -> None:
    turned = [
        replace(pair, a=renamed(pair.b), b=renamed(pair.a), completions=pair.completions[::-1])
        for pair in PAIRS
        if pair.completions
    ]
    found = audited(seed, turned)
    agree(plain(seed), found)
    assert {p: head.label for p, head in found.items()} == {p: h.label for p, h in plain(seed).items()}


@SLOW
@given(SEEDS, st.randoms(use_true_random=False), st.integers(1, 40))
def test_the_order_of_pairs_and_the_size_of_batches_change_nothing(
    seed: int, chance: random.Random, size: int
) -> None:
    shuffled = chance.sample(PAIRS, len(PAIRS))
    found = audited(seed, shuffled, CONFIG.model_copy(update={"batch_size": size}))
    agree(plain(seed), found)
    assert {p for p, head in found.items() if head.flagged} == {
        p for p, h in plain(seed).items() if h.flagged
    }


@SLOW
@given(SEEDS, st.sampled_from(["a", "b"]))
def test_identical_texts_give_nothing(seed: int, side: str) -> None:
    same = []
    for pair in PAIRS:
        text: Text = getattr(pair, side)
        same.append(replace(pair, a=replace(text, arm="she"), b=replace(text, arm="he")))
    for head in audited(seed, same).values():
        assert (head.bias.estimate, head.bias.p) == (0.0, 1.0)
        assert head.nie.estimate == 0.0
        assert head.jsd.estimate == head.total_variation == head.value_weighted == 0.0
        assert (head.label, head.flagged) == ("none", False)
