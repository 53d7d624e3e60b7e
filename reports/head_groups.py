"""The heads of an audit, sorted out for the page: one group per suite × contrast × stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from audit.importance import by_importance
from audit.results import Estimate, HeadFinding
from reports.anchors import head_anchor
from reports.figures.head_map import HeadMapInfo, HeadMeasure, head_map_info
from reports.figures.head_map_svg import head_map_svg
from reports.numbers import defined, number

#: Rows of the second table; the map and its numbers show every head.
MOST_ROWS: Final = 40


LAST = "last word"
_FIGURES = re.compile(r" \(bias [^)]*\)$")


class HeadRow(NamedTuple):
    """One line of a table of heads: a head, read from the word where its label comes from."""

    finding: HeadFinding
    read_from: str
    bias: Estimate
    nie: Estimate
    p_adjusted: float | None

    @property
    def name(self) -> str:
        """Layer and head, as in 15-7."""
        return f"{self.finding.layer}-{self.finding.head}"

    @property
    def why(self) -> str:
        """The reasons that belong to the shown row, without the figures that stand beside them."""
        shown, other = (
            ("next-word row", "pronoun row") if self.read_from == LAST else ("pronoun row", "next-word row")
        )
        both = self.finding.label_pronoun == self.finding.label_next
        kept = (reason for reason in self.finding.reasons if both or not reason.startswith(other))
        return "; ".join(_FIGURES.sub("", reason).removeprefix(f"{shown}: ") for reason in kept)

    @property
    def habit(self) -> str | None:
        """What the head looks at on neutral text, and how clearly; None where that was not surveyed.

        For a mixed head the score is that of the place that comes nearest.
        """
        pattern, score = self.finding.pattern, self.finding.pattern_score
        return None if pattern is None else f"{pattern.replace('_', ' ')} ({number(score, 2)})"


class HeadMap(NamedTuple):
    """A map ready to be shown, with the numbers behind it."""

    info: HeadMapInfo
    svg: Markup
    why_empty: str | None


class Reading(NamedTuple):
    """The two maps of one reading row."""

    title: str
    bias: HeadMap
    nie: HeadMap


class HeadGroup(NamedTuple):
    """The heads of one suite × contrast × stream.

    Args:
        suite, contrast, stream: what the heads were measured on.
        readings: maps from the swapped word and from the last word.
        flagged: heads that carry the bias.
        others: heads that oppose, move or act, at most ``MOST_ROWS``.
        left_out: how many of these the table does not show.
        total: heads whose bias was measured in either row.
        unlisted: anchors of the heads that neither table lists.
    """

    suite: str
    contrast: tuple[str, str]
    stream: str
    readings: tuple[Reading, ...]
    flagged: tuple[HeadRow, ...]
    others: tuple[HeadRow, ...]
    left_out: int
    total: int
    unlisted: frozenset[str]

    @property
    def title(self) -> str:
        """How the group is called on the page."""
        stream = "" if self.stream in ("self", "decoder") else f", {self.stream} attention"
        return f"{self.suite}: {' against '.join(self.contrast)}{stream}"


def head_groups(findings: Iterable[HeadFinding]) -> tuple[HeadGroup, ...]:
    """Group heads by suite × contrast × stream, in the order of the audit; unmeasured groups come last."""
    groups: dict[tuple[str, tuple[str, str], str], list[HeadFinding]] = {}
    for finding in findings:
        groups.setdefault((finding.suite, finding.contrast, finding.stream), []).append(finding)
    found = [_group(*key, heads) for key, heads in groups.items()]
    return tuple(sorted(found, key=lambda group: not group.total))


def _group(suite: str, contrast: tuple[str, str], stream: str, findings: list[HeadFinding]) -> HeadGroup:
    ranked = by_importance(findings)
    flagged = [finding for finding in ranked if finding.flagged]
    others = [f for f in ranked if not f.flagged and f.label not in ("none", "unmeasured")]
    bias, nie = _limit(findings, "bias", "bias_next"), _limit(findings, "nie", "nie_next")
    readings = (
        Reading("From the swapped word", _map(findings, "bias", bias), _map(findings, "nie", nie)),
        Reading("From the last word", _map(findings, "bias_next", bias), _map(findings, "nie_next", nie)),
    )
    return HeadGroup(
        suite,
        contrast,
        stream,
        readings,
        tuple(map(head_row, flagged)),
        tuple(map(head_row, others[:MOST_ROWS])),
        max(0, len(others) - MOST_ROWS),
        sum(defined(f.bias.estimate) or defined(f.bias_next.estimate) for f in findings),
        frozenset(map(head_anchor, findings)) - set(map(head_anchor, [*flagged, *others[:MOST_ROWS]])),
    )


def head_row(finding: HeadFinding) -> HeadRow:
    """Choose the reading row that gives the head its label."""
    if finding.label_next == finding.label != finding.label_pronoun:
        return HeadRow(finding, LAST, finding.bias_next, finding.nie_next, finding.p_adjusted_next)
    both = finding.label_next == finding.label_pronoun == finding.label
    name = "both; swapped word shown" if both else "swapped word"
    return HeadRow(finding, name, finding.bias, finding.nie, finding.p_adjusted)


def _limit(findings: Sequence[HeadFinding], *measures: HeadMeasure) -> float:
    """One colour scale for both reading rows, so that their maps can be compared."""
    scales = [head_map_info(findings, measure).limit for measure in measures if _any(findings, measure)]
    return max(scales, default=1.0)


def _any(findings: Sequence[HeadFinding], measure: HeadMeasure) -> bool:
    return any(defined(getattr(finding, measure).estimate) for finding in findings)


def _map(findings: Sequence[HeadFinding], measure: HeadMeasure, limit: float) -> HeadMap:
    info = head_map_info(findings, measure, limit)
    if info.measured:
        return HeadMap(info, head_map_svg(info), None)
    reasons = [getattr(finding, measure).reason for finding in findings]
    return HeadMap(info, head_map_svg(info), next(filter(None, reasons), "not measured in this run"))
