"""One pass over the texts of a batch of pairs, shared by the attention and the likelihood probe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import Encoding
from probes.completions import completion_ids
from probes.model import LoadedModel
from probes.rows import RowPlan, plan_rows
from probes.sequences import run
from probes.token_sequence import SequenceReading, TokenSequence


@dataclass(frozen=True, slots=True)
class TextReading:
    """What the model says about one text.

    Args:
        encoding: its tokens.
        log_probabilities: ``[tokens − 1]`` nats: each token but the first, given all before it; empty
            if no scores were asked for, or unless the model is a decoder.
        completions: completion → log-probability of its tokens after the text, in nats.
        rows: query tokens that were captured, ascending.
        weights: ``[layers, heads, rows, tokens]`` float32 attention, NaN in layers that do not attend; None
            if no rows were asked for.
        norms: ``[layers, heads, tokens]`` float32 ``‖v_k W_O^h‖``; None if not asked for, or where the
            output projection was not found.
        cross, cross_norms: likewise of the cross-attention of an encoder–decoder, from the row that predicts
            the first token of its answer.
        sound: whether no last hidden state of its tokens is NaN.
    """

    encoding: Encoding
    log_probabilities: npt.NDArray[np.float64]
    completions: Mapping[str, float]
    rows: tuple[int, ...]
    weights: npt.NDArray[np.float32] | None
    norms: npt.NDArray[np.float32] | None
    cross: npt.NDArray[np.float32] | None = None
    cross_norms: npt.NDArray[np.float32] | None = None
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch of pairs, read.

    Args:
        key: what was read, to recognise it.
        texts: text → its reading.
        plans: pair id → the rows that belong to it; empty if no rows were asked for.
        unscored: ``(text, completion)`` → why it has no log-probability.
    """

    key: tuple[object, ...]
    texts: Mapping[str, TextReading]
    plans: Mapping[str, RowPlan]
    unscored: Mapping[tuple[str, str], str]


@dataclass(slots=True)
class _Wanted:
    """What is wanted of one text."""

    rows: set[int]
    completions: dict[str, tuple[int, ...]]
    scores: bool


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
    requests, unscored = _requests(model, pairs, plans, scores)
    reading = Reading(wanted, _read_texts(model, requests), plans, unscored)
    for pair in pairs:
        _check(pair, reading)
    _last[model] = reading
    return reading


def read_whole(model: LoadedModel, texts: Iterable[str]) -> Mapping[str, TextReading]:
    """Read texts with every query row captured.

    Args:
        model: of any family.
        texts: what to read.
    """
    requests = {text: _Wanted(set(range(len(model.encode(text).ids))), {}, scores=False) for text in texts}
    return _read_texts(model, requests)


def _covers(key: tuple[object, ...], wanted: tuple[object, ...]) -> bool:
    """Whether a reading holds all that is wanted: the same pairs, with at least as much of each."""
    return key[0] == wanted[0] and all(
        have or not want for have, want in zip(key[1:], wanted[1:], strict=True)
    )


def _requests(
    model: LoadedModel, pairs: Sequence[Pair], plans: Mapping[str, RowPlan], scores: bool
) -> tuple[dict[str, _Wanted], dict[tuple[str, str], str]]:
    requests: dict[str, _Wanted] = defaultdict(lambda: _Wanted(set(), {}, scores))
    unscored: dict[tuple[str, str], str] = {}
    for pair in pairs:
        for side, text in enumerate((pair.a.text, pair.b.text)):
            request = requests[text]
            if plan := plans.get(pair.pair_id):
                request.rows.update(plan.rows(side))
            for completion in (pair.completions or ()) if scores else ():
                if reason := _why_unscored(model):
                    unscored[text, completion] = reason
                    continue
                try:
                    ids = completion_ids(model, text, completion)
                except MeasurementError as error:
                    unscored[text, completion] = str(error)
                    continue
                if len(_continued(model, model.encode(text))) + len(ids) - 1 > model.max_length:
                    unscored[text, completion] = "text and completion do not fit into the context window"
                    continue
                request.completions[completion] = ids
    return dict(requests), unscored


