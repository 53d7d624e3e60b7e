"""The results by suite, axis, contrast and group, as every format for other tools lists them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from audit.results import Audit, Finding
from audit.results.visible import visible
from reports.numbers import sample_size
from reports.wording import Measure, block_of


class Slice(NamedTuple):
    """One estimate, whose it is, and how its measure is called."""

    finding: Finding
    measure: Measure

    @property
    def over(self) -> str:
        """Over which pairs: contrast, group and control, such as ``she against he, control same-group``."""
        found = self.finding
        parts = [
            *([found.subject] if found.subject else []),
            " against ".join(found.contrast) if found.contrast else "all texts",
            *([f"{found.attributes[0]} and {found.attributes[1]}"] if found.attributes else []),
            *([f"group {found.group}"] if found.group else []),
            *([f"control {found.control}"] if found.control else []),
            *([f"layer {found.layer}"] if found.layer else []),
        ]
        return visible(", ".join(parts))

    @property
    def sample(self) -> str:
        """What stands behind the estimate: pairs with their templates and items; words where it is of embeddings."""
        return f"{self.finding.n:,} words" if self.finding.subject else sample_size(self.finding)

    @property
    def name(self) -> str:
        """The same with suite and axis before it."""
        return visible(f"{self.finding.suite}, axis {self.finding.axis}, ") + self.over


class Flagged(NamedTuple):
    """How many heads carry the bias, of how many whose bias was measured."""

    suite: str
    contrast: tuple[str, str]
    flagged: int
    measured: int

    @property
    def told(self) -> str:
        """The same in words; where no head was measured nobody knows how many would be flagged."""
        if not self.measured:
            return "no head's bias was measured"
        return f"{self.flagged} of {self.measured} measured heads carry the bias"


def slices(findings: Iterable[Finding]) -> tuple[Slice, ...]:
    """All estimates but those of single layers, what is under test before the controls."""
    kept = [finding for finding in findings if "_layer:" not in finding.measure]
    ordered = sorted(kept, key=lambda found: found.control is not None)
    return tuple(Slice(found, block_of(found.measure, by_group=found.group is not None)) for found in ordered)


def flagged_heads(audit: Audit) -> tuple[Flagged, ...]:
    """Count heads by suite × contrast, over all streams."""
    counts: dict[tuple[str, tuple[str, str]], list[int]] = {}
    for head in audit.heads:
        found = counts.setdefault((head.suite, head.contrast), [0, 0])
        measured = head.bias.estimate is not None or head.bias_next.estimate is not None
        found[0] += head.flagged
        found[1] += measured
    return tuple(Flagged(*place, *found) for place, found in counts.items())
