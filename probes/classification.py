"""Measures which label a classifier gives to each text, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair, Text
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.answered import answer_log_odds, number, texts_of
from probes.asking import ask
from probes.model import LoadedModel
from probes.questions import Input, labels

#: What classifiers of sentiment call their two ends.
_POSITIVE, _NEGATIVE = ("positive", "pos"), ("negative", "neg")


class ClassificationProbe:
    """Class probabilities of each text, ``p = softmax(logits)``.

    ``class_probability:<label>`` for every label, ``label`` (in ``text``; ``value`` is its probability),
    ``sentiment`` = p(positive) − p(negative) where the labels name both, and ``completion_log_odds`` where the
    suite names two labels.
    """

    name = "classification"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs of suites whose task it is."""
        return pair.task == "classification"

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Measure a batch of pairs.

        Raises:
            MeasurementError: the classifier gives no probabilities, or its logits are NaN; names the pair.
        """
        try:
            names = labels(model)
        except MeasurementError as error:
            for pair, text in texts_of(pairs):
                yield OutputRecord(pair.pair_id, text.arm, "label", None, reason=str(error))
            return
        inputs = {text.text: _input(model, text) for _, text in texts_of(pairs)}
        found = ask(model, list(inputs.values()), lambda _, scores: scores[0].exp().tolist())
        known = dict(zip(inputs, found, strict=True))
        for pair, text in texts_of(pairs):
            values = [number(pair, value) for value in known[text.text]]
            yield from _records(pair, text, dict(zip(names, values, strict=True)))
        yield from answer_log_odds(model, pairs)


def _input(model: LoadedModel, text: Text) -> Input:
    found = model.encode(text.text)
    return Input(found.ids, (), found.types)


def _records(pair: Pair, text: Text, chances: Mapping[str, float]) -> Iterator[OutputRecord]:
    for label, chance in chances.items():
        yield OutputRecord(pair.pair_id, text.arm, f"class_probability:{label}", chance)
    likeliest = max(chances, key=chances.__getitem__)
    yield OutputRecord(pair.pair_id, text.arm, "label", chances[likeliest], likeliest)
    by_name = {label.casefold(): chance for label, chance in chances.items()}
    ends = [
        next((by_name[name] for name in names if name in by_name), None) for names in (_POSITIVE, _NEGATIVE)
    ]
    if ends[0] is not None and ends[1] is not None:
        yield OutputRecord(pair.pair_id, text.arm, "sentiment", ends[0] - ends[1])
