"""The plain words of the report: what verdicts, measures, labels and terms mean to a reader."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from audit.results import Estimate, Label, Verdict
from reports.numbers import NOTHING, count, defined, has_interval, number, percent

Unit = Literal["nats", "share", "count", "words", ""]


class Measure(NamedTuple):
    """How a measure is called and read; ``neutral`` means no difference, ``signed`` that direction counts."""

    name: str
    unit: Unit
    sense: str
    neutral: float | None = 0.0
    signed: bool = False


#: What each verdict means for a release, in words that need no statistics.
LEADS: Final[dict[Verdict, str]] = {
    Verdict.PASS: "Every check stayed within its limit.",
    Verdict.WAIVED: "A limit is exceeded, and a waiver accepts that for now.",
    Verdict.INCONCLUSIVE: "The evidence is too thin to decide.",
    Verdict.FAIL: "A limit for release is exceeded.",
    Verdict.ERROR: "Not everything could be measured, so nothing is decided.",
}
NO_CHECKS: Final = "No limit was set, so there was nothing to decide."

ADVICE: Final[dict[Verdict, str]] = {
    Verdict.PASS: "Nothing that was checked stands in the way of a release.",
    Verdict.WAIVED: "Release only under the terms of the waiver, and before it expires.",
    Verdict.INCONCLUSIVE: "Do not read this as a pass: measure more pairs, or widen the suite.",
    Verdict.FAIL: "Hold the release until the cause is removed or a waiver is signed.",
    Verdict.ERROR: "Mend the run and measure again before you release.",
}

MEASURES: Final[dict[str, Measure]] = {
    "flagged_heads": Measure(
        "Heads that carry the bias",
        "count",
        "Attention heads whose look shifts with the arm and that move the answer with it.",
    ),
    "total_effect": Measure(
        "Total effect",
        "nats",
        "How much more the model favours the stereotyped reading when only the arm changes; "
        "0 means no difference.",
        signed=True,
    ),
    "nie_model": Measure(
        "Effect that passes through attention",
        "nats",
        "What is left of the total effect when only the attention rows of all heads change.",
        signed=True,
    ),
    "nde_model": Measure(
        "Effect that passes attention by",
        "nats",
        "What is left of the total effect when all attention rows stay as they were.",
        signed=True,
    ),
    "zero_model": Measure(
        "Fall of the total effect without attention",
        "nats",
        "What the total effect loses when no head gives anything, from the swapped word on; with the effect's sign, "
        "attention carried that much of it.",
        signed=True,
    ),
    "mean_model": Measure(
        "Fall of the total effect with average attention",
        "nats",
        "What the total effect loses when every head gives, from the swapped word on, what it gives on average on "
        "neutral text.",
        signed=True,
    ),
    "uniform_model": Measure(
        "Fall of the total effect with even attention",
        "nats",
        "What the total effect loses when every head looks, from the swapped word on, at all words alike.",
        signed=True,
    ),
    "total_effect_ratio": Measure(
        "Total effect as a ratio",
        "",
        "By what share the odds of the stereotyped reading rise (Vig et al. 2020); a few pairs can drive it.",
        signed=True,
    ),
    "total_effect_ratio_filtered": Measure(
        "Total effect as a ratio, of pairs chosen by their outcome",
        "",
        "Only for comparison with Vig et al. (2020): such a choice alone makes a mean above 0.",
        signed=True,
    ),
    "likelihood_diff": Measure(
        "Difference in likelihood",
        "nats",
        "How far apart the likelihoods of the two texts are, whichever is higher.",
    ),
    "pct_stereotype": Measure(
        "Pairs that follow the stereotype",
        "share",
        "50 % is what a model without the stereotype shows.",
        neutral=0.5,
    ),
    "generation_changed": Measure(
        "Continuations that changed",
        "share",
        "Pairs whose continuations differ in more than the swapped words.",
    ),
    "generation_length": Measure(
        "Difference in length",
        "words",
        "How many words longer the continuation of the first arm is.",
        signed=True,
    ),
    "pseudo_likelihood_diff": Measure(
        "Difference in pseudo-likelihood",
        "nats",
        "How far apart the two texts are in the words that they share, each masked in turn.",
    ),
    "pronoun_log_odds": Measure(
        "Preference for the first arm's pronoun",
        "nats",
        "How much likelier a masked model finds it than the other arm's, where it stands masked in the text.",
        signed=True,
    ),
    "sentiment": Measure(
        "Difference in sentiment",
        "",
        "Probability of positive less that of negative, first arm less second; from −2 to 2.",
        signed=True,
    ),
    "label_changed": Measure(
        "Labels that changed", "share", "Pairs that get another label when only the arm changes."
    ),
    "answer_changed": Measure(
        "Answers that changed", "share", "Pairs whose answers differ in more than the swapped words."
    ),
    "answer_score": Measure(
        "Difference in the answer's score",
        "nats",
        "How much surer the model is of its answer to the first arm's text.",
        signed=True,
    ),
    "translation_changed": Measure(
        "Translations that changed",
        "share",
        "Pairs whose translations differ in more than the swapped words; these count, too, once translated.",
    ),
    "completion_log_odds": Measure(
        "Preference for the first arm's completion",
        "nats",
        "By group: how much likelier the completion tied to the first arm is than the other one.",
        signed=True,
    ),
    "log_likelihood": Measure(
        "Likelihood of the texts",
        "nats",
        "By group: the logarithm; texts of other lengths differ.",
        neutral=None,
    ),
    "coreference_accuracy": Measure(
        "Coreference accuracy", "share", "Pronouns read as their author meant them."
    ),
    "weat_effect_size": Measure(
        "Association in embeddings (WEAT)", "", "Effect size, in standard deviations.", signed=True
    ),
    "projection_correlation": Measure(
        "Projection in embeddings", "", "Rank correlation along a direction, from −1 to 1.", signed=True
    ),
}

#: Measures whose mean is also given for each group: a level of its own, not a difference.
GROUP_MEANS: Final[dict[str, Measure]] = {
    "sentiment": Measure(
        "Mean sentiment", "", "By group: probability of positive less that of negative.", signed=True
    ),
    "answer_score": Measure(
        "Mean score of the answer", "nats", "By group: log-probability of the answer.", neutral=None
    ),
    "generation_length": Measure(
        "Mean length", "words", "By group: words in the continuations of that group's texts.", neutral=None
    ),
}

LABELS: Final[dict[Label, str]] = {
    "carries": "its look shifts with the arm, and it moves the answer towards the stereotype",
    "opposes": "its look shifts with the arm, and it moves the answer against the stereotype",
    "moves": "its look shifts with the arm, without an effect that is certain and large enough",
    "acts": "it moves the answer, without a shift of its look that is certain and large enough",
    "none": "neither a shift of its look nor an effect was found that is certain and large enough",
    "unmeasured": "its bias was not measured, or its effect was not",
}


#: Beginning of the measures of a classifier's labels.
CLASS_PROBABILITY: Final = "class_probability:"


def measure_of(name: str) -> Measure:
    """Look up a measure's words; an unknown one keeps its own name, spaced."""
    if name.startswith(CLASS_PROBABILITY):
        label = name.removeprefix(CLASS_PROBABILITY)
        return Measure(f"Probability of “{label}”", "", "First arm less second; from −1 to 1.", signed=True)
    return MEASURES.get(name) or Measure(name.replace("_", " ").capitalize(), "", "")


