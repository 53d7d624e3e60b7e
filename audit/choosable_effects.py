"""Effects of all heads → those that a run measures that knows which heads can still be flagged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from audit.head_fits import Contrast
from audit.joined_shards import reason_of
from audit.protocols import HeadChoice
from audit.results import Reason

_EFFECTS = ("nie", "nde", "zero", "mean", "uniform")
_EFFECT = "|".join(_EFFECTS)
#: Effects of whole layers and of the model, which are measured only with those of all heads.
_SCOPE = re.compile(rf"({_EFFECT})_(model|layer:\d+)(: |$)")
#: Why an effect of single heads is undefined.
_HEAD = re.compile(rf"({_EFFECT})(_next)?: ")
_NO_HEADS = HeadChoice(frozenset(), frozenset())

Choices = Mapping[tuple[str, Contrast], HeadChoice]


def only_chosen(
    tables: Mapping[str, pd.DataFrame], undefined: Sequence[Reason], choices: Choices
) -> tuple[dict[str, pd.DataFrame], tuple[Reason, ...]]:
    """Leave out all effects that ``causal: {heads: possible}`` does not measure.

    Args:
        tables: of a run that measured the effects of all heads.
        undefined: why its measures are undefined.
        choices: which heads are measured, by suite and contrast; None in neither row.
    Returns:
        The tables and reasons of a run that was told these heads.
    """
    pairs, outputs = tables["pairs"], tables["outputs"]
    contrasts = zip(pairs["suite"], pairs["arm_a"], pairs["arm_b"], strict=True)
    by_pair = {
        name: choices.get((suite, (a, b)), _NO_HEADS)
        for name, (suite, a, b) in zip(pairs["pair_id"], contrasts, strict=True)
    }
    scopes = outputs["measure"].str.match(_SCOPE).to_numpy(dtype=bool)
    kept = {"heads": _heads(tables["heads"], by_pair), "outputs": outputs[~scopes].reset_index(drop=True)}
    return {**tables, **kept}, _reasons(undefined, by_pair)


def _heads(heads: pd.DataFrame, by_pair: Mapping[str, HeadChoice]) -> pd.DataFrame:
    known = heads.copy()
    choices = {choice: number for number, choice in enumerate(dict.fromkeys(by_pair.values()))}
    told = heads["pair_id"].map({name: choices[choice] for name, choice in by_pair.items()}).to_numpy()
    layer, head = (heads[name].to_numpy(dtype=np.intp) for name in ("layer", "head"))
    chosen = {suffix: np.zeros(len(heads), dtype=bool) for suffix in ("", "_next")}
    for choice, number in choices.items():
        for suffix, places in (("", choice.pronoun), ("_next", choice.next)):
            for at in places or ():
                chosen[suffix] |= (told == number) & (layer == at[0]) & (head == at[1])
    for suffix, rows in chosen.items():
        for name in _EFFECTS:
            known[name + suffix] = heads[name + suffix].where(rows)
    return known


def _reasons(undefined: Sequence[Reason], by_pair: Mapping[str, HeadChoice]) -> tuple[Reason, ...]:
    """Nothing is said of effects that nobody asked for."""
    left = []
    for reason in undefined:
        names = set(reason.pair_ids)
        if _SCOPE.match(reason.reason):
            continue
        if _HEAD.match(reason.reason):
            names = {name for name in names if by_pair[name] != _NO_HEADS}
        if names:
            left.append(reason_of(reason.reason, names))
    return tuple(left)
