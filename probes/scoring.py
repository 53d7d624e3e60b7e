"""How likely a decoder finds continuations, as exactly as its weights allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from audit.errors import ModelError
from probes.model import LoadedModel
from probes.sequences import TokenSequence, run


@dataclass(frozen=True, slots=True)
class Continuation:
    """Tokens that are scored after others.

    Args:
        context: the tokens before; at least one.
        tokens: the tokens that are scored.
    """

    context: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """What the model reads: all but the last token, after which nothing is predicted."""
        return (*self.context, *self.tokens)[:-1]

    @property
    def targets(self) -> tuple[tuple[int, int], ...]:
        """``(position, token)`` of every predicted token."""
        return tuple((len(self.context) - 1 + step, token) for step, token in enumerate(self.tokens))


#: What was scored of a model: the texts of a suite recur in several pairs.
_known: WeakKeyDictionary[LoadedModel, dict[Continuation, float]] = WeakKeyDictionary()


def log_likelihoods(model: LoadedModel, wanted: Sequence[Continuation]) -> list[float]:
    """Score continuations, ``Σ_t log p(s_t | context, s_<t)``, without length normalisation.

    A float32 network on a CPU computes its blocks in float64, so that the sums depend neither on the
    batch nor on the number of threads (see :mod:`probes.precision`). Continuations that read the same
    tokens share a pass.

    Args:
        model: a decoder.
        wanted: what to score; ``context`` and ``tokens`` together fit into the context window.
    Returns:
        Nats, in the order of ``wanted``.
    Raises:
        ModelError: there is something to score, and the model is no decoder.
    """
    if not wanted:
        return []
    if model.family != "decoder":
        raise ModelError(f"{model.name}: reading needs a decoder, and this model is an {model.family}")
    known = _known.setdefault(model, {})
    fresh: dict[tuple[int, ...], list[Continuation]] = {}
    for one in dict.fromkeys(wanted):
        if one not in known:
            fresh.setdefault(one.read, []).append(one)
    sequences = [
        TokenSequence(ids, tuple(target for one in ones for target in one.targets), (), len(ids))
        for ids, ones in fresh.items()
    ]
    for ones, reading in zip(fresh.values(), run(model, sequences, precise=True), strict=True):
        values = iter(reading.log_probabilities)
        for one in ones:
            known[one] = float(sum(next(values) for _ in one.tokens))
    return [known[one] for one in wanted]
