"""The loop over pairs, with a model and instruments made up here."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from audit.conclude import analyse, coverage_of
from audit.config import CausalSettings, RunConfig
from audit.errors import MeasurementError, ModelError
from audit.pairs import Pair
from audit.progress import Watcher
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord, Record
from audit.results import HeadFinding
from audit.runner import measure, pairs_to_show
from audit.tables import Tables
from tests.audit.fakes import FakeModel, pair

SHAPE = (2, 3)
QUIET = Watcher(quiet=True)


@dataclass
class FakeProbe:
    """Notes what it was asked, and fails on the pairs named in ``broken``."""

    name: str = "likelihood"
    version: str = "1"
    stage: int = 1
    broken: tuple[str, ...] = ()
    error: type[Exception] = MeasurementError
    wanted: Callable[[Pair], bool] = lambda pair: True
    batches: list[list[str]] = field(default_factory=list)
    heads: list[HeadChoice] = field(default_factory=list)

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        return self.wanted(pair)

    def measure(
        self, model: FakeModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[Record]:
        self.batches.append([one.pair_id for one in pairs])
        self.heads.append(heads)
        for one in pairs:
            if one.pair_id in self.broken:
                raise self.error(f"{one.suite}: pair {one.pair_id}: NaN logits")
            yield from self.records(one)

    def records(self, one: Pair) -> Iterator[Record]:
        for text in (one.a, one.b):
            yield OutputRecord(one.pair_id, text.arm, self.name, 1.0, reason="always")


class FakeAttention(FakeProbe):
    """Head (0, 1) of the pronoun's row is biased in every template and for every item; no other head."""

    def records(self, one: Pair) -> Iterator[Record]:
        random = np.random.default_rng([ord(c) for c in one.pair_id])
        tables = {name: random.normal(0, 0.05, SHAPE) for name in ("bias", "bias_next")}
        tables["bias"][0, 1] += 0.3
        yield HeadRecord(one.pair_id, "self", tables, unaligned_words=1)


def run(pairs: Sequence[Pair], *probes: FakeProbe, **settings: object) -> Tables:
    return measure(FakeModel(), pairs, probes, RunConfig.model_validate({"batch_size": 4, **settings}), QUIET)


def numbered(count: int) -> list[Pair]:
    return [pair(f"p{number}") for number in range(count)]


def crossed() -> list[Pair]:
    """Five templates × five items × both orders."""
    return [
        pair(f"t{t}.i{i}.o{order}", cluster=f"t{t}", item=f"i{i}", order=order)
        for t in range(5)
        for i in range(5)
        for order in (0, 1)
    ]


def test_every_probe_sees_every_pair_it_wants_once() -> None:
    first, second = FakeProbe("one"), FakeProbe("two", wanted=lambda one: one.pair_id != "p2")
    tables = run(numbered(6), first, second)
    assert first.batches == [["p0", "p1", "p2", "p3"], ["p4", "p5"]]
    assert second.batches == [["p0", "p1", "p3"], ["p4", "p5"]]
    assert first.heads == [HeadChoice(frozenset(), frozenset())] * 2
    assert tables.pairs()["status"].tolist() == ["measured"] * 6
    assert len(tables.outputs()) == 6 * 2 + 5 * 2


def test_a_batch_that_nobody_wants_is_not_asked_for() -> None:
    probe = FakeProbe(wanted=lambda one: False)
    run(numbered(5), probe)
    assert probe.batches == []


