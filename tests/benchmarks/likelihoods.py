"""Likelihoods of a public set: evenhand's likelihood probe against lm-evaluation-harness."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.config import RunConfig
from audit.pairs import Pair
from audit.planning import plan
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.likelihood import LikelihoodProbe
from probes.load import load
from probes.model import LoadedModel
from tests.benchmarks.demo import demo_folder, forget
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.peer import Peer
from tests.benchmarks.products import PRODUCTS, asked_for, best_product
from tests.benchmarks.timing import Row, Side, Timed, clocked, interleaved, spread

Array = npt.NDArray[np.float64]
Request = tuple[str, str]
OURS, PEER = "evenhand", "lm-eval"
#: The first is what the others are held to.
_DTYPES = ("float32", "bfloat16")
_SIZES = (1, 4, 8, 16, 32, 64)
#: Batch sizes are tried on so many requests of a portion, twice the largest batch.
_TRIED = 2 * max(_SIZES)
_CONFIG = RunConfig(probes=("likelihood",))


@dataclass(frozen=True, slots=True)
class Portion:
    """Some pairs of a set, and the same likelihoods as lm-eval's own task asks for them.

    Args:
        pairs: what evenhand measures.
        requests: ``(context, continuation)``.
    """

    pairs: Sequence[Pair]
    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Task:
    """A set that both sides measure, portion by portion, another in every round.

    Args:
        name: of the part.
        portions: of the set.
        ours: evenhand's sides; the first one, ``OURS``, does just what lm-eval is asked for.
        numbers: a portion and what ``OURS`` found → what it tells, `[N]`.
        expected: a portion and the values of its requests → the same.
        prefer: numbers of all portions → preferences, of which some flip in bf16.
    """

    name: str
    portions: Sequence[Portion]
    ours: Mapping[str, Callable[[LoadedModel, Sequence[Pair]], Any]]
    numbers: Callable[[Portion, Any], Array]
    expected: Callable[[Portion, Sequence[float]], Array]
    prefer: Callable[[Array], npt.NDArray[np.bool_]]


def run_task(task: Task) -> None:
    """Both dtypes, all sides in turn; bf16 is held to evenhand's float32, and timed against lm-eval in either."""
    requests = [request for portion in task.portions for request in portion.requests]
    parts = [list(portion.requests) for portion in task.portions]
    with ExitStack() as stack:
        dtypes = []
        for dtype in _DTYPES:
            settings = {"model": str(demo_folder()), "dtype": dtype, "parts": parts}
            peer = stack.enter_context(Peer("harness", **settings))
            model = load("demo", dtype=dtype)
            dtypes.append(_Dtype(dtype, model, peer, _best_size(peer, len(parts[0]))))
        timed = interleaved({name: side for one in dtypes for name, side in _sides(task, one).items()})
        found: Row = {
            "likelihoods": len(requests),
            "pairs": sum(len(each.pairs) for each in task.portions),
            "distinct prefix tokens": _distinct(dtypes[0].model, requests),
        }
        exact = _joined(task.numbers, task.portions, timed.numbers[dtypes[0].side(OURS)])
        found |= {one.name: _figures(task, one, timed, exact) for one in dtypes}
        write_figures(task.name, found, dtypes[0].peer.versions)


@dataclass(frozen=True, slots=True)
class _Dtype:
    """Both tools in one dtype.

    Args:
        name: of the dtype.
        model: evenhand's.
        peer: lm-eval, which holds its own.
        size: its best batch size.
    """

    name: str
    model: LoadedModel
    peer: Peer
    size: int

    def side(self, name: str) -> str:
        return f"{name}, {self.name}"


