"""Is a finding general? Heads chosen on half of the templates × half of the items, tried on the other half."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.head_fits import head_blocks
from audit.head_table import HeadTable
from audit.protocols import HeadChoice
from audit.statistics import plain_p

Array = npt.NDArray[np.float64]
Head = tuple[int, int]

#: Level of each of the two tests by which the choosing half names its heads; it is not corrected, since
#: what is chosen is then tried on pairs that had no part in the choice.
CHOICE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Halves:
    """Pairs that choose heads, and pairs that try them; no template and no item is in both.

    Args:
        choosing, trying: pair ids.
    """

    choosing: tuple[str, ...]
    trying: tuple[str, ...]

    @property
    def exchanged(self) -> Halves:
        """The same halves the other way round."""
        return Halves(self.trying, self.choosing)


def split_halves(pairs: pd.DataFrame, seed: int) -> Halves:
    """Split templates and items in two at random, and keep the pairs that lie in one half by both.

    Args:
        pairs: ``pairs.parquet``, the measured treatment pairs of one suite and contrast.
        seed: of `numpy.random.Generator`.
    Returns:
        About a quarter of the pairs on either side; the rest is in neither.
    """
    generator = np.random.default_rng(seed)
    first = {}
    for factor in ("cluster", "item"):
        levels = sorted(set(pairs[factor]))
        drawn = generator.permutation(len(levels))[: len(levels) // 2]
        first[factor] = pairs[factor].isin([levels[at] for at in drawn])
    return Halves(
        tuple(pairs.loc[first["cluster"] & first["item"], "pair_id"]),
        tuple(pairs.loc[~first["cluster"] & ~first["item"], "pair_id"]),
    )


def choose_heads(pairs: pd.DataFrame, heads: HeadTable | pd.DataFrame, config: RunConfig) -> HeadChoice:
    """Heads that carry the stereotype in these pairs, by either row.

    A head is chosen when bias and causal effect are both significant at ``CHOICE_LEVEL``, the bias is at
    least `min_bias`, and the effect has the sign that the suite's reading predicts. The p-values are those of
    t without the allowance for skewness, which ten levels of a factor cannot tell well: what is chosen too
    freely fails on the other pairs.

    Args:
        pairs: ``pairs.parquet``, the choosing pairs of one suite and contrast.
        heads: ``heads.parquet`` with the effects of all heads.
        config: `min_bias`.
    Returns:
        The heads of either row, possibly none.
    """
    blocks = head_blocks(pairs, heads, ["bias", "bias_next", "nie", "nie_next"], config)
    found: dict[str, set[Head]] = {"": set(), "_next": set()}
    for block in blocks:
        for row, chosen in found.items():
            bias, effect = block.measures[f"bias{row}"].fit, block.measures[f"nie{row}"].fit
            carries = (np.maximum(plain_p(bias), plain_p(effect)) <= CHOICE_LEVEL) & (effect.mean > 0)
            carries &= np.abs(bias.mean) >= config.min_bias
            chosen |= set(zip(block.layer[carries].tolist(), block.head[carries].tolist(), strict=True))
    return HeadChoice(frozenset(found[""]), frozenset(found["_next"]))


def random_choices(
    choice: HeadChoice, heads: tuple[int, int], count: int, seed: int
) -> tuple[HeadChoice, ...]:
    """Sets of random heads, each with as many heads in each layer and row as the choice has.

    The chosen heads may be drawn, too.

    Args:
        choice: heads of either row; not None.
        heads: heads of a layer, where the pronoun's row and where the predicting row is read.
        count: how many sets.
        seed: of `numpy.random.Generator`.
    """
    generator = np.random.default_rng(seed)

    def drawn(chosen: frozenset[Head] | None, width: int) -> frozenset[Head]:
        layers: dict[int, int] = defaultdict(int)
        for layer, _ in sorted(chosen or ()):
            layers[layer] += 1
        return frozenset(
            (layer, int(head))
            for layer, many in layers.items()
            for head in generator.permutation(width)[:many]
        )

    return tuple(
        HeadChoice(drawn(choice.pronoun, heads[0]), drawn(choice.next, heads[1])) for _ in range(count)
    )


@dataclass(frozen=True, slots=True)
class Fall:
    """How far the total effect falls when heads stop telling the arms apart.

    Args:
        total_effect: mean over the trying pairs, unedited, in nats.
        remaining: the same with the chosen heads' rows set to the arms' mean.
        random: `[sets]` the same with random heads of the same layers.
    """

    total_effect: float
    remaining: float
    random: Array

    @property
    def share(self) -> float:
        """Part of the total effect that is gone."""
        return 1 - self.remaining / self.total_effect

    @property
    def random_shares(self) -> Array:
        """Part of the total effect that is gone with each random set."""
        return 1 - self.random / self.total_effect

    @property
    def p(self) -> float:
        """One-sided p: how often random heads do as much, `(1 + count) / (1 + sets)` (Phipson & Smyth 2010)."""
        as_much = self.total_effect - self.random >= self.total_effect - self.remaining
        return float((1 + as_much.sum()) / (1 + len(self.random)))
