"""The charts of the page, each beside the still figures and tables that it draws again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from reports.anchors import head_prefix, slug
from reports.charts import Chart, chart
from reports.figures.group_measures import group_measures_figure, group_measures_info
from reports.figures.power import power_figure, power_info
from reports.figures.projection import ProjectionInfo, projection_figure, projection_infos, projection_svg
from reports.folder import FinishedRun
from reports.head_groups import HeadGroup
from reports.head_views import Explorer, explorer
from reports.output_rows import OutputGroup
from reports.power_rows import PowerRow


class Projection(NamedTuple):
    """One projection of words: its content, its chart, its still picture."""

    info: ProjectionInfo
    chart: Chart
    svg: Markup


class ChartViews(NamedTuple):
    """All charts.

    Args:
        heads: anchor prefix of a group of heads → its charts.
        groups: title of an output group → the means of its groups.
        projections: suite → its projections of words.
        power: smallest visible effects against thresholds; None where no threshold is above 0.
    """

    heads: dict[str, Explorer]
    groups: dict[str, Chart]
    projections: dict[str, tuple[Projection, ...]]
    power: Chart | None

    @property
    def drawn(self) -> bool:
        """Whether anything is drawn by script."""
        maps = any(each.map or each.scatter for each in self.heads.values())
        return bool(maps or self.groups or self.projections or self.power)


def chart_views(
    run: FinishedRun,
    groups: Sequence[HeadGroup],
    outputs: Sequence[OutputGroup],
    power: Sequence[PowerRow],
) -> ChartViews:
    """Make the charts of the page.

    Args:
        run: the run folder.
        groups, outputs, power: what the page tells of heads, outputs and power.
    """
    bars = power_info(power)
    return ChartViews(
        _heads(run, groups),
        {group.title: made for group in outputs for made in [_groups(group)] if made},
        _projections(run),
        chart("power-chart", bars.label, {"power": power_figure(bars)}) if bars.bars else None,
    )


def _heads(run: FinishedRun, groups: Sequence[HeadGroup]) -> dict[str, Explorer]:
    found = {}
    for group in groups:
        key = (group.suite, group.contrast, group.stream)
        own = [
            finding for finding in run.audit.heads if (finding.suite, finding.contrast, finding.stream) == key
        ]
        if group.total:
            found[head_prefix(*key)] = explorer(own)
    return found


def _groups(group: OutputGroup) -> Chart | None:
    info = group_measures_info(group)
    if not info.panels:
        return None
    return chart(f"groups-{slug(group.title)}", info.label, {"groups": group_measures_figure(info)})


def _projections(run: FinishedRun) -> dict[str, tuple[Projection, ...]]:
    found: dict[str, tuple[Projection, ...]] = {}
    for info in projection_infos(run.embeddings()):
        name = f"projection-{slug('-'.join((info.suite, info.subject, info.layer)))}"
        made = chart(name, info.label, {"projection": projection_figure(info)})
        found[info.suite] = (*found.get(info.suite, ()), Projection(info, made, projection_svg(info)))
    return found
