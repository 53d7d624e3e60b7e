"""The rules that SARIF results refer to: what each kind of issue means and what to do about it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from audit.results import Verdict
from audit.results.visible import in_line
from reports.check_words import WHOLE_RUN
from reports.issues import CHECK, FLAGGED_HEAD, LEVELS, STRONG_PAIR
from reports.wording import ADVICE, LABELS, LEADS, measure_of


class RuleWords(NamedTuple):
    """A rule for people: its name without spaces, a line, a paragraph, and what to do."""

    name: str
    short: str
    full: str
    advice: str


_FIXED: Final = {
    WHOLE_RUN: RuleWords(
        "WholeRun",
        "The run as a whole is no pass",
        "Pairs failed or were left out, or no limit was set. An incomplete run never passes.",
        "See in report.html under “What was measured” which pairs are missing and why, mend that, and measure again.",
    ),
    FLAGGED_HEAD: RuleWords(
        "FlaggedHead",
        "An attention head carries the bias",
        f"When only the protected attribute changes: {LABELS['carries']}. Both are certain after the correction over "
        "all heads, rows and contrasts that could be flagged.",
        "See in report.html what the head looks at in single pairs, and how the other heads behave.",
    ),
    STRONG_PAIR: RuleWords(
        "StrongPair",
        "A pair of texts that shows the difference",
        "Two texts alike but for the protected attribute, and what changes between them. It is an example, not the "
        "whole: the checks rest on all pairs.",
        "Open the pair in report.html to see attention, preferences and continuations side by side.",
    ),
}


def rule(name: str) -> dict[str, Any]:
    """A SARIF ``reportingDescriptor``.

    Args:
        name: the rule of an issue.
    Returns:
        With short and full description, and help as text and as Markdown.
    """
    words = _FIXED.get(name) or _of_measure(name.removeprefix(CHECK))
    level = "note" if name == STRONG_PAIR else "error"
    return {
        "id": name,
        "name": words.name,
        "shortDescription": {"text": words.short},
        "fullDescription": {"text": words.full},
        "help": {
            "text": f"{words.full}\n\n{words.advice}",
            "markdown": f"{words.full}\n\n**What to do.** {words.advice}",
        },
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["fairness", "bias"], "precision": "high"},
    }


def _of_measure(measure: str) -> RuleWords:
    words = measure_of(measure)
    camel = "".join(part.capitalize() for part in measure.split("_") if part.isalnum())
    verdicts = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WAIVED)
    told = " ".join(
        f"{verdict} ({LEVELS[verdict]}): {LEADS[verdict]} {ADVICE[verdict]}" for verdict in verdicts
    )
    return RuleWords(
        f"Check{camel}",
        in_line(f"Limit on: {words.name}"),
        in_line(f"{words.sense} The limit was written down by somebody, for a reason.".strip()),
        told,
    )