@pytest.mark.parametrize("broken", [("p0",), ("p2",), ("p1", "p3"), ("p0", "p1", "p2", "p3")])
def test_a_failed_batch_is_measured_pair_by_pair(broken: tuple[str, ...]) -> None:
    probe = FakeProbe(broken=broken)
    tables = run(numbered(6), probe)
    assert probe.batches == [["p0", "p1", "p2", "p3"], ["p0"], ["p1"], ["p2"], ["p3"], ["p4", "p5"]]
    frame = tables.pairs().set_index("pair_id")
    fine = [f"p{n}" for n in range(6) if f"p{n}" not in broken]
    assert frame.index[frame["status"] == "measured"].tolist() == fine
    for pair_id in broken:
        row = frame.loc[pair_id]
        assert (row["status"], row["reason"]) == ("failed", "NaN logits")
        assert row["tokens_a"] == ["nurse", "met", "pilot", ":", "she", "said"]
    reason = coverage_of(frame.reset_index(), ()).failed_reasons[0]
    assert (reason.reason, reason.count, reason.pair_ids) == ("NaN logits", len(broken), broken)
    # nothing of the failed attempt is kept, nothing is there twice
    assert tables.outputs()["pair_id"].tolist() == [pair_id for pair_id in fine for _ in "ab"]
    assert tables.reasons()[0].pair_ids == tuple(fine)


def test_a_failed_pair_is_dropped_everywhere_and_asked_for_no_more() -> None:
    before, failing, after = FakeAttention("attention"), FakeProbe("l", broken=("p1",)), FakeProbe("g")
    second = FakeProbe("causal", stage=2)
    tables = run(numbered(4), before, failing, after, second)
    assert "p1" not in {*tables.heads()["pair_id"], *tables.outputs()["pair_id"]}
    assert after.batches == [["p0", "p2", "p3"]]
    assert second.batches == [["p0", "p2", "p3"]]
    assert tables.unaligned_words == 3
    assert all("p1" not in reason.pair_ids for reason in tables.reasons())
    assert tables.pairs()["status"].tolist() == ["measured", "failed", "measured", "measured"]


def test_a_pair_that_fails_in_the_second_stage_is_dropped_too() -> None:
    tables = run(numbered(3), FakeAttention("attention"), FakeProbe("causal", stage=2, broken=("p0",)))
    assert set(tables.heads()["pair_id"]) == {"p1", "p2"}
    assert tables.pairs()["status"].tolist() == ["failed", "measured", "measured"]


@pytest.mark.parametrize("error", [ModelError, ZeroDivisionError])
def test_other_errors_end_the_run(error: type[Exception]) -> None:
    probe = FakeProbe(broken=("p0",), error=error)
    with pytest.raises(error):
        run(numbered(2), probe)
    assert probe.batches == [["p0", "p1"]]


def test_pairs_that_do_not_fit_are_skipped_and_counted() -> None:
    probe = FakeProbe()
    pairs = [pair("p0"), pair("p1", more=" x" * 95), pair("p2", more=" x" * 94)]
    tables = run(pairs, probe)
    assert probe.batches == [["p0", "p2"]]
    covered = coverage_of(tables.pairs(), tables.reasons())
    assert (covered.planned, covered.measured, covered.skipped, covered.failed) == (3, 2, 1, 0)
    reason = covered.skipped_reasons[0]
    assert (reason.reason, reason.count, reason.pair_ids) == (
        "longer than the context window (101 tokens, the model takes 100)",
        1,
        ("p1",),
    )


def test_the_second_stage_gets_only_heads_that_can_still_be_flagged() -> None:
    causal = FakeProbe("causal", stage=2)
    run(crossed(), FakeAttention("attention"), causal)
    assert sum(map(len, causal.batches)) == 50
    assert set(causal.heads) == {HeadChoice(frozenset({(0, 1)}), frozenset())}


def test_the_second_stage_gets_all_heads_if_the_config_wants_them() -> None:
    causal = FakeProbe("causal", stage=2)
    run(crossed(), FakeAttention("attention"), causal, causal=CausalSettings(heads="all"))
    assert set(causal.heads) == {HeadChoice(None, None)}


def test_without_attention_the_second_stage_has_no_heads() -> None:
    causal = FakeProbe("causal", stage=2)
    run(numbered(2), FakeProbe(), causal)
    assert causal.heads == [HeadChoice(frozenset(), frozenset())]


