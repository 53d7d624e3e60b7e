"""The head map that can be switched, and what its views are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from audit.results import HeadFinding
from reports.anchors import head_prefix
from reports.charts import Chart, chart
from reports.figures.causal_scatter import ScatterInfo, causal_scatter_figure, causal_scatter_info
from reports.figures.causal_scatter_svg import causal_scatter_svg
from reports.figures.head_map import HeadMapInfo, HeadMeasure, head_map_figure, head_map_info
from reports.figures.head_map_svg import scale_svg
from reports.figures.pattern_map import (
    COLOURS,
    PatternMapInfo,
    named,
    pattern_map_figure,
    pattern_map_info,
    swatch,
)

VIEWS: Final[dict[HeadMeasure, str]] = {
    "bias": "Signed bias, from the swapped word",
    "bias_next": "Signed bias, from the last word",
    "nie": "Causal effect (NIE), from the swapped word",
    "nie_next": "Causal effect (NIE), from the last word",
    "divergence": "Divergence over that of the controls",
}
PATTERN: Final = "pattern"


class View(NamedTuple):
    """One thing that the map can show; the legend tells its colours."""

    key: str
    name: str
    legend: Markup


class Explorer(NamedTuple):
    """What the page draws of the heads of one suite × contrast × stream, beside its still maps.

    Args:
        map: the switchable map; None where no head has a value.
        views: what it can show.
        patterns: habits, for the table behind the map.
        scatter: causal effect against divergence; None where no head has both.
        scatter_info, scatter_svg: its content and its still picture.
    """

    map: Chart | None
    views: tuple[View, ...]
    patterns: PatternMapInfo
    scatter: Chart | None
    scatter_info: ScatterInfo
    scatter_svg: Markup


def explorer(findings: Sequence[HeadFinding]) -> Explorer:
    """Prepare the charts of one group of heads.

    Args:
        findings: the heads of one suite × contrast × stream; at least one.
    """
    first = findings[0]
    prefix = head_prefix(first.suite, first.contrast, first.stream)
    maps = {key: head_map_info(findings, key) for key in VIEWS}
    shown = {key: info for key, info in maps.items() if info.measured}
    patterns = pattern_map_info(findings)
    figures = {str(key): head_map_figure(info) for key, info in shown.items()}
    views = [View(key, VIEWS[key], _scale(info)) for key, info in shown.items()]
    if patterns.cells:
        figures[PATTERN] = pattern_map_figure(patterns)
        views.append(View(PATTERN, "Habit on neutral text", _habits(patterns)))
    scatter = causal_scatter_info(findings)
    label = f"Map of {first.suite}, {' against '.join(first.contrast)}: arrow keys choose a head, Enter opens its page"
    return Explorer(
        chart(f"map-{prefix}chart", label, figures) if figures else None,
        tuple(views),
        patterns,
        chart(f"scatter-{prefix}chart", scatter.label, {"scatter": causal_scatter_figure(scatter)})
        if scatter.points
        else None,
        scatter,
        causal_scatter_svg(scatter),
    )


def _scale(info: HeadMapInfo) -> Markup:
    return scale_svg(info.limit)


def _habits(info: PatternMapInfo) -> Markup:
    return Markup(" ").join(
        Markup('<span class="habit">{}{}</span>').format(swatch(COLOURS[name]), escape(named(name)))
        for name, _ in info.groups
    )
