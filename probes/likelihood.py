"""Measures how likely a model finds whole texts, which completion it prefers, and whom it takes a pronoun for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeGuard

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.pairs import PRONOUN, Pair, Text
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from audit.suite import NEEDED_HEADS
from probes.continuation import Continuation
from probes.model import LoadedModel
from probes.reading import Reading, read
from probes.scoring import foresee, log_likelihoods

_UNREAD = {
    "encoder": "an encoder sees both sides of every token, so a text has no likelihood from left to right",
    "encoder-decoder": "an encoder-decoder reads the text and gives no probability to it",
}
_NO_HEAD = "the model has no language-model head"
_NO_CONTEXT = "the tokenizer has neither BOS nor EOS, so the first token has no context"
_TOO_LONG = "{} does not fit into the context window"


class LikelihoodProbe:
    """Log-likelihood of each text, log-odds of its completions, and of the pronoun's two readings.

    ``LL(s) = Σ_t log p(s_t | s_<t)`` in nats, with BOS as first context (EOS where the tokenizer has no
    BOS) and no length normalisation; ``y(x) = log p(c_1 | x) − log p(c_2 | x)``, completions of several
    tokens summed exactly. Where the gold referent is known, the behavioural score of Winogender: the
    log-odds of the right and the wrong person after ``{text} ‘{Pronoun}’ refers to the``. The first two
    conventions and the last are those of lm-evaluation-harness 0.4.13.
    """

    name = "likelihood"
    version = "5"
    stage = 1

    def prepare(self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig) -> None:
        """Lay out the texts of a run, so that what they begin with is read once."""
        if _why_unread(model):
            return
        alone = [pair for pair in pairs if _is_read_alone(model, pair)]
        whole = [_whole(model, text) for _, text in _texts(alone)]
        asked = [_readings(model, pair, text) for pair, text in _texts(pairs) if pair.gold is not None]
        foresee(model, [*filter(_scored, whole), *(one for each in asked for one in each)])

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """All pairs but those whose task has a probe of its own."""
        return pair.task not in NEEDED_HEADS

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Measure a batch of pairs.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair.
        """
        shared = "attention" in config.probes
        completed = [pair for pair in pairs if pair.completions is not None]
        if completed:
            reading = read(model, pairs if shared else completed, rows=shared)
            for pair in completed:
                yield from _completions(model, pair, reading)
        yield from _whole_texts(model, [pair for pair in pairs if _is_read_alone(model, pair)])
        yield from _referents(model, [pair for pair in pairs if pair.gold is not None])


def _why_unread(model: LoadedModel) -> str | None:
    """Why a model gives no likelihood to whole texts."""
    return _UNREAD.get(model.family) or (_NO_HEAD if model.head != "causal-lm" else None)


def _is_read_alone(model: LoadedModel, pair: Pair) -> bool:
    """Whether the pass that scores completions does not score the text: it has none, or no first context."""
    return pair.completions is None or model.bos is None


def _texts(pairs: Sequence[Pair]) -> list[tuple[Pair, Text]]:
    return [(pair, text) for pair in pairs for text in (pair.a, pair.b)]


def _completions(model: LoadedModel, pair: Pair, reading: Reading) -> Iterator[OutputRecord]:
    for text in (pair.a, pair.b):
        found = reading.texts[text.text]
        if not _is_read_alone(model, pair):
            reason = _why_unread(model)
            value = None if reason else float(found.log_probabilities.sum())
            yield OutputRecord(pair.pair_id, text.arm, "log_likelihood", value, reason=reason)
        reasons = [reading.unscored.get((text.text, completion)) for completion in pair.completions or ()]
        if reason := next(filter(None, reasons), None):
            yield OutputRecord(pair.pair_id, text.arm, "completion_log_odds", None, reason=reason)
            continue
        first, second = (found.completions[completion] for completion in pair.completions or ())
        yield OutputRecord(pair.pair_id, text.arm, "completion_log_odds", first - second)


def _whole(model: LoadedModel, text: Text) -> Continuation | str:
    """A text after its first context; or why it has no likelihood."""
    if reason := _why_unread(model):
        return reason
    if model.first_context is None:
        return _NO_CONTEXT
    ids = model.encode(text.text).ids[model.bos is not None :]
    if len(ids) >= model.max_length + 1:
        return _TOO_LONG.format("the text with its first context")
    return Continuation((model.first_context,), ids)


def _scored(asked: Continuation | str) -> TypeGuard[Continuation]:
    return isinstance(asked, Continuation)


def _whole_texts(model: LoadedModel, pairs: Sequence[Pair]) -> Iterator[OutputRecord]:
    asked = [(pair, text, _whole(model, text)) for pair, text in _texts(pairs)]
    values = iter(log_likelihoods(model, [*filter(_scored, (one for *_, one in asked))]))
    for pair, text, one in asked:
        if isinstance(one, str):
            yield OutputRecord(pair.pair_id, text.arm, "log_likelihood", None, reason=one)
        else:
            yield OutputRecord(pair.pair_id, text.arm, "log_likelihood", _number(pair, next(values)))


def _referents(model: LoadedModel, pairs: Sequence[Pair]) -> Iterator[OutputRecord]:
    """``log p(gold) − log p(other)`` of the persons that a pronoun may stand for; ``text`` is the likelier."""
    unread = _why_unread(model)
    asked = [(pair, text, [] if unread else _readings(model, pair, text)) for pair, text in _texts(pairs)]
    values = iter(log_likelihoods(model, [one for *_, found in asked for one in found if found]))
    for pair, text, found in asked:
        if not found:
            reason = unread or _TOO_LONG.format("the question whom the pronoun refers to")
            yield OutputRecord(pair.pair_id, text.arm, "referent_log_odds", None, reason=reason)
            continue
        words = pair.referents or ()
        scores = {word: _number(pair, next(values)) for word in words}
        other = next(word for word in words if word != pair.gold)
        odds = scores[str(pair.gold)] - scores[other]
        chosen = max(words, key=scores.__getitem__)
        yield OutputRecord(pair.pair_id, text.arm, "referent_log_odds", odds, chosen)


def _readings(model: LoadedModel, pair: Pair, text: Text) -> list[Continuation]:
    """Both readings of a pronoun; none where they do not fit into the context window."""
    start, end = text.mentions[PRONOUN]
    prompt = f"{text.text} ‘{text.text[start:end].capitalize()}’ refers to the"
    context = model.encode_plain(prompt)
    whole = [model.encode_plain(f"{prompt} {word}") for word in pair.referents or ()]
    if not context or max(map(len, whole)) > model.max_length + 1:
        return []
    return [Continuation(context, ids[len(context) :]) for ids in whole]


def _number(pair: Pair, value: float) -> float:
    if math.isnan(value):
        raise MeasurementError(f"{pair.suite}: pair {pair.pair_id}: the model's logits are NaN")
    return value