def test_contrasts_are_never_measured_together() -> None:
    probe = FakeProbe()
    pairs = [pair(f"p{n}", arms=("they", "he") if n % 2 else ("she", "he")) for n in range(6)]
    run(pairs, probe)
    assert probe.batches == [["p0", "p2", "p4"], ["p1", "p3", "p5"]]


def test_the_batch_size_changes_nothing() -> None:
    pairs = crossed()
    frames = [run(pairs, FakeAttention("attention"), FakeProbe(), batch_size=size) for size in (1, 3, 50)]
    for other in frames[1:]:
        assert other.heads().equals(frames[0].heads())
        assert other.outputs().equals(frames[0].outputs())


def test_half_a_unit_is_no_unit() -> None:
    pairs = crossed()
    broken = FakeProbe("completion_log_odds", broken=("t0.i0.o1",))
    tables = run(pairs, FakeAttention("attention"), broken)
    findings, heads = analyse(RunConfig(), tables.pairs(), tables.outputs(), tables.heads())
    assert {finding.n for finding in findings if finding.measure == "total_effect"} == {48}
    assert {head.bias.n for head in heads} == {48}


def heads_of(strength: dict[str, float]) -> Tables:
    pairs = [pair(pair_id) for pair_id in strength]
    tables = Tables(pairs)
    for pair_id, size in strength.items():
        bias = np.array([[size, -0.01], [0.0, 0.0]])
        tables.add([HeadRecord(pair_id, "self", {"bias": bias})])
    return tables


def flagged(layer: int, number: int, yes: bool = True) -> HeadFinding:
    label = "carries" if yes else "none"
    place = {"stream": "self", "layer": layer, "head": number}
    return HeadFinding(suite="jobs", contrast=("she", "he"), label=label, flagged=yes, **place)


def shown(tables: Tables, findings: list[HeadFinding], count: int) -> list[str]:
    frame = tables.pairs().assign(status="measured")
    frame.loc[frame["pair_id"] == "seed", "cluster"] = "seed"
    return pairs_to_show(frame, tables.head_table(), findings, count)


def test_the_strongest_pairs_are_shown_after_those_written_by_hand() -> None:
    strength = {"a": 0.1, "b": -0.5, "c": 0.3, "seed": 0.0, "control": float("nan")}
    tables = heads_of(strength)
    assert shown(tables, [], 10) == ["seed", "b", "c", "a", "control"]
    assert shown(tables, [flagged(0, 0)], 3) == ["seed", "b", "c"]
    assert shown(tables, [flagged(0, 0)], 10) == ["seed", "b", "c", "a"]
    assert shown(tables, [flagged(0, 1), flagged(0, 0, yes=False)], 2) == ["seed", "a"]
    assert shown(tables, [], 0) == []


def test_heads_of_measured_batches_do_not_stay_in_memory() -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    class Watched(FakeAttention):
        def records(self, one: Pair) -> Iterator[Record]:
            assert [each for each in alive[:-20] if each() is not None] == []
            for record in super().records(one):
                assert isinstance(record, HeadRecord)
                alive.extend(map(weakref.ref, record.measures.values()))
                yield record

    tables = run(numbered(40), Watched())
    assert len(alive) == 80
    assert len(tables.heads()) == 40 * 6


def test_nothing_is_shown_of_pairs_that_were_not_measured() -> None:
    tables = heads_of({"a": 0.1, "b": 0.2})
    frame = tables.pairs().assign(status=["measured", "failed"])
    assert pairs_to_show(frame, tables.head_table(), [], 5) == ["a"]
    assert pairs_to_show(frame, Tables([pair("a"), pair("b")]).head_table(), [], 5) == []


def test_pairs_that_no_probe_is_for_are_skipped_not_measured() -> None:
    only = FakeProbe(wanted=lambda one: one.pair_id != "p1")
    table = run(numbered(3), only).pairs().set_index("pair_id")
    assert table["status"].to_dict() == {"p0": "measured", "p1": "skipped", "p2": "measured"}
    assert table.loc["p1", "reason"] == "no probe of this run measures such a pair"
    assert len(table.loc["p1", "tokens_a"]) > 0
