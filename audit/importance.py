"""Which heads are worth a reader's time, the most serious first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from audit.kept_attention import MOST_HEADS, HeadPlace
from audit.pairs import Pair
from audit.results import HeadFinding, Label

#: Labels, most serious first.
RANK: Final[tuple[Label, ...]] = ("carries", "opposes", "moves", "acts", "none", "unmeasured")


def strength(finding: HeadFinding) -> float:
    """The larger of the two causal effects, or of the biases where none was measured; for ranking only."""
    for pair in ((finding.nie, finding.nie_next), (finding.bias, finding.bias_next)):
        sizes = [abs(e.estimate) for e in pair if e.estimate is not None and not math.isnan(e.estimate)]
        if sizes:
            return max(sizes)
    return 0.0


def by_importance(findings: Iterable[HeadFinding]) -> list[HeadFinding]:
    """Sort heads by label, then by strength."""
    return sorted(findings, key=lambda f: (not f.flagged, RANK.index(f.label), -strength(f), f.layer, f.head))


def telling_heads(findings: Iterable[HeadFinding], pair: Pair) -> tuple[HeadPlace, ...]:
    """The heads whose queries and keys are kept of a pair: those with a label, or the strongest where none has one.

    Args:
        findings: all heads of the audit.
        pair: whose suite and contrast count.
    Returns:
        At most ``MOST_HEADS`` places, most serious first.
    """
    mine = by_importance(f for f in findings if (f.suite, f.contrast) == (pair.suite, pair.contrast))
    named = [finding for finding in mine if finding.label not in ("none", "unmeasured")]
    return tuple((f.stream, f.layer, f.head) for f in (named or mine)[:MOST_HEADS])  # type: ignore[misc]