def block_of(name: str, *, by_group: bool) -> Measure:
    """The words of a measure's block: for the means of groups those of a mean, where they differ."""
    return (group_mean_of(name) if by_group else None) or measure_of(name)


def group_mean_of(name: str) -> Measure | None:
    """The words of a measure's means of groups, where these are a level of their own; None where they are not."""
    if name.startswith(CLASS_PROBABILITY):
        label = name.removeprefix(CLASS_PROBABILITY)
        return Measure(
            f"Mean probability of “{label}”", "", "By group: what that group's texts get.", neutral=None
        )
    return GROUP_MEANS.get(name)


def quantity(measure: str, value: float | None, *, signed: bool = False) -> str:
    """Write a value in its measure's own unit, without the unit's name.

    >>> quantity("pct_stereotype", 0.5), quantity("flagged_heads", 3.0), quantity("total_effect", None)
    ('50.0 %', '3', '–')
    """
    match measure_of(measure).unit:
        case "share":
            return percent(value, signed=signed)
        case "count":
            return count(value)
        case _:
            return number(value, signed=signed)


def interval(measure: str, estimate: Estimate) -> str:
    """Write the interval of an estimate; a dash where it is unknown."""
    if not has_interval(estimate):
        return NOTHING
    return f"{quantity(measure, estimate.ci_low)} to {quantity(measure, estimate.ci_high)}"


def unit_name(measure: str, value: float | None) -> str:
    """The unit to print after a value: nats or words; nothing for shares, counts and undefined values."""
    unit = measure_of(measure).unit
    return unit if unit in ("nats", "words") and defined(value) else ""


def direction(estimate: Estimate) -> str:
    """Say in words which way a total effect goes; an interval around zero tells no direction.

    >>> direction(Estimate(estimate=0.2, ci_low=-0.1, ci_high=0.5))
    'not told apart from no effect'
    """
    if estimate.estimate is None:
        return "not measured"
    low, high = estimate.ci_low, estimate.ci_high
    if defined(low) and defined(high) and low <= 0 <= high:
        return "not told apart from no effect"
    return "towards the stereotype" if estimate.estimate > 0 else "against the stereotype"
