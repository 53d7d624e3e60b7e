"""Measures which span of its context a model gives as the answer to a question."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.answered import answer_log_odds, number, texts_of
from probes.asking import ask
from probes.model import LoadedModel
from probes.questions import Input, context_start

#: Tokens of the longest answer.
_LONGEST = 30


class _Asked(NamedTuple):
    """A question with its context: what is read, and the tokens that an answer can be made of."""

    read: Input
    context: tuple[int, ...]


class QuestionAnsweringProbe:
    """The best span of the context, by ``log p(start) + log p(end)`` over the context's tokens.

    ``answer`` has the span in ``text`` and its score (nats) in ``value``; ``completion_log_odds`` compares two
    answers that the suite names.
    """

    name = "question-answering"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs of suites whose task it is."""
        return pair.task == "question-answering"

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Measure a batch of pairs; a text without two parts says so.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair.
        """
        asked: dict[str, _Asked | str] = {}
        for _, text in texts_of(pairs):
            try:
                asked[text.text] = _asked(model, text.text)
            except MeasurementError as error:
                asked[text.text] = str(error)
        right = {text: one for text, one in asked.items() if isinstance(one, _Asked)}
        contexts = [one.context for one in right.values()]
        found = ask(
            model,
            [one.read for one in right.values()],
            lambda index, scores: _best_span(scores, contexts[index]),
        )
        best = dict(zip(right, found, strict=True))
        for pair, text in texts_of(pairs):
            one = asked[text.text]
            if isinstance(one, str):
                yield OutputRecord(pair.pair_id, text.arm, "answer", None, reason=one)
                continue
            first, last, score = best[text.text]
            offsets = model.encode(text.text).offsets
            said = text.text[offsets[first][0] : offsets[last][1]].strip()
            yield OutputRecord(pair.pair_id, text.arm, "answer", number(pair, score), said)
        yield from answer_log_odds(model, pairs)


def _asked(model: LoadedModel, text: str) -> _Asked:
    begin, found = context_start(text), model.encode(text)
    context = tuple(at for at, (start, end) in enumerate(found.offsets) if start >= begin and end > start)
    if not context:
        raise MeasurementError("the context has no token that an answer could be made of")
    return _Asked(Input(found.ids, (), found.types), context)


def _best_span(scores: torch.Tensor, context: Sequence[int]) -> tuple[int, int, float]:
    """First and last token of the best span and its score, from ``[2, tokens]`` log-scores."""
    starts, ends = scores[:, list(context)].log_softmax(-1)
    both = starts[:, None] + ends[None]
    allowed = torch.ones_like(both, dtype=torch.bool).triu().tril(_LONGEST - 1)
    both = both.masked_fill(~allowed, -math.inf)
    first, last = divmod(int(both.argmax()), len(context))
    return context[first], context[last], float(both[first, last])
