"""One pass over the texts of a batch of pairs, shared by the attention and the likelihood probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.records import Stream
from probes.model import LoadedModel
from probes.pair_rows import PairRows
from probes.row_measures import Arm, Found, cross_stream
from probes.rows import ReadText, RowPlan, plan_rows
from probes.sequences import run
from probes.text_requests import TextReading, Wanted, requests_of, sequences_of, text_reading
from probes.token_sequence import CapturedRows, TokenSequence


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch of pairs, read.

    Args:
        key: what was read, to recognise it.
        texts: text → its reading.
        plans: pair id → the rows that belong to it; empty if no rows were asked for.
        measures: pair id → stream → what its rows tell; empty likewise.
        unscored: ``(text, completion)`` → why it has no log-probability.
    """

    key: tuple[object, ...]
    texts: dict[str, TextReading]
    plans: dict[str, RowPlan]
    measures: dict[str, dict[Stream, Found]]
    unscored: dict[tuple[str, str], str]


#: Attention weights of the texts of a batch that are read together at most: 64 MiB of float32.
_HELD = 2**24

_last: WeakKeyDictionary[LoadedModel, Reading] = WeakKeyDictionary()


def read(model: LoadedModel, pairs: Sequence[Pair], rows: bool = True, scores: bool = True) -> Reading:
    """Read all texts of a batch in as few passes as possible.

    Identical texts are read once. The last reading of a model is kept, so that probes which follow
    each other on one batch share it.

    Args:
        model: of any family; an encoder's completions have no score.
        pairs: the batch; every text fits into the context window.
        rows: whether attention rows are wanted.
        scores: whether the texts and the pairs' completions are scored; the vocabulary costs a quarter of a pass.
    Raises:
        MeasurementError: the model's logits are NaN; names the pair.
    """
    wanted = (tuple(pairs), rows, scores)
    kept = _last.get(model)
    if kept is not None and _covers(kept.key, wanted):
        return kept
    plans = {pair.pair_id: plan_rows(model, pair) for pair in pairs} if rows else {}
    reading = Reading(wanted, {}, plans, {}, {})
    for some in _portions(model, pairs, plans):
        _read_some(model, some, scores, reading)
    for pair in pairs:
        _check(pair, reading)
    _last[model] = reading
    return reading


def _covers(key: tuple[object, ...], wanted: tuple[object, ...]) -> bool:
    """Whether a reading holds all that is wanted: the same pairs, with at least as much of each."""
    return key[0] == wanted[0] and all(
        have or not want for have, want in zip(key[1:], wanted[1:], strict=True)
    )


def _portions(
    model: LoadedModel, pairs: Sequence[Pair], plans: Mapping[str, RowPlan]
) -> Iterator[list[Pair]]:
    """Cut a batch where its attention rows would be too many to be held at once."""
    heads = model.layers * model.heads
    some: list[Pair] = []
    held = 0
    for pair in pairs:
        plan = plans.get(pair.pair_id)
        sides = () if plan is None else ((plan.rows(0), plan.a), (plan.rows(1), plan.b))
        weights = heads * sum(len(rows) * len(read.encoding.ids) for rows, read in sides)
        if some and held + weights > _HELD:
            yield some
            some, held = [], 0
        some.append(pair)
        held += weights
    if some:
        yield some


def _read_some(model: LoadedModel, pairs: Sequence[Pair], scores: bool, reading: Reading) -> None:
    """Read pairs of a batch, and add what they tell to its reading."""
    requests, unscored = requests_of(model, pairs, reading.plans, scores)
    rows = {text: tuple(sorted(request.rows)) for text, request in requests.items()}
    compared = PairRows(model, pairs, reading.plans, rows) if reading.plans else None
    texts = _read_texts(model, requests, compared)
    reading.texts.update(texts)
    reading.unscored.update(unscored)
    if compared is not None:
        reading.measures.update(_measures(model, pairs, reading.plans, compared, texts))


def _read_texts(
    model: LoadedModel, requests: Mapping[str, Wanted], compared: PairRows | None
) -> dict[str, TextReading]:
    planned = {text: sequences_of(model, model.encode(text), request) for text, request in requests.items()}
    of_first: dict[int, str] = {}
    sequences: list[TokenSequence] = []
    for text, own in planned.items():
        of_first[len(sequences)] = text
        sequences += own

    def receive(rows: Mapping[int, CapturedRows]) -> None:
        if compared is not None:
            compared.receive({of_first[number]: each for number, each in rows.items()})

    results = iter(run(model, sequences, receive))
    return {
        text: text_reading(model, model.encode(text), requests[text], [next(results) for _ in own])
        for text, own in planned.items()
    }


def _measures(
    model: LoadedModel,
    pairs: Sequence[Pair],
    plans: Mapping[str, RowPlan],
    compared: PairRows,
    texts: Mapping[str, TextReading],
) -> dict[str, dict[Stream, Found]]:
    """What the rows of every pair tell; an encoder–decoder's cross-attention is a stream of its own."""
    found: dict[str, dict[Stream, Found]] = {}
    for pair in pairs:
        found[pair.pair_id] = {model.stream: compared.measures[pair.pair_id]}
        if model.decodes:
            plan = plans[pair.pair_id]
            a, b = (_cross_arm(read, texts[read.text.text]) for read in (plan.a, plan.b))
            found[pair.pair_id]["cross"] = cross_stream(model, pair, plan, a, b)
    return found


def _cross_arm(read: ReadText, reading: TextReading) -> Arm:
    return Arm(read, (), np.asarray(reading.cross, dtype=np.float64), reading.cross_norms)


def _check(pair: Pair, reading: Reading) -> None:
    for text in (pair.a.text, pair.b.text):
        found = reading.texts[text]
        scores = [*found.log_probabilities, *found.completions.values()]
        if not found.sound or np.isnan(scores).any():
            raise MeasurementError(f"{pair.suite}: pair {pair.pair_id}: the model's logits are NaN")
