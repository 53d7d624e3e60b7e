"""Natural indirect effects of all heads of a pair: one batch against one forward per head, and TransformerLens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from audit.config import RunConfig
from audit.coreference import token_indices
from audit.pairs import PRONOUN, Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, Record
from probes.causal import CausalProbe
from probes.completions import completion_ids
from probes.load import load
from probes.model import LoadedModel
from tests.benchmarks.demo import demo_folder
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.nie_work import least_of, published_of
from tests.benchmarks.one_by_one import Array, Exchange, OneByOne, symmetric_nie
from tests.benchmarks.peer import Peer
from tests.benchmarks.products import PRODUCTS, asked_for, best_product
from tests.benchmarks.suites import quickstart
from tests.benchmarks.timing import Row, Side, Timed, clocked, interleaved, spread

OURS, WHOLE, MANY = "evenhand", "evenhand, both rows, layers and model", "evenhand, 8 pairs in a batch"
PUBLISHED, LENS = "one forward per head", "TransformerLens"
_CONFIG = RunConfig(probes=("attention", "causal"))
_TOGETHER = 8


def run_nie() -> None:
    """Another pair in every round, the same for all sides."""
    model = load("demo")
    pairs = _pairs(model)
    exchanges = [_exchange(model, pair) for pair in pairs]
    every = HeadChoice(frozenset(np.ndindex(model.layers, model.heads)), frozenset())
    published = OneByOne(demo_folder())
    singly = [[pair] for pair in pairs]
    with Peer("lens", model=str(demo_folder())) as peer:
        sides: dict[str, Side] = {
            OURS: _ours(model, singly, every),
            WHOLE: _ours(model, singly, HeadChoice()),
            MANY: _ours(model, [pairs[:_TOGETHER]], every),
            PUBLISHED: clocked(lambda number: published.effects(exchanges[number])),
            LENS: lambda number: peer.run(**asdict(exchanges[number])),
            PRODUCTS: clocked(lambda _: best_product(model)),
        }
        timed = interleaved(sides)
        peers = peer.versions
    ours = np.concatenate([_nie(records) for records in timed.numbers[OURS]])
    theirs = [symmetric_nie(y[0], y[1:]) for y in map(np.array, timed.numbers[LENS])]
    figures = {
        "heads": len(theirs[0]),
        "tokens": len(exchanges[0].ids[0]),
        "rows exchanged": len(exchanges[0].rows),
        "seconds": timed.spread(),
        "times as fast as one forward per head": timed.ratio(PUBLISHED, OURS),
        "times as fast as TransformerLens": timed.ratio(LENS, OURS),
        "8 pairs in a batch, times as fast a pair": _a_pair(timed.ratio(OURS, MANY)),
        "largest difference, one forward per head (nats)": _off(
            ours, np.concatenate(timed.numbers[PUBLISHED])
        ),
        "largest difference, TransformerLens (nats)": _off(ours, np.concatenate(theirs)),
        **_work(
            timed,
            asked_for(lambda: sides[OURS](0)),
            least_of(model, exchanges[0]),
            published_of(model, exchanges[0]),
        ),
    }
    write_figures("nie", figures, peers)


def _work(timed: Timed, asked: float, needed: float, published: float) -> Row:
    """The work, and how fast all that must be done would be at the rate of the best product."""
    best, seconds = timed.numbers[PRODUCTS], timed.seconds
    limits = {
        f"limit, times as fast as {name}": spread(
            [one * rate / needed for one, rate in zip(seconds[name], best, strict=True)]
        )
        for name in (PUBLISHED, LENS)
    }
    shares = [asked / one / rate for one, rate in zip(seconds[OURS], best, strict=True)]
    return {
        "GFLOP of a pair": {
            "asked for": round(asked / 1e9),
            "least": round(needed / 1e9),
            PUBLISHED: round(published / 1e9),
        },
        "best product, GFLOP/s": spread([rate / 1e9 for rate in best]),
        "share of the best product": spread(shares),
        **limits,
    }


def _ours(model: LoadedModel, batches: Sequence[Sequence[Pair]], heads: HeadChoice) -> Side:
    probe = CausalProbe()
    return clocked(lambda number: list(probe.measure(model, batches[number % len(batches)], _CONFIG, heads)))


def _nie(records: Sequence[Record]) -> Array:
    """Of the one pair that was measured."""
    return next(record.measures["nie"].ravel() for record in records if isinstance(record, HeadRecord))


def _off(ours: Array, theirs: Array) -> float:
    return float(f"{np.abs(ours - theirs).max():.2g}")


def _a_pair(ratio: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value * _TOGETHER:.4g}") for name, value in ratio.items()}


def _pairs(model: LoadedModel) -> list[Pair]:
    """She against he, answers of one token, all of the shape that most pairs have."""
    shapes: dict[tuple[int, ...], list[Pair]] = defaultdict(list)
    for pair in quickstart(lambda pair: pair.contrast == ("she", "he") and pair.completions is not None):
        exchange = _exchange(model, pair)
        texts = {len(ids) for ids in exchange.ids}
        if len(texts) == 1 and all(len(each) == 1 for each in _answers(model, pair)):
            shapes[len(exchange.ids[0]), *exchange.rows].append(pair)
    return max(shapes.values(), key=len)


def _answers(model: LoadedModel, pair: Pair) -> list[tuple[int, ...]]:
    return [completion_ids(model, pair.a.text, each) for each in pair.completions or ()]


def _exchange(model: LoadedModel, pair: Pair) -> Exchange:
    a, b = (model.encode(text.text) for text in (pair.a, pair.b))
    rows = token_indices(pair.a.mentions[PRONOUN], a)
    first, second = (tokens[0] for tokens in _answers(model, pair))
    return Exchange((a.ids, b.ids), tuple(rows), (first, second))
