"""Effects on what the model says, treatment and controls beside each other on one axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from audit.results import Finding
from reports.figures.interval import axis_of, interval_info, interval_svg
from reports.wording import Measure, block_of, group_mean_of


class OutputRow(NamedTuple):
    """One estimate; ``name`` says for which pairs, ``svg`` draws it on the measure's common axis."""

    name: str
    finding: Finding
    svg: Markup


class MeasureRows(NamedTuple):
    """All estimates of one measure under one contrast; means of groups stand in a block of their own."""

    key: str
    measure: Measure
    rows: tuple[OutputRow, ...]


class OutputGroup(NamedTuple):
    """All output measures of one suite × contrast."""

    suite: str
    contrast: tuple[str, str] | None
    measures: tuple[MeasureRows, ...]

    @property
    def title(self) -> str:
        """How the group is called on the page."""
        return f"{self.suite}: {' against '.join(self.contrast or ('all texts',))}"


def output_groups(findings: Iterable[Finding]) -> tuple[OutputGroup, ...]:
    """Group findings by suite × contrast and, within, by measure; the treatment comes first.

    A control with a contrast of its own (a neutral swap such as weekdays) is shown with every contrast of its
    suite, for that is what it is compared with.
    """
    # Effects of single layers are for tables, not for reading one by one.
    findings = [finding for finding in findings if "_layer:" not in finding.measure]
    contrasts = dict.fromkeys((f.suite, f.contrast) for f in findings if f.control is None)
    groups = []
    for suite, contrast in contrasts or dict.fromkeys((f.suite, f.contrast) for f in findings):
        mine = [
            finding
            for finding in findings
            if finding.suite == suite
            and (
                finding.contrast == contrast
                or (finding.control and (suite, finding.contrast) not in contrasts)
            )
        ]
        blocks = dict.fromkeys(map(_block, mine))
        measures = tuple(_measure(*block, [f for f in mine if _block(f) == block]) for block in blocks)
        groups.append(OutputGroup(suite, contrast, measures))
    return tuple(groups)


def _block(finding: Finding) -> tuple[str, bool]:
    """Which block a finding belongs to: its measure, and whether it is a group's mean beside differences."""
    return finding.measure, finding.group is not None and group_mean_of(finding.measure) is not None


def _measure(name: str, by_group: bool, findings: Sequence[Finding]) -> MeasureRows:
    ordered = sorted(findings, key=lambda finding: (finding.control or "", finding.group or ""))
    measure = block_of(name, by_group=by_group)
    always = [0.0, 1.0] if measure.unit == "share" else [] if measure.neutral is None else [0.0]
    axis = axis_of(ordered, also=always)
    rows = tuple(
        OutputRow(
            _name(finding),
            finding,
            interval_svg(interval_info(finding, axis, neutral=measure.neutral), 200),
        )
        for finding in ordered
    )
    return MeasureRows(name, measure, rows)


def _name(finding: Finding) -> str:
    swap = f" ({' against '.join(finding.contrast or ())})" if finding.control else ""
    group = f", {finding.group}" if finding.group else ""
    return (f"Control: {finding.control}" if finding.control else "Pairs under test") + swap + group
