"""Every batch belongs to one shard; shards have about as much of every kind of work."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.config import RunConfig
from audit.errors import InputError
from audit.pairs import Pair
from audit.planning import Plan
from audit.records import PairRecord
from audit.results import Shard
from audit.sharding import read_shard, share_of
from tests.audit.fakes import pair

CONFIG = RunConfig()


@dataclass
class Wanting:
    """Wants the pairs of some kinds."""

    name: str
    kinds: tuple[str, ...]

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        return pair.kind in self.kinds


PROBES = (Wanting("attention", ("treatment", "control")), Wanting("causal", ("treatment",)))


def planned(sizes: list[tuple[bool, int]]) -> Plan:
    """One pair a batch, with so many tokens in either text."""
    pairs = [
        pair(f"p{number}", kind="treatment" if treatment else "control")
        for number, (treatment, _) in enumerate(sizes)
    ]
    records = [
        PairRecord(one.pair_id, "measured", None, ("t",) * tokens, ("t",) * tokens)
        for one, (_, tokens) in zip(pairs, sizes, strict=True)
    ]
    return Plan(tuple((one,) for one in pairs), (*records, PairRecord("long", "skipped", "longer")))


def shares(sizes: list[tuple[bool, int]], count: int) -> list[Plan]:
    whole = planned(sizes)
    return [
        share_of(whole, Shard(index=index, of=count), PROBES, CONFIG)  # type: ignore[arg-type]
        for index in range(1, count + 1)
    ]


def names(plan: Plan) -> list[str]:
    return [one.pair_id for one in plan.pairs]


SIZES = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=30)


@given(SIZES, st.integers(1, 7))
def test_every_batch_is_in_one_share_and_the_others_say_in_which(
    sizes: list[tuple[bool, int]], count: int
) -> None:
    found = shares(sizes, count)
    every = [name for plan in found for name in names(plan)]
    assert sorted(every) == sorted(f"p{number}" for number in range(len(sizes)))
    owner = {name: index for index, plan in enumerate(found, start=1) for name in names(plan)}
    for index, plan in enumerate(found, start=1):
        assert [record.pair_id for record in plan.records] == [*(f"p{n}" for n in range(len(sizes))), "long"]
        told = {record.pair_id: (record.status, record.reason) for record in plan.records}
        assert told.pop("long") == ("skipped", "longer")
        for name, outcome in told.items():
            other = ("skipped", f"left to shard {owner[name]} of {count}")
            assert outcome == (("measured", None) if owner[name] == index else other)


@given(SIZES, st.integers(1, 7))
def test_a_share_is_a_run_of_neighbours_of_each_kind_and_about_as_large_as_any_other(
    sizes: list[tuple[bool, int]], count: int
) -> None:
    found = shares(sizes, count)
    for treatment in (True, False):
        numbers = [number for number, (kind, _) in enumerate(sizes) if kind is treatment]
        places = {f"p{number}": at for at, number in enumerate(numbers)}
        tokens = {f"p{number}": 2 * sizes[number][1] for number in numbers}
        total, largest = sum(tokens.values()), max(tokens.values(), default=0)
        for plan in found:
            own = [name for name in names(plan) if name in places]
            assert (
                [places[name] for name in own] == [*range(places[own[0]], places[own[0]] + len(own))]
                if own
                else True
            )
            assert sum(tokens[name] for name in own) <= total / count + largest + len(numbers)


def test_a_share_holds_as_much_of_what_is_slow_as_of_what_is_quick() -> None:
    sizes = [(True, 10)] * 8 + [(False, 10)] * 4
    assert [names(plan) for plan in shares(sizes, 4)] == [
        [f"p{2 * n}", f"p{2 * n + 1}", f"p{8 + n}"] for n in range(4)
    ]


def test_the_only_shard_measures_everything() -> None:
    whole = planned([(True, 3), (False, 0)])
    assert share_of(whole, Shard(index=1, of=1), PROBES, CONFIG) == whole  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "shard"), [("1/1", (1, 1)), (" 2/4 ", (2, 4)), ("10/10", (10, 10))])
def test_a_shard_is_read(text: str, shard: tuple[int, int]) -> None:
    assert read_shard(text) == Shard(index=shard[0], of=shard[1])
    assert str(read_shard(text)) == f"shard {shard[0]} of {shard[1]}"


@pytest.mark.parametrize(
    "text", ["", "2", "0/4", "5/4", "-1/4", "1/0", "1/4/4", "a/b", "1 / 4", "1.0/4", "²/4"]
)
def test_what_is_no_shard_is_told(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_shard(text)
    told = f"--shard: not a shard (got {text!r}); expected i/N with i from 1 to N, such as 2/4"
    assert str(caught.value) == told
