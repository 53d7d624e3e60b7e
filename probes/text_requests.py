"""What is wanted of single texts, the token sequences that it takes, and what they told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import Encoding
from probes.completions import completion_ids
from probes.model import LoadedModel
from probes.rows import RowPlan
from probes.token_sequence import SequenceReading, TokenSequence


@dataclass(frozen=True, slots=True)
class TextReading:
    """What the model says about one text.

    Args:
        encoding: its tokens.
        log_probabilities: ``[tokens − 1]`` nats: each token but the first, given all before it; empty
            if no scores were asked for, or unless the model is a decoder.
        completions: completion → log-probability of its tokens after the text, in nats.
        cross: ``[layers, heads, 1, tokens]`` float32 cross-attention of an encoder–decoder, from the row that
            predicts the first token of its answer; None if no rows were asked for.
        cross_norms: ``[layers, heads, tokens]`` float32 ``‖v_k W_O^h‖`` of it; None where unknown.
        sound: whether no last hidden state of its tokens is NaN.
    """

    encoding: Encoding
    log_probabilities: npt.NDArray[np.float64]
    completions: Mapping[str, float]
    cross: npt.NDArray[np.float32] | None = None
    cross_norms: npt.NDArray[np.float32] | None = None
    sound: bool = True


@dataclass(slots=True)
class Wanted:
    """What is wanted of one text."""

    rows: set[int]
    completions: dict[str, tuple[int, ...]]
    scores: bool


def requests_of(
    model: LoadedModel, pairs: Sequence[Pair], plans: Mapping[str, RowPlan], scores: bool
) -> tuple[dict[str, Wanted], dict[tuple[str, str], str]]:
    """What each text is read for, and which completions cannot be scored, with the reason.

    Args:
        model: of any family.
        pairs: whose texts are read.
        plans: pair id → the rows that belong to it; without a plan no rows are wanted.
        scores: whether texts and completions are scored.
    """
    requests: dict[str, Wanted] = defaultdict(lambda: Wanted(set(), {}, scores))
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


def _by_length(request: Wanted) -> tuple[list[str], list[str]]:
    """Completions of one token, and longer ones."""
    short = [name for name, ids in request.completions.items() if len(ids) == 1]
    return short, [name for name in request.completions if name not in short]


def sequences_of(model: LoadedModel, encoding: Encoding, request: Wanted) -> list[TokenSequence]:
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


def _has_likelihood(model: LoadedModel, request: Wanted) -> bool:
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


def text_reading(
    model: LoadedModel, encoding: Encoding, request: Wanted, found: Sequence[SequenceReading]
) -> TextReading:
    """Put together what the sequences of a text told."""
    short, long = _by_length(request)
    own = len(encoding.ids) - 1 if _has_likelihood(model, request) else 0
    first = found[0].log_probabilities
    scores = dict(zip(short, map(float, first[own:]), strict=False))
    sums = [float(first[own + len(short) :].sum()), *(float(f.log_probabilities.sum()) for f in found[1:])]
    scores.update(zip(long, sums, strict=False))
    sound = all(one.sound for one in found)
    return TextReading(encoding, first[:own], scores, found[0].cross, found[0].cross_norms, sound)
