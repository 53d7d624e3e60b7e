"""What an audit did not measure, told beside its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audit.results import Audit
from reports.numbers import defined

#: Probes that a run of the usual kind has, and what is unknown without each.
_USUAL: Final = {
    "attention": "Attention: no head was read.",
    "causal": "Causal effects: no head could be flagged or cleared.",
    "likelihood": "Likelihoods: the effect on the answer is unknown.",
    "generation": "Continuations: what the model writes was not compared.",
}


def unmeasured(audit: Audit, missing: Sequence[str]) -> tuple[str, ...]:
    """Tell in sentences what nobody may take for measured.

    Args:
        audit: the result.
        missing: files that the run folder lacks.
    Returns:
        One sentence each; none where all that was planned was measured.
    """
    coverage, told = audit.coverage, []
    for count, what in ((coverage.failed, "failed"), (coverage.skipped, "were skipped")):
        if count:
            told.append(f"{count:,} of {coverage.planned:,} pairs {what}.")
    probes = audit.config.get("probes")
    if probes:
        told += [sentence for probe, sentence in _USUAL.items() if probe not in probes]
    heads = len(audit.heads)
    without = sum(not defined(h.nie.estimate) and not defined(h.nie_next.estimate) for h in audit.heads)
    if without and not (probes and "causal" not in probes):
        told.append(
            f"The causal effect of {without:,} of {heads:,} heads: those that could not be flagged anyway."
        )
    if heads and all(head.pattern is None for head in audit.heads):
        told.append("Habits of heads on neutral text.")
    if coverage.undefined:
        told.append("Some values of measured pairs: their reasons stand under coverage.")
    if not audit.gate.checks:
        told.append("Nothing was held against a limit.")
    return (*told, *(f"What {name} would hold: the file is missing." for name in missing))
