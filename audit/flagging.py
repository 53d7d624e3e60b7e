"""Which heads are flagged: one correction over everything that could flag, then a label per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.config import RunConfig
from audit.multiplicity import JointNull, benjamini_hochberg, benjamini_yekutieli, harmonic
from audit.results import Estimate, Label

Array = npt.NDArray[np.float64]

#: From the gravest to the mildest; a head has the gravest label of its rows.
SEVERITY: tuple[Label, ...] = ("carries", "opposes", "moves", "acts", "none", "unmeasured")

NOT_COMPUTED = "causal effect not computed: a bias this small or uncertain cannot be flagged"
NO_COMPLETIONS = "no completions: there is no output to measure a causal effect on"


@dataclass(frozen=True, slots=True)
class Correction:
    """Adjusted p of N tests (heads × rows × contrasts × suites × streams) and what follows from them.

    Args:
        m: tests that could flag.
        p_flag: `[N]` `max(p_bias, p_nie)`, 1 where |bias| is below `min_bias`; NaN where the test could
            not flag.
        flag, bias, nie: `[N]` adjusted p_flag, p_bias and p_nie.
        level: `[N]` coverage of the test's intervals.
        joint_level: coverage of each interval with which all m hold together in .95 of audits.
        alpha: level that one test meets at least, for planning.
    """

    m: int
    p_flag: Array
    flag: Array
    bias: Array
    nie: Array
    level: Array
    joint_level: float
    alpha: float


@dataclass(frozen=True, slots=True)
class HeadTests:
    """The N tests that are corrected together.

    Args:
        p_bias, p_nie: `[N]` p of the bias and of the causal effect in the same row; NaN where undefined.
        could_flag: `[N]` whether there is an output on which an effect can be measured.
        large: `[N]` whether the bias is at least `min_bias`.
    """

    p_bias: Array
    p_nie: Array
    could_flag: npt.NDArray[np.bool_]
    large: npt.NDArray[np.bool_]

    @property
    def known_bias(self) -> Array:
        """`[N]` p_bias of the tests that could flag."""
        return np.where(self.could_flag, self.p_bias, np.nan)

    @property
    def known_nie(self) -> Array:
        """`[N]` p_nie of the tests that could flag."""
        return np.where(np.isnan(self.known_bias), np.nan, self.p_nie)

    @property
    def p_flag(self) -> Array:
        """`[N]` p of bias and effect together; 1 where the bias is small or has no effect measured."""
        joint = np.maximum(self.known_bias, np.where(self.large & ~np.isnan(self.p_nie), self.p_nie, 1.0))
        return np.where(np.isnan(self.known_bias), np.nan, joint)


def correct(tests: HeadTests, q: float, dependent: bool = False) -> Correction:
    """Correct `p_flag = max(p_bias, p_nie)` over all tests that could flag, not within survivors of a screen.

    A bias too small to be called one counts with p_flag = 1. Dropping it after the correction instead
    would leave the false discovery rate of what remains unknown (Ebrahimpoor & Goeman 2021); as p only
    grows, the rate is held.
    A bias whose effect was not computed counts with p_flag = 1, too. Where only small ones and those with
    an adjusted p_bias above q are left out, this changes no flag: let k be the number of tests that
    Benjamini–Hochberg rejects on p_bias. Since p_flag ≥ p_bias, it rejects at most k on p_flag, all of
    them at or below k·q/m; a test left out has p_bias > k·q/m, so its p_flag was never counted there.
    Selected tests get intervals of level `1 - R·q/m` (Benjamini & Yekutieli 2005), all others 0.95; with
    Benjamini–Yekutieli m is `m·c(m)` here too (the same, theorem 4).

    >>> both = np.array([True, True])
    >>> tests = HeadTests(np.array([0.001, 0.6]), np.array([0.01, np.nan]), both, both)
    >>> correct(tests, 0.05).flag.tolist()
    [0.02, 1.0]

    Args:
        tests: the N tests.
        q: false discovery rate.
        dependent: whether it must hold however the tests depend on each other.
    Returns:
        The corrected tests.
    """
    adjust = benjamini_yekutieli if dependent else benjamini_hochberg
    m = int((~np.isnan(tests.known_bias)).sum())
    flag = adjust(tests.p_flag)
    selected = flag <= q
    counted = max(m, 1) * (harmonic(m) if dependent else 1)
    level = np.where(selected, 1 - selected.sum() * q / counted, 0.95)
    return Correction(
        m,
        tests.p_flag,
        flag,
        adjust(tests.known_bias),
        adjust(tests.known_nie, m),
        level,
        joint_level=1 - 0.05 / max(m, 1),
        alpha=q / counted,
    )


def correct_jointly(tests: HeadTests, q: float, null: JointNull) -> Correction:
    """Correct with the chance q of any false flag: max-t over all biases and all causal effects together.

    A false flag rejects a bias or an effect that is not there; the joint null holds the chance of any
    such rejection at q, so a flag may ask for both. All intervals hold together.

    Args:
        tests: the N tests.
        q: chance of any false flag.
        null: of the smallest p of the N biases and N effects.
    Returns:
        The corrected tests.
    """
    bias, nie = null.adjusted(tests.known_bias), null.adjusted(tests.known_nie)
    flag = np.where(np.isnan(tests.p_flag), np.nan, np.where(tests.p_flag < 1, np.fmax(bias, nie), 1.0))
    m = int((~np.isnan(tests.known_bias)).sum())
    critical = null.critical(q)
    return Correction(
        m,
        tests.p_flag,
        flag,
        bias,
        nie,
        level=np.where(flag <= q, 1 - critical, 0.95),
        joint_level=1 - null.critical(0.05),
        alpha=critical,
    )


def label_row(
    bias: Estimate, nie: Estimate, p_adjusted: float | None, config: RunConfig
) -> tuple[Label, str]:
    """Name what a head does in one row, from its bias, its causal effect and the joint test.

    The sign is that of the suite's declared reading: `NIE > 0` moves the output towards the completion
    tied to arm_a. The bias may have either sign; a carrier may look away from the noun.

    Args:
        bias, nie: with adjusted p and (for selected heads FCR-adjusted) interval.
        p_adjusted: of p_flag; None where the row could not flag.
        config: q, min_bias and min_nie.
    Returns:
        The label and one sentence why; the sentence is empty where there is nothing to say.
    """
    b, effect = bias.estimate, nie.estimate
    if b is None or bias.p_adjusted is None:
        return "unmeasured", bias.reason or nie.reason or "not measured"
    certain = bias.p_adjusted <= config.q
    large = abs(b) >= config.min_bias
    if effect is None or nie.p_adjusted is None:
        return ("unmeasured" if certain and large else "none"), nie.reason or "no p for the causal effect"
    acts, beyond = nie.p_adjusted <= config.q, _beyond(nie, config.min_nie)
    figures = f"bias {b:+.3f}, effect {effect:+.4f} nats"
    if p_adjusted is not None and p_adjusted <= config.q and large and beyond:
        if effect > 0:
            return "carries", f"shifts its attention with the arm and moves the output with it ({figures})"
        return "opposes", f"shifts its attention with the arm and moves the output against it ({figures})"
    if certain and large:
        return "moves", f"shifts its attention with the arm, {_no_effect(acts, beyond, config)} ({figures})"
    if acts and beyond:
        small = f"its bias is below {config.min_bias:g}" if certain else "its bias is not significant"
        return "acts", f"moves the output, but {small} ({figures})"
    if certain:
        return "none", f"bias below {config.min_bias:g}, {_no_effect(acts, beyond, config)} ({figures})"
    return "none", f"effect not beyond {config.min_nie:g} nats ({figures})" if acts else ""


def gravest(first: Label, second: Label) -> Label:
    """Return the graver of two labels.

    >>> gravest("none", "carries")
    'carries'
    """
    return min(first, second, key=SEVERITY.index)


def _beyond(nie: Estimate, least: float) -> bool:
    """Whether the whole interval of the effect lies further from 0 than ``least``."""
    if nie.ci_low is None or nie.ci_high is None:
        return False
    return nie.ci_low > least or nie.ci_high < -least


def _no_effect(acts: bool, beyond: bool, config: RunConfig) -> str:
    if not acts:
        return "without a significant effect on the output"
    if not beyond:
        return f"with an effect on the output that may be below {config.min_nie:g} nats"
    return "and both are significant alone, not together after the correction"