def _read_texts(model: LoadedModel, requests: Mapping[str, _Wanted]) -> dict[str, TextReading]:
    planned = {text: _sequences(model, model.encode(text), request) for text, request in requests.items()}
    results = iter(run(model, [sequence for sequences in planned.values() for sequence in sequences]))
    return {
        text: _text_reading(model, model.encode(text), requests[text], [next(results) for _ in sequences])
        for text, sequences in planned.items()
    }


def _why_unscored(model: LoadedModel) -> str | None:
    """Why a model gives completions no probability."""
    if model.family == "encoder":
        return "an encoder does not continue a text, so completions have no probability"
    if model.head not in ("causal-lm", "seq2seq-lm"):
        return f"the model has no language-model head ({model.head})"
    return None


def _continued(model: LoadedModel, encoding: Encoding) -> tuple[int, ...]:
    """The tokens that completions follow: a decoder's text, or the start of an encoder–decoder's answer."""
    return encoding.ids if model.family == "decoder" else model.target_start


def _by_length(request: _Wanted) -> tuple[list[str], list[str]]:
    """Completions of one token, and longer ones."""
    short = [name for name, ids in request.completions.items() if len(ids) == 1]
    return short, [name for name in request.completions if name not in short]


def _sequences(model: LoadedModel, encoding: Encoding, request: _Wanted) -> list[TokenSequence]:
    """The text itself, and the text with each completion of several tokens.

    What comes later changes neither a decoder's rows and probabilities nor an encoder's rows, so the first
    longer sequence stands for the text as well.
    """
    context, rows = _continued(model, encoding), tuple(sorted(request.rows))
    last = len(context) - 1
    short, long = _by_length(request)
    own = (
        [(position, context[position + 1]) for position in range(last)]
        if _has_likelihood(model, request)
        else []
    )
    own += [(last, request.completions[name][0]) for name in short]
    tails = [request.completions[name] for name in long]
    longer = [[(last + step, token) for step, token in enumerate(tail)] for tail in tails]
    if not tails:
        return [_sequence(model, encoding, (), own, rows)]
    first = _sequence(model, encoding, tails[0][:-1], [*own, *longer[0]], rows)
    rest = [
        _sequence(model, encoding, tail[:-1], targets, ())
        for tail, targets in zip(tails[1:], longer[1:], strict=True)
    ]
    return [first, *rest]


def _has_likelihood(model: LoadedModel, request: _Wanted) -> bool:
    """Whether a text's own tokens are scored, from left to right."""
    return request.scores and model.family == "decoder" and model.head == "causal-lm"


def _sequence(
    model: LoadedModel,
    encoding: Encoding,
    tail: tuple[int, ...],
    targets: Sequence[tuple[int, int]],
    rows: tuple[int, ...],
) -> TokenSequence:
    length = len(encoding.ids)
    if model.family == "decoder":
        return TokenSequence((*encoding.ids, *tail), tuple(targets), rows, length, (), encoding.types)
    decoded = (*model.target_start, *tail) if model.family == "encoder-decoder" else ()
    return TokenSequence(encoding.ids, tuple(targets), rows, length, decoded, encoding.types)


def _text_reading(
    model: LoadedModel, encoding: Encoding, request: _Wanted, found: Sequence[SequenceReading]
) -> TextReading:
    short, long = _by_length(request)
    own = len(encoding.ids) - 1 if _has_likelihood(model, request) else 0
    first = found[0].log_probabilities
    scores = dict(zip(short, map(float, first[own:]), strict=False))
    sums = [float(first[own + len(short) :].sum()), *(float(f.log_probabilities.sum()) for f in found[1:])]
    scores.update(zip(long, sums, strict=False))
    rows = tuple(sorted(request.rows))
    captured = found[0]
    return TextReading(
        encoding,
        first[:own],
        scores,
        rows,
        captured.weights,
        captured.norms,
        captured.cross,
        captured.cross_norms,
        all(one.sound for one in found),
    )


def _check(pair: Pair, reading: Reading) -> None:
    for text in (pair.a.text, pair.b.text):
        found = reading.texts[text]
        scores = [*found.log_probabilities, *found.completions.values()]
        if not found.sound or np.isnan(scores).any():
            raise MeasurementError(f"{pair.suite}: pair {pair.pair_id}: the model's logits are NaN")
