"""Measures what a masked model expects where a word is hidden."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

from audit.config import RunConfig
from audit.coreference import token_indices
from audit.pairs import MASK, PRONOUN, Pair, Text
from audit.protocols import Encoding, HeadChoice
from audit.records import OutputRecord
from probes.answered import answer_log_odds, number, texts_of
from probes.asking import Place, cell_scores
from probes.model import LoadedModel
from probes.questions import Input

#: One hidden token: what is read, where, and which token is scored there.
_Hidden = tuple[Input, int, int]

_known: WeakKeyDictionary[LoadedModel, dict[_Hidden, float]] = WeakKeyDictionary()


class MaskedProbe:
    """Pseudo-log-likelihoods, the odds of hidden pronouns, and of two fillings of a mask.

    ``pseudo_log_likelihood`` = ``Σ_t log p(w_t | all other tokens)`` over the text's own tokens, each masked in
    turn (Salazar et al. 2020, eq. 1); ``shared_pseudo_log_likelihood`` the same over the tokens that both texts
    of a pair share (Nangia et al. 2020, eq. 1), matched by their ids; ``pronoun_log_odds`` = ``log p(own
    pronoun) − log p(the other arm's)`` with the pronoun masked. A text that says ``[MASK]`` has instead the
    ``completion_log_odds`` of what may stand there. All in nats.
    """

    name = "masked"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs of suites whose task it is."""
        return pair.task == "masked"

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Measure a batch of pairs.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair.
        """
        whole = [pair for pair in pairs if MASK not in pair.a.text + pair.b.text]
        _score(model, [one for _, text in texts_of(whole) for one in _each_hidden(model, text)])
        for pair in whole:
            yield from _likelihoods(model, pair)
        yield from _pronouns(model, [pair for pair in whole if PRONOUN in pair.a.mentions])
        yield from answer_log_odds(model, [pair for pair in pairs if MASK in pair.a.text + pair.b.text])


def _score(model: LoadedModel, wanted: Sequence[_Hidden]) -> dict[_Hidden, float]:
    """Log-probabilities of hidden tokens; texts recur in several pairs."""
    known = _known.setdefault(model, {})
    fresh: dict[Input, list[Place]] = {}
    for one in dict.fromkeys(wanted):
        if one not in known:
            fresh.setdefault(one[0], []).append(one[1:])
    for read, scores in cell_scores(model, fresh).items():
        known.update({(read, place, token): value for (place, token), value in scores.items()})
    return known


def _own_tokens(encoding: Encoding) -> list[int]:
    """Positions of the text's own tokens: special ones have no characters."""
    return [place for place, (start, end) in enumerate(encoding.offsets) if end > start]


def _hidden(model: LoadedModel, encoding: Encoding, places: Sequence[int]) -> Input:
    ids = list(encoding.ids)
    for place in places:
        ids[place] = int(model.tokenizer.mask_token_id)
    return Input(tuple(ids), (), encoding.types)


def _each_hidden(model: LoadedModel, text: Text) -> list[_Hidden]:
    """Every token of a text, hidden in turn."""
    encoding = model.encode(text.text)
    return [
        (_hidden(model, encoding, [place]), place, encoding.ids[place]) for place in _own_tokens(encoding)
    ]


def _likelihoods(model: LoadedModel, pair: Pair) -> Iterator[OutputRecord]:
    known = _known[model]
    shared = shared_tokens(model.encode(pair.a.text).ids, model.encode(pair.b.text).ids)
    for text, common in zip((pair.a, pair.b), shared, strict=True):
        values = {place: number(pair, known[one]) for one in _each_hidden(model, text) for place in [one[1]]}
        among = [value for place, value in values.items() if place in common]
        yield OutputRecord(pair.pair_id, text.arm, "pseudo_log_likelihood", sum(values.values()))
        if among:
            yield OutputRecord(pair.pair_id, text.arm, "shared_pseudo_log_likelihood", sum(among))
        else:
            reason = "the texts have no token in common"
            yield OutputRecord(pair.pair_id, text.arm, "shared_pseudo_log_likelihood", None, reason=reason)


def shared_tokens(a: Sequence[int], b: Sequence[int]) -> tuple[set[int], set[int]]:
    """Positions of the tokens that two texts share, in order.

    Where several matchings are as long, which is taken does not depend on the side.

    >>> shared_tokens([5, 6, 7, 8], [5, 9, 7, 8])
    ({0, 2, 3}, {0, 2, 3})
    """
    mirrored = tuple(a) > tuple(b)
    first, second = (b, a) if mirrored else (a, b)
    blocks = difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    found = (
        {block.a + step for block in blocks for step in range(block.size)},
        {block.b + step for block in blocks for step in range(block.size)},
    )
    return found[::-1] if mirrored else found


def _pronouns(model: LoadedModel, pairs: Sequence[Pair]) -> Iterator[OutputRecord]:
    asked: list[tuple[Pair, Text, list[list[_Hidden]] | str]] = []
    for pair in pairs:
        for text, other in ((pair.a, pair.b), (pair.b, pair.a)):
            asked.append((pair, text, _two_pronouns(model, text, other)))
    both = [options for *_, options in asked if not isinstance(options, str)]
    known = _score(model, [one for options in both for option in options for one in option])
    for pair, text, options in asked:
        if isinstance(options, str):
            yield OutputRecord(pair.pair_id, text.arm, "pronoun_log_odds", None, reason=options)
            continue
        own, theirs = (sum(number(pair, known[one]) for one in option) for option in options)
        yield OutputRecord(pair.pair_id, text.arm, "pronoun_log_odds", own - theirs)


def _two_pronouns(model: LoadedModel, text: Text, other: Text) -> list[list[_Hidden]] | str:
    """The own and the other arm's pronoun where the own one is hidden; or why they cannot be compared."""
    tokens = []
    for one in (text, other):
        encoding = model.encode(one.text)
        places = token_indices(one.mentions[PRONOUN], encoding)
        tokens.append([(place, encoding.ids[place]) for place in places])
    own, theirs = tokens
    if len(own) != len(theirs) or not own:
        told = f"{len(own)} against {len(theirs)} tokens"
        return f"a mask of one length cannot stand for both pronouns: {told}"
    hidden = [place for place, _ in own]
    read = _hidden(model, model.encode(text.text), hidden)
    return [[(read, place, token) for place, (_, token) in zip(hidden, side, strict=True)] for side in tokens]
