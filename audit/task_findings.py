"""What masked models, classifiers, question answering and translation say differently under a contrast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from audit.contrasts import CHANGE_NOTE, Contrast, Series, Signal
from audit.effects import total_effect

_PROBABILITY = "class_probability:"


class TaskFindings(NamedTuple):
    """The findings of one task, beside the total effect of its completions.

    Args:
        signals: makes what they are estimated from, of a contrast.
        always: the measures that every suite of the task has, whatever its texts.
    """

    signals: Callable[[Contrast], Iterator[Signal]]
    always: tuple[str, ...] = ()


def _masked(contrast: Contrast) -> Iterator[Signal]:
    """Of texts without a mask, how likely they are and which pronoun is expected.

    ``pct_stereotype``: share of directed pairs with TE > 0, or without completions with a higher
    pseudo-log-likelihood in arm_a, over the tokens that both texts share (Nangia et al. 2020).
    ``pseudo_likelihood_diff``: mean absolute difference of these (nats). ``pronoun_log_odds``: log-odds of
    arm_a's pronoun against arm_b's where it stands masked in arm_a's text (nats).
    """
    shared = np.subtract(*contrast.both("shared_pseudo_log_likelihood"))
    if contrast.completed:
        yield _towards(contrast)
    if "shared_pseudo_log_likelihood" in contrast.measures:
        missing = "no pseudo-log-likelihood in both arms"
        distance = contrast.mean(np.abs(shared), missing, tested=False)
        yield contrast.signal("pseudo_likelihood_diff", distance)
        if not contrast.completed:
            what = "pairs with PLL(arm_a) > PLL(arm_b) over the tokens that both share"
            yield contrast.signal("pct_stereotype", contrast.follows(shared, what, missing))
    if "pronoun_log_odds" in contrast.measures:
        odds = contrast.both("pronoun_log_odds")[0]
        yield contrast.signal("pronoun_log_odds", contrast.mean(odds, "no odds of the pronouns"))


def _classification(contrast: Contrast) -> Iterator[Signal]:
    """Differences, arm_a - arm_b, of class probabilities and sentiment; how often the label changes."""
    if contrast.completed:
        yield _towards(contrast)
    for measure in contrast.measures:
        if measure == "sentiment" or measure.startswith(_PROBABILITY):
            values = contrast.both(measure)
            difference = contrast.mean(np.subtract(*values), "no probability in both arms")
            yield contrast.signal(measure, difference)
            yield from contrast.by_group(measure, values)
    yield contrast.signal("label_changed", _relabelled(contrast))


def _relabelled(contrast: Contrast) -> Series:
    """Share of pairs with another label; a label is no text, so the arms' own words do not count."""
    hits = [
        float("nan") if None in labels else float(len(set(labels)) - 1) for labels in contrast.texts("label")
    ]
    return contrast.share(np.array(hits), "no label in both arms", tested=False, note=CHANGE_NOTE)


def _answers(contrast: Contrast) -> Iterator[Signal]:
    """How often the answer changes, and how much surer the model is of it in arm_a (nats)."""
    if contrast.completed:
        yield _towards(contrast)
    missing = "no answer in both arms"
    yield contrast.signal("answer_changed", contrast.changed("answer", missing))
    values = contrast.both("answer")
    yield contrast.signal("answer_score", contrast.mean(np.subtract(*values), missing))
    yield from contrast.by_group("answer_score", values)


def _translations(contrast: Contrast) -> Iterator[Signal]:
    """How often the translation changes; swapped words that are themselves translated count as a change."""
    if contrast.completed:
        yield _towards(contrast)
    missing = "no translation in both arms"
    yield contrast.signal("translation_changed", contrast.changed("translation", missing))


def _towards(contrast: Contrast) -> Signal:
    effect = total_effect(*contrast.both("completion_log_odds"))
    share = contrast.follows(effect, "pairs with TE > 0", "no completion log-odds in both arms")
    return contrast.signal("pct_stereotype", share)


#: Tasks whose findings are their own; all others are measured by likelihoods and continuations.
TASKS: dict[str, TaskFindings] = {
    "masked": TaskFindings(_masked),
    "classification": TaskFindings(_classification, ("label_changed",)),
    "question-answering": TaskFindings(_answers, ("answer_changed", "answer_score")),
    "translation": TaskFindings(_translations, ("translation_changed",)),
}
