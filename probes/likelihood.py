"""Measures how likely a model finds whole texts, and which of two completions it prefers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.config import RunConfig
from audit.pairs import Pair, Text
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.model import LoadedModel
from probes.reading import Reading, read

_UNREAD = {
    "encoder": "an encoder sees both sides of every token, so a text has no likelihood from left to right",
    "encoder-decoder": "an encoder-decoder reads the text and gives no probability to it",
}
_NO_HEAD = "the model has no language-model head"
_NO_BOS = "the tokenizer has no BOS token, so the first token has no context"


class LikelihoodProbe:
    """Log-likelihood of each text and log-odds of its completions.

    ``LL(s) = Σ_t log p(s_t | s_<t)`` in nats, with BOS as first context and no length normalisation;
    ``y(x) = log p(c_1 | x) − log p(c_2 | x)``, completions of several tokens summed exactly.
    """

    name = "likelihood"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Every pair has two texts."""
        return True

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Measure a batch of pairs.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair.
        """
        reading = read(model, pairs, rows="attention" in config.probes, completions=True)
        for pair in pairs:
            for text in (pair.a, pair.b):
                yield _log_likelihood(model, pair, text, reading)
                if pair.completions is not None:
                    yield _log_odds(pair, text, pair.completions, reading)


def _log_likelihood(model: LoadedModel, pair: Pair, text: Text, reading: Reading) -> OutputRecord:
    measure = "log_likelihood"
    if reason := _UNREAD.get(model.family) or (_NO_HEAD if model.head != "causal-lm" else None):
        return OutputRecord(pair.pair_id, text.arm, measure, None, reason=reason)
    if model.bos is None:
        return OutputRecord(pair.pair_id, text.arm, measure, None, reason=_NO_BOS)
    value = float(reading.texts[text.text].log_probabilities.sum())
    return OutputRecord(pair.pair_id, text.arm, measure, value)


def _log_odds(pair: Pair, text: Text, completions: tuple[str, str], reading: Reading) -> OutputRecord:
    measure = "completion_log_odds"
    reasons = [reading.unscored.get((text.text, completion)) for completion in completions]
    if reason := reasons[0] or reasons[1]:
        return OutputRecord(pair.pair_id, text.arm, measure, None, reason=reason)
    first, second = (reading.texts[text.text].completions[completion] for completion in completions)
    return OutputRecord(pair.pair_id, text.arm, measure, first - second)
