"""One suite × contrast × control block of a run, and what was measured of its pairs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.config import RunConfig
from audit.estimates import Reading, estimates
from audit.pairs import ALL_AXES
from audit.results import Estimate, Finding
from audit.shares import as_share
from audit.sign_flips import Flips
from audit.units import Units, balanced_units

Array = npt.NDArray[np.float64]

CHANGE_NOTE = "interval: Wilson on the effective number of pairs; described, not tested"
_SHARE_NOTE = "interval: Wilson on the effective number of pairs; p: the units' shares against ½"
_OF_GROUP = "mean of the group"
_UNDIRECTED = "the suite ties neither a candidate nor a text to an arm"
_KEY = ["suite", "pair_id", "arm"]


@dataclass(frozen=True, slots=True)
class Series:
    """One number for every pair of a contrast, and how its mean is to be read.

    Args:
        values: `[P]`; NaN where undefined. Of a share: hits, 1 or 0.
        missing: why a mean of nothing is undefined.
        tested: whether a mean of 0 (a share of ½) is a hypothesis.
        note: what to add to the method; of a share the whole method.
        is_share: whether the mean is a share.
    """

    values: Array
    missing: str
    tested: bool = True
    note: str = ""
    is_share: bool = False


@dataclass(frozen=True, slots=True)
class Contrast:
    """One suite × contrast × control block.

    Args:
        pairs: P rows of ``pairs.parquet``, those of the complete units, in the order of `units.of`.
        units: the units.
        outputs: ``outputs.parquet``.
        config: the power of the minimum detectable effect, the seed of sign-flips.
    """

    pairs: pd.DataFrame
    units: Units
    outputs: pd.DataFrame
    config: RunConfig

    @property
    def task(self) -> str:
        """What the suite asks the model to do."""
        return str(self.pairs.iloc[0]["task"])

    @property
    def measures(self) -> tuple[str, ...]:
        """Output measures of these pairs, in the order in which they were told."""
        own = self.outputs["suite"].eq(self.pairs.iloc[0]["suite"])
        own &= self.outputs["pair_id"].isin(self.pairs["pair_id"])
        return tuple(self.outputs.loc[own, "measure"].unique())

    @property
    def completed(self) -> bool:
        """Whether the pairs have completions."""
        return bool(self.pairs["completion_1"].notna().any())

    def both(self, measure: str) -> tuple[Array, Array]:
        """`[P]` values in arm_a and `[P]` in arm_b; NaN where it was not measured."""
        return both_arms(self.pairs, self.outputs, measure)

    def one(self, measure: str) -> Array:
        """`[P]` values that a pair has once, told at arm_a."""
        return _numbers(looked_up(self.pairs, self.outputs, measure, "a", "value"))

    def texts(self, measure: str) -> list[tuple[str | None, str | None]]:
        """What was said in arm_a and in arm_b of each pair; None where nothing was."""
        sides = (looked_up(self.pairs, self.outputs, measure, arm, "text") for arm in "ab")
        return [(_text(a), _text(b)) for a, b in zip(*sides, strict=True)]

    def mean(self, values: Array, missing: str, *, tested: bool = True, note: str = "") -> Series:
        """The mean over the units of `[P]` values."""
        return Series(values, missing, tested, note)

    def share(self, hits: Array, missing: str, *, tested: bool, note: str) -> Series:
        """The share of pairs with `[P]` hits of 1 rather than 0; NaN does not count."""
        return Series(hits, missing, tested, note, is_share=True)

    def estimate(self, series: Series) -> Estimate:
        """Fit the units' means, both factors random."""
        values = series.values - 0.5 if series.is_share else series.values
        flips = Flips(self.config.seed) if series.tested else None
        fit, pairs = self.units.fit(values[:, None], flips)
        note = "" if series.is_share else series.note
        reading = Reading(self.config.power, tested=series.tested, missing=series.missing, note=note)
        found = estimates(fit, pairs, reading)[0]
        return as_share(found, series.note) if series.is_share else found

    def follows(self, towards: Array, what: str, missing: str) -> Series | Estimate:
        """Share of directed pairs whose value points towards the stereotype.

        Args:
            towards: `[P]` values, above 0 towards it.
            what: such pairs, for the method.
            missing: why there is no value.
        """
        directed = self.pairs["directed"].to_numpy(dtype=bool)
        if not directed.any():
            return Estimate(reason=_UNDIRECTED)
        hits = np.where(directed & ~np.isnan(towards), (towards > 0).astype(np.float64), np.nan)
        return self.share(hits, missing, tested=True, note=f"{what}; {_SHARE_NOTE}")

    def changed(self, measure: str, missing: str) -> Series:
        """Share of pairs in which the model says something else, the arms' own words apart."""
        prompts = zip(self.pairs["text_a"], self.pairs["text_b"], strict=True)
        both = zip(prompts, self.texts(measure), strict=True)
        hits = [
            float("nan") if None in said else float(_changed(_words(a), _words(b), *map(_words, said)))
            for (a, b), said in both
        ]
        return self.share(np.array(hits), missing, tested=False, note=CHANGE_NOTE)

    def signal(self, measure: str, series: Series | Estimate, group: str | None = None) -> Signal:
        """Name a series, or an estimate that is no mean over the units."""
        return Signal(self, measure, series, group)

    def by_group(self, measure: str, values: tuple[Array, Array]) -> list[Signal]:
        """Means of each group's own texts; one mean where both arms are of one group."""
        groups = [str(self.pairs.iloc[0][f"group_{arm}"]) for arm in "ab"]
        named = zip(groups, values, strict=True) if groups[0] != groups[1] else [(groups[0], sum(values) / 2)]
        return [
            Signal(self, measure, self.mean(own, "not measured", tested=False, note=_OF_GROUP), group, True)
            for group, own in ((group, np.asarray(own)) for group, own in named)
            if not np.isnan(self.units.means(own[:, None])).all()
        ]


