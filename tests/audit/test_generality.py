"""Heads chosen on one half, tried on the other: what is asked of the probe, and what is made of its answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.config import AblationSettings, CausalSettings, RunConfig
from audit.errors import MeasurementError
from audit.generality import trial_of, try_out
from audit.held_out import told
from audit.holdout import split_halves
from audit.pairs import Pair, Text
from audit.progress import Watcher
from audit.protocols import HeadChoice
from audit.recorded import RecordedFields
from audit.records import AblationRecord
from audit.results import HeldOut
from audit.run_records import open_records
from tests.audit.simulated import CARRIER, Planted, simulate

CONFIG = RunConfig(causal=CausalSettings(heads="all"), ablation=AblationSettings(sets=50, priced=3), seed=5)
QUIET = Watcher(quiet=True)
PLANTED = {(0, 0): CARRIER, (1, 2): Planted(0.2, 0.1, "next")}


class FakeProbe:
    """Every chosen carrier takes 0.1 nats of an effect of 0.4 away; other heads take nothing."""

    name, version = "fake", "1"

    def __init__(self, unable: int = 0) -> None:
        self.asked: list[str] = []
        self.unable = unable

    def ablate(
        self, model: Any, pairs: Sequence[Pair], sets: Sequence[HeadChoice]
    ) -> Iterator[AblationRecord]:
        self.asked += [pair.pair_id for pair in pairs]
        for number, pair in enumerate(pairs):
            if number < self.unable:
                yield AblationRecord(pair.pair_id, None, "too long")
                continue
            effects = [0.4] + [
                0.4 - 0.1 * ((0, 0) in (s.pronoun or ())) - 0.1 * ((1, 2) in (s.next or ())) for s in sets
            ]
            yield AblationRecord(pair.pair_id, np.array([[effect, 0.0] for effect in effects]))

    def perplexity(self, model: Any, sets: Sequence[HeadChoice]) -> np.ndarray:
        return np.array([10.0, 11.0, *range(20, 20 + len(sets) - 1)])


def tables(seed: int = 0) -> dict[str, pd.DataFrame]:
    made = simulate(PLANTED, seed, shape=(2, 8))
    return {"pairs": made.pairs, "heads": made.heads}


def pairs_of(frame: pd.DataFrame) -> list[Pair]:
    text = Text("she", "female", "She", ((0, 3),))
    return [
        Pair(
            "simulated", name, "gender", "treatment", None, "t", "i", 0, True, text, text, None, None, "f", 1
        )
        for name in frame["pair_id"]
    ]


def tried(frames: dict[str, pd.DataFrame], probe: FakeProbe, config: RunConfig = CONFIG) -> list[HeldOut]:
    trial = trial_of(None, pairs_of(frames["pairs"]), probe)  # any model will do
    return list(try_out(frames["pairs"], frames["heads"], config, QUIET, trial))


def test_each_half_chooses_once_and_is_tried_on_pairs_that_had_no_part_in_the_choice() -> None:
    frames, probe = tables(), FakeProbe()
    first, second = tried(frames, probe)
    treatment = frames["pairs"][frames["pairs"]["kind"] == "treatment"]
    halves = split_halves(treatment, CONFIG.seed)
    assert probe.asked == [*halves.trying, *halves.choosing]
    assert (first.half, first.choosing, first.trying) == (1, len(halves.choosing), len(halves.trying))
    assert (second.half, second.choosing, second.trying) == (2, len(halves.trying), len(halves.choosing))
    for result in (first, second):
        assert (0, 0) in result.heads
        assert (1, 2) in result.heads_next
        assert result.total_effect == pytest.approx(0.4)
        assert result.remaining == pytest.approx(0.2)
        assert result.share == pytest.approx(0.5)
        assert result.sets == 50
        assert (result.perplexity, result.perplexity_edited, result.perplexity_random) == (10.0, 11.0, 21.0)
        # One random set in 64 holds both carriers, about one in five holds one of them.
        assert result.random_median == pytest.approx(0.0)
        assert result.p is not None
        assert result.p <= 0.12


def test_a_half_that_was_tried_before_is_recalled(tmp_path: Path) -> None:
    frames, found, probes = tables(), [], [FakeProbe(), FakeProbe(), FakeProbe()]
    for number, probe in enumerate(probes):
        with open_records(tmp_path, QUIET, resume=True, finished=False) as records:
            recall = RecordedFields(records, lambda what: sha256(repr(what).encode()).hexdigest()).recall
            if number == 2:
                next((tmp_path / "records").glob("*.json")).unlink()
            trial = trial_of(None, pairs_of(frames["pairs"]), probe, recall)  # any model will do
            found.append(try_out(frames["pairs"], frames["heads"], CONFIG, QUIET, trial))
    assert found[0] == found[1] == found[2] == tuple(tried(frames, FakeProbe()))
    asked = [len(probe.asked) for probe in probes]
    assert asked[0] == found[0][0].trying + found[0][1].trying
    assert asked[1] == 0
    assert asked[2] in (found[0][0].trying, found[0][1].trying)


def test_pairs_that_cannot_be_edited_are_not_counted() -> None:
    frames = tables()
    whole, part = tried(frames, FakeProbe())[0], tried(frames, FakeProbe(unable=4))[0]
    assert part.trying == whole.trying - 4
    assert part.remaining == pytest.approx(0.2)
    none = tried(frames, FakeProbe(unable=10_000))[0]
    assert (none.share, none.reason) == (None, "too long")


def test_a_choice_that_all_pairs_had_a_part_in_is_not_made() -> None:
    probe = FakeProbe()
    found = tried(tables(), probe, RunConfig())
    assert {result.share for result in found} == {None}
    assert all((result.reason or "").startswith("the effects of all heads are needed") for result in found)
    assert probe.asked == []


def test_a_half_without_heads_says_so() -> None:
    made = simulate({}, 3, shape=(1, 2))
    frames = {"pairs": made.pairs, "heads": made.heads.assign(nie=0.0, nie_next=0.0)}
    for result in tried(frames, FakeProbe()):
        assert result.heads == ()
        assert (
            result.reason == "no head is chosen on this half: none is significant there by bias and by effect"
        )
        assert told(result).endswith(result.reason)


def test_a_probe_that_fails_costs_only_itself() -> None:
    class Failing(FakeProbe):
        def ablate(
            self, model: Any, pairs: Sequence[Pair], sets: Sequence[HeadChoice]
        ) -> Iterator[AblationRecord]:
            raise MeasurementError("NaN")

    assert [result.reason for result in tried(tables(), Failing())] == ["NaN", "NaN"]


def test_a_model_without_perplexity_is_tried_all_the_same() -> None:
    class Encoder(FakeProbe):
        def perplexity(self, model: Any, sets: Sequence[HeadChoice]) -> np.ndarray:
            raise MeasurementError("an encoder has none")

    result = tried(tables(), Encoder())[0]
    assert result.remaining == pytest.approx(0.2)
    assert (result.reason, result.perplexity, result.perplexity_random) == (None, None, None)
    assert told(result).endswith(". What they cost on neutral text is not known: an encoder has none.")


def test_random_heads_are_drawn_from_the_stream_of_their_row() -> None:
    """An encoder of three heads a layer, cross-attention of two."""
    frames, seen = tables(), []

    class Watching(FakeProbe):
        def ablate(
            self, model: Any, pairs: Sequence[Pair], sets: Sequence[HeadChoice]
        ) -> Iterator[AblationRecord]:
            seen.extend(sets[1:])
            return super().ablate(model, pairs, sets)

    heads = frames["heads"].assign(stream="encoder", bias_next=float("nan"), nie_next=float("nan"))
    cross = frames["heads"].assign(stream="cross", bias=float("nan"), nie=float("nan"))
    cross = cross[cross["head"] > 0].assign(head=lambda frame: frame["head"] - 1)
    width = int(heads["head"].max()) + 1
    tried({**frames, "heads": pd.concat([heads, cross], ignore_index=True)}, Watching())
    assert {head for drawn in seen for _, head in drawn.pronoun or ()} == set(range(width))
    assert {head for drawn in seen for _, head in drawn.next or ()} == set(range(width - 1))


def test_the_sentence_tells_effects_in_nats() -> None:
    result = HeldOut(
        suite="s",
        contrast=("she", "he"),
        half=1,
        choosing=68,
        trying=66,
        heads=((9, 4), (15, 7)),
        heads_next=((21, 7),),
        total_effect=0.25,
        remaining=-0.05,
        share=1.2,
        sets=200,
        random_median=0.2,
        random_95=0.8,
        p=0.005,
        perplexity=81.2,
        perplexity_edited=88.0,
    )
    assert told(result) == (
        "half 1 of templates and items (68 pairs) chooses 3 heads (9-4, 15-7, 21-7 at the last word). With these at "
        "the mean of both texts, the total effect over the other half (66 pairs) falls from +0.250 to -0.050 nats; "
        "200 random sets of the same layers leave +0.200 (median), the strongest twentieth +0.050 or less, "
        "p = 0.005. Cut off at every word, they take the perplexity of neutral text from 81.2 to 88.0."
    )
