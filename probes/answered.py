"""Log-odds of a pair's two answers, as every task's probe tells them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from audit.errors import MeasurementError
from audit.pairs import Pair, Text
from audit.records import OutputRecord
from probes.asking import log_odds
from probes.model import LoadedModel
from probes.questions import Question, question


def texts_of(pairs: Sequence[Pair]) -> list[tuple[Pair, Text]]:
    """Both texts of every pair."""
    return [(pair, text) for pair in pairs for text in (pair.a, pair.b)]


def number(pair: Pair, value: float) -> float:
    """The value, if it is a number.

    Raises:
        MeasurementError: it is not; names the pair.
    """
    if math.isfinite(value):
        return value
    raise MeasurementError(f"{pair.suite}: pair {pair.pair_id}: the model's logits are NaN")


def answer_log_odds(model: LoadedModel, pairs: Sequence[Pair]) -> Iterator[OutputRecord]:
    """``completion_log_odds`` of pairs with completions, ``log p(c_1) − log p(c_2)`` in nats.

    Raises:
        MeasurementError: the model's logits are NaN; names the pair.
    """
    asked: list[tuple[Pair, Text, Question | str]] = []
    for pair, text in texts_of(pairs):
        if pair.completions is None:
            continue
        try:
            asked.append((pair, text, question(model, text.text, pair.completions)))
        except MeasurementError as error:
            asked.append((pair, text, str(error)))
    values = iter(log_odds(model, [one for *_, one in asked if isinstance(one, Question)]))
    for pair, text, one in asked:
        if isinstance(one, str):
            yield OutputRecord(pair.pair_id, text.arm, "completion_log_odds", None, reason=one)
        else:
            yield OutputRecord(pair.pair_id, text.arm, "completion_log_odds", number(pair, next(values)))
