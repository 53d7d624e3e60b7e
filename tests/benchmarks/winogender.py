"""Winogender: both readings of every pronoun, as lm-eval's ``winogender_all`` asks for them.

A run scores every sentence as well; that is a side of its own.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from audit.pairs import PRONOUN, Pair, Text
from audit.planning import plan
from probes.continuation import Continuation
from probes.model import LoadedModel
from probes.scoring import foresee, log_likelihoods
from tests.benchmarks.likelihoods import OURS, Array, Portion, Request, Task, measured, run_task
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
    sides = {OURS: _scored, "evenhand, with every sentence": measured}
    run_task(Task("winogender", portions, sides, _numbers, _expected, lambda odds: odds > 0))


def _portion(pairs: Iterable[Pair]) -> Portion:
    own = tuple(pairs)
    return Portion(own, [request for pair, text in _texts(own).values() for request in _readings(pair, text)])


def _texts(pairs: Sequence[Pair]) -> dict[str, tuple[Pair, Text]]:
    """Every text once, with a pair that it is in."""
    return {text.text: (pair, text) for pair in pairs for text in (pair.a, pair.b)}


def _readings(pair: Pair, text: Text) -> list[Request]:
    """The gold person first."""
    start, end = text.mentions[PRONOUN]
    prompt = f"{text.text} ‘{text.text[start:end].capitalize()}’ refers to the"
    words = sorted(pair.referents or (), key=lambda word: word != pair.gold)
    return [(prompt, f" {word}") for word in words]


def _scored(model: LoadedModel, pairs: Sequence[Pair]) -> dict[Request, float]:
    """What a run does with the readings: plan, foresee all, then score batch after batch."""
    found: dict[Request, float] = {}
    planned = plan(pairs, model, None)
    foresee(model, [_tokens(model, *each) for each in _asked(planned.pairs)])
    for batch in planned.batches:
        asked = _asked(batch)
        found |= zip(asked, log_likelihoods(model, [_tokens(model, *each) for each in asked]), strict=True)
    return found


def _asked(pairs: Sequence[Pair]) -> list[Request]:
    return [each for pair, text in _texts(pairs).values() for each in _readings(pair, text)]


def _tokens(model: LoadedModel, context: str, continuation: str) -> Continuation:
    before = model.encode_plain(context)
    return Continuation(before, model.encode_plain(context + continuation)[len(before) :])


def _numbers(portion: Portion, found: Mapping[Request, float]) -> Array:
    return _expected(portion, [found[request] for request in portion.requests])


def _expected(_: Portion, values: Sequence[float]) -> Array:
    """Log-odds of the gold person."""
    gold, other = np.reshape(values, (-1, 2)).T
    return np.asarray(gold - other)
