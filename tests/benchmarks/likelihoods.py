"""Likelihoods of a public set: evenhand's likelihood probe against lm-evaluation-harness."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
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
from tests.benchmarks.timing import Row, Side, Timed, clocked, interleaved

Array = npt.NDArray[np.float64]
Request = tuple[str, str]
OURS, PEER = "evenhand", "lm-eval"
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
    """Both dtypes; float32 first, since bf16 is held to it."""
    requests = [request for portion in task.portions for request in portion.requests]
    found: Row = {"likelihoods": len(requests), "pairs": sum(len(each.pairs) for each in task.portions)}
    exact: Array | None = None
    for dtype in ("float32", "bfloat16"):
        model = load("demo", dtype=dtype)
        if exact is None:
            found["distinct prefix tokens"] = _distinct(model, requests)
        timed, batch, peers = _compare(task, model, dtype)
        ours = _joined(task.numbers, task.portions, timed.numbers[OURS])
        theirs = _joined(task.expected, task.portions, timed.numbers[PEER])
        found[dtype] = {
            "seconds a round": timed.spread(),
            "times as fast": timed.ratio(PEER, OURS),
            **{f"times as fast, {name}": timed.ratio(PEER, name) for name in task.ours if name != OURS},
            "their batch size": batch,
            "largest difference (nats)": _rounded(np.abs(ours - theirs).max()),
        }
        if exact is None:
            exact = ours
        else:
            found[dtype] |= {name: _drift(task, exact, of) for name, of in ((OURS, ours), (PEER, theirs))}
        write_figures(task.name, found, peers)


def _distinct(model: LoadedModel, requests: Sequence[Request]) -> float:
    """Share of tokens with which a text goes another way than all others before it."""
    texts = [model.encode_plain(context + continuation) for context, continuation in requests]
    prefixes = {ids[:end] for ids in texts for end in range(1, len(ids) + 1)}
    return _rounded(len(prefixes) / sum(map(len, texts)))


def _compare(task: Task, model: LoadedModel, dtype: str) -> tuple[Timed, int, Row]:
    count = len(task.portions)
    parts = [list(portion.requests) for portion in task.portions]
    with Peer("harness", model=str(demo_folder()), dtype=dtype, parts=parts) as peer:
        every = max(1, len(parts[0]) // _TRIED)
        tried = {size: peer.run(part=0, batch_size=size, every=every).seconds for size in _SIZES}
        print("  " + ", ".join(f"{n}: {s:.2f} s" for n, s in tried.items()), file=sys.stderr)
        best = min(tried, key=tried.__getitem__)
        sides: dict[str, Side] = {
            name: clocked(
                lambda number, work=work: work(model, task.portions[number % count].pairs),
                before=lambda: forget(model),
            )
            for name, work in task.ours.items()
        }
        sides |= {
            PEER: lambda number: peer.run(part=number % count, batch_size=best),
        }
        timed = interleaved(sides)
    return timed, best, peer.versions


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