@dataclass(frozen=True, slots=True)
class Signal:
    """A measure of one contrast: what a finding is made of.

    Args:
        contrast: whose pairs.
        measure: its name.
        series: what was measured of every pair; or an estimate that is no mean over the units.
        group: whose texts, or of which axis the pairs; None for all.
        is_level: whether it is the mean of a group's own texts, not a difference between arms.
    """

    contrast: Contrast
    measure: str
    series: Series | Estimate
    group: str | None = None
    is_level: bool = False

    @property
    def suite(self) -> str:
        """The suite of the pairs."""
        return str(self.contrast.pairs.iloc[0]["suite"])

    @property
    def axis(self) -> str:
        """The protected attribute; ``all`` where the pairs have several."""
        axes = self.contrast.pairs["axis"].unique()
        return str(axes[0]) if len(axes) == 1 else ALL_AXES

    @property
    def control(self) -> str | None:
        """The block of control pairs; None for pairs under test."""
        row = self.contrast.pairs.iloc[0]
        return None if row["kind"] == "treatment" else str(row["control"])

    @property
    def arms(self) -> tuple[str, str]:
        """What is swapped."""
        row = self.contrast.pairs.iloc[0]
        return str(row["arm_a"]), str(row["arm_b"])

    def finding(self) -> Finding:
        """Estimate it."""
        series = self.series
        estimate = series if isinstance(series, Estimate) else self.contrast.estimate(series)
        return Finding(
            **estimate.model_dump(),
            suite=self.suite,
            axis=self.axis,
            contrast=self.arms,
            group=self.group,
            measure=self.measure,
            control=self.control,
        )


def contrast_of(
    pairs: pd.DataFrame, chosen: npt.NDArray[np.bool_], outputs: pd.DataFrame, config: RunConfig
) -> Contrast | None:
    """The chosen pairs in complete units with what was measured of them; None if there is no such unit."""
    units = balanced_units(pairs, chosen)
    return Contrast(pairs.iloc[units.pairs], units, outputs, config) if len(units.pairs) else None


def looked_up(pairs: pd.DataFrame, outputs: pd.DataFrame, measure: str, arm: str, column: str) -> pd.Series:
    """The `[P]` entries of one measure in one arm's texts."""
    of = outputs[outputs["measure"] == measure].drop_duplicates(_KEY).set_index(_KEY)[column]
    places = pd.MultiIndex.from_arrays([pairs["suite"], pairs["pair_id"], pairs[f"arm_{arm}"]], names=_KEY)
    return of.reindex(places)


def both_arms(pairs: pd.DataFrame, outputs: pd.DataFrame, measure: str) -> tuple[Array, Array]:
    """Look up one measure of the pairs' two texts.

    Args:
        pairs: ``pairs.parquet``, P rows.
        outputs: ``outputs.parquet``.
        measure: such as ``completion_log_odds``.
    Returns:
        `[P]` in arm_a and `[P]` in arm_b; NaN where it was not measured.
    """
    first, second = (_numbers(looked_up(pairs, outputs, measure, arm, "value")) for arm in "ab")
    return first, second


def _numbers(values: pd.Series) -> Array:
    return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _words(text: str | None) -> list[str]:
    """Words and signs, without regard to case."""
    return re.findall(r"\w+|[^\w\s]", (text or "").casefold())


def _changed(prompt_a: Sequence[str], prompt_b: Sequence[str], a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two continuations differ in more than the words that the arms wrote into the prompts."""
    arm_a, arm_b = Counter(prompt_a) - Counter(prompt_b), Counter(prompt_b) - Counter(prompt_a)
    return len(a) != len(b) or any(
        one != other and not (one in arm_a and other in arm_b) for one, other in zip(a, b, strict=True)
    )
