"""How likely a decoder finds continuations, as exactly as its weights allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

from audit.errors import ModelError
from probes.continuation import Continuation
from probes.forest import Forest
from probes.model import LoadedModel
from probes.padded_sequences import run_padded
from probes.token_sequence import TokenSequence
from probes.tree_pass import takes_trees

#: What may be asked of a model, laid out before it is.
_forests: WeakKeyDictionary[LoadedModel, Forest] = WeakKeyDictionary()


def foresee(model: LoadedModel, wanted: Iterable[Continuation]) -> None:
    """Lay out all that will be scored of a run, so that its texts share their prefixes.

    What a pass gives depends on the whole of it, not on what is asked for first: a run that goes on where
    another was cut gives the same numbers.
    """
    _forests.pop(model, None)
    fit = [one for one in wanted if takes_trees(model, len(one.read))]
    if fit:
        _forests[model] = Forest(model, fit)


def log_likelihoods(model: LoadedModel, wanted: Sequence[Continuation]) -> list[float]:
    """Score continuations, ``Σ_t log p(s_t | context, s_<t)``, without length normalisation.

    Prefixes are computed once for all continuations that were foreseen, or else for those that are asked
    for together. A family that computes no trees reads every distinct sequence in float64.

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
    found: dict[Continuation, float] = {}
    foreseen = _forests.get(model)
    if foreseen is not None:
        found = {one: foreseen.score(one) for one in wanted if one in foreseen}
    left = [one for one in dict.fromkeys(wanted) if one not in found]
    fit = [one for one in left if takes_trees(model, len(one.read))]
    if fit:
        forest = Forest(model, fit)
        found.update((one, forest.score(one)) for one in fit)
    found.update(_one_by_one(model, [one for one in left if one not in found]))
    return [found[one] for one in wanted]


def _one_by_one(model: LoadedModel, wanted: Sequence[Continuation]) -> dict[Continuation, float]:
    """Score continuations that share no pass but where they read the same tokens."""
    same: dict[tuple[int, ...], list[Continuation]] = {}
    for one in wanted:
        same.setdefault(one.read, []).append(one)
    sequences = [
        TokenSequence(ids, tuple(target for one in ones for target in one.targets), (), len(ids))
        for ids, ones in same.items()
    ]
    found = {}
    for ones, reading in zip(same.values(), run_padded(model, sequences, precise=True), strict=True):
        values = iter(reading.log_probabilities)
        for one in ones:
            found[one] = float(sum(next(values) for _ in one.tokens))
    return found