def _best_size(peer: Peer, requests: int) -> int:
    every = max(1, requests // _TRIED)
    tried = {size: peer.run(part=0, batch_size=size, every=every).seconds for size in _SIZES}
    print("  " + ", ".join(f"{n}: {s:.2f} s" for n, s in tried.items()), file=sys.stderr)
    return min(tried, key=tried.__getitem__)


def _sides(task: Task, one: _Dtype) -> dict[str, Side]:
    count = len(task.portions)
    ours = {
        one.side(name): clocked(
            lambda number, work=work: work(one.model, task.portions[number % count].pairs),
            before=lambda: forget(one.model),
        )
        for name, work in task.ours.items()
    }
    theirs: Side = lambda number: one.peer.run(part=number % count, batch_size=one.size)  # noqa: E731
    return ours | {one.side(PEER): theirs, one.side(PRODUCTS): clocked(lambda _: best_product(one.model))}


def _figures(task: Task, one: _Dtype, timed: Timed, exact: Array) -> Row:
    ours = _joined(task.numbers, task.portions, timed.numbers[one.side(OURS)])
    theirs = _joined(task.expected, task.portions, timed.numbers[one.side(PEER)])
    in_float32 = f"{PEER}, {_DTYPES[0]}"
    limits = _limits(task, one, timed)
    found: Row = {
        "seconds a round": {name: timed.spread()[one.side(name)] for name in (*task.ours, PEER)},
        "times as fast": timed.ratio(one.side(PEER), one.side(OURS)),
        "limit, times as fast": limits(one.side(PEER)),
        "times as fast as theirs in float32": timed.ratio(in_float32, one.side(OURS)),
        "limit, times as fast as theirs in float32": limits(in_float32),
        **{
            f"times as fast, {name}": timed.ratio(one.side(PEER), one.side(name))
            for name in task.ours
            if name != OURS
        },
        "their batch size": one.size,
        "largest difference (nats)": _rounded(np.abs(ours - theirs).max()),
    }
    if one.name != _DTYPES[0]:
        found |= {name: _drift(task, exact, of) for name, of in ((OURS, ours), (PEER, theirs))}
    return found


def _limits(task: Task, one: _Dtype, timed: Timed) -> Callable[[str], Row]:
    """How many times as fast as another side ours were if torch did our products, and no more, at its best rate."""
    asked = []
    for portion in task.portions:
        forget(one.model)
        asked.append(asked_for(lambda portion=portion: task.ours[OURS](one.model, portion.pairs)))
    best = timed.numbers[one.side(PRODUCTS)]

    def limit(other: str) -> Row:
        seconds = timed.seconds[other]
        rounds = enumerate(zip(seconds, best, strict=True), start=1)
        return spread([second * rate / asked[number % len(asked)] for number, (second, rate) in rounds])

    return limit


def _distinct(model: LoadedModel, requests: Sequence[Request]) -> float:
    """Share of tokens with which a text goes another way than all others before it."""
    texts = [model.encode_plain(context + continuation) for context, continuation in requests]
    prefixes = {ids[:end] for ids in texts for end in range(1, len(ids) + 1)}
    return _rounded(len(prefixes) / sum(map(len, texts)))


def _joined(
    told: Callable[[Portion, Any], Array], portions: Sequence[Portion], rounds: Sequence[Any]
) -> Array:
    """Numbers of all rounds; the first one measured portion 1."""
    turns = [portions[number % len(portions)] for number in range(1, len(rounds) + 1)]
    return np.concatenate([told(portion, found) for portion, found in zip(turns, rounds, strict=True)])


def measured(model: LoadedModel, pairs: Sequence[Pair]) -> list[OutputRecord]:
    """What a run does with the likelihood probe: plan, prepare, then measure batch after batch."""
    probe, heads = LikelihoodProbe(), HeadChoice()
    planned = plan(pairs, model, None)
    probe.prepare(model, planned.pairs, _CONFIG)
    return [record for batch in planned.batches for record in probe.measure(model, batch, _CONFIG, heads)]


def _drift(task: Task, exact: Array, found: Array) -> Row:
    """How far bf16 is from evenhand's float32."""
    off = np.abs(found - exact)
    return {
        "preferences flipped": _rounded(np.mean(task.prefer(found) != task.prefer(exact))),
        "median drift (nats)": _rounded(np.median(off)),
        "largest drift (nats)": _rounded(off.max()),
    }


def _rounded(value: np.floating | float) -> float:
    return float(f"{float(value):.3g}")
