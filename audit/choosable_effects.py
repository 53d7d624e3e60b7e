"""Effects of all heads → those that a run measures that knows which heads can still be flagged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.head_fits import Contrast
from audit.head_table import Array, HeadSection, HeadTable, Indices
from audit.joined_shards import reason_of
from audit.protocols import HeadChoice
from audit.results import Reason

_EFFECTS = ("nie", "nde", "zero", "mean", "uniform")
_EFFECT = "|".join(_EFFECTS)
#: Effects of whole layers and of the model, which are measured only with those of all heads.
_SCOPE = re.compile(rf"({_EFFECT})_(model|layer:\d+)(: |$)")
#: Why an effect of single heads is undefined.
_HEAD = re.compile(rf"({_EFFECT})(_next)?: ")
_OF_HEADS = tuple(name + row for row in ("", "_next") for name in _EFFECTS)
_NO_HEADS = HeadChoice(frozenset(), frozenset())

Choices = Mapping[tuple[str, Contrast], HeadChoice]


def choices_by_pair(pairs: pd.DataFrame, choices: Choices) -> dict[str, HeadChoice]:
    """The heads to measure in each pair.

    Args:
        pairs: ``pairs.parquet``.
        choices: by suite and contrast; none elsewhere.
    """
    places = zip(pairs["suite"], pairs["arm_a"], pairs["arm_b"], strict=True)
    return {
        str(name): choices.get((suite, (a, b)), _NO_HEADS)
        for name, (suite, a, b) in zip(pairs["pair_id"], places, strict=True)
    }


class ChosenEffects:
    """``heads.parquet`` without the effects of heads that were not chosen.

    Args:
        table: with the effects of all heads.
        by_pair: the chosen heads of each pair.
    """

    def __init__(self, table: HeadTable, by_pair: Mapping[str, HeadChoice]) -> None:
        self._table, self._by_pair = table, by_pair

    @property
    def sections(self) -> Sequence[HeadSection]:
        """Those of the table."""
        return self._table.sections

    def values(self, section: HeadSection, measure: str) -> Array:
        """Read one measure."""
        values = self._table.values(section, measure)
        if measure in _OF_HEADS:
            for choice in {self._by_pair[name] for name in section.pair_ids}:
                rows = np.array([self._by_pair[name] == choice for name in section.pair_ids], dtype=bool)
                values[np.ix_(rows, ~_chosen(choice, measure, section.layer, section.head))] = np.nan
        return values

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same of rows of the table, which hold whole pairs."""
        known = frame.copy()
        layer, head = (frame[name].to_numpy(dtype=np.intp) for name in ("layer", "head"))
        choices = {name: self._by_pair[name] for name in frame["pair_id"].unique()}
        for choice in set(choices.values()):
            own = [name for name, other in choices.items() if other == choice]
            of = frame["pair_id"].isin(own).to_numpy(dtype=bool)
            for measure in _OF_HEADS:
                known.loc[of & ~_chosen(choice, measure, layer, head), measure] = np.nan
        return known


def _chosen(choice: HeadChoice, measure: str, layer: Indices, head: Indices) -> npt.NDArray[np.bool_]:
    """Which heads a choice has for the row that a measure belongs to."""
    places = (choice.next if measure.endswith("_next") else choice.pronoun) or frozenset()
    found = np.zeros(len(layer), dtype=bool)
    for at_layer, at_head in places:
        found |= (layer == at_layer) & (head == at_head)
    return found


def without_scopes(outputs: pd.DataFrame) -> pd.DataFrame:
    """``outputs.parquet`` without the effects of whole layers and of the model."""
    scopes = outputs["measure"].str.match(_SCOPE).to_numpy(dtype=bool)
    return outputs[~scopes].reset_index(drop=True)


def reasons_of_chosen(undefined: Sequence[Reason], by_pair: Mapping[str, HeadChoice]) -> tuple[Reason, ...]:
    """Why measures are undefined, without the effects that nobody asked for."""
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
