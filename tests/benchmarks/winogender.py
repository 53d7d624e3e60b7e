"""Winogender: both readings of every pronoun, as lm-eval's ``winogender_all`` asks for them, and every sentence.

The sentences are asked for because a run scores them, too.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from audit.pairs import PRONOUN, Pair, Text
from audit.records import OutputRecord
from tests.benchmarks.likelihoods import Array, Portion, Request, Task, run_task
from tests.benchmarks.suites import public_pairs
from tests.benchmarks.timing import PORTIONS


def run_winogender() -> None:
    """Log-odds of the readings; whom a pronoun is taken for is the preference."""
    pairs = public_pairs("winogender", "winogender")
    if pairs is None:
        print("winogender: no shared/data/winogender beside the repository", file=sys.stderr)
        return
    schemas: dict[object, list[Pair]] = defaultdict(list)
    for pair in pairs:
        schemas[pair.item, pair.referents, pair.gold].append(pair)
    together = list(schemas.values())
    portions = [_portion(pair for same in together[n::PORTIONS] for pair in same) for n in range(PORTIONS)]
    run_task(Task("winogender", portions, _numbers, _expected, lambda odds: odds > 0))


def _portion(pairs: Iterable[Pair]) -> Portion:
    own = tuple(pairs)
    texts = _texts(own).values()
    readings = [request for pair, text in texts for request in _readings(pair, text)]
    return Portion(own, [*readings, *(("", text.text) for _, text in texts)])


def _texts(pairs: Sequence[Pair]) -> dict[str, tuple[Pair, Text]]:
    """Every text once, with a pair that it is in."""
    return {text.text: (pair, text) for pair in pairs for text in (pair.a, pair.b)}


def _readings(pair: Pair, text: Text) -> list[Request]:
    """The gold person first."""
    start, end = text.mentions[PRONOUN]
    prompt = f"{text.text} ‘{text.text[start:end].capitalize()}’ refers to the"
    words = sorted(pair.referents or (), key=lambda word: word != pair.gold)
    return [(prompt, f" {word}") for word in words]


def _numbers(portion: Portion, records: Sequence[OutputRecord]) -> Array:
    odds = {(r.pair_id, r.arm): r.value for r in records if r.measure == "referent_log_odds"}
    return np.array([odds[pair.pair_id, text.arm] for pair, text in _texts(portion.pairs).values()])


def _expected(portion: Portion, values: Sequence[float]) -> Array:
    readings = 2 * len(_texts(portion.pairs))
    gold, other = np.reshape(values[:readings], (-1, 2)).T
    return np.asarray(gold - other)
