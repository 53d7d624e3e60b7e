"""What each group's texts get: the means of groups beside each other, a panel for each measure."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.figures.plain import plain_layout
from reports.figures.svg import ARM_A, ARM_B, MUTED
from reports.numbers import defined
from reports.output_rows import OutputGroup
from reports.wording import interval, quantity

if TYPE_CHECKING:
    import plotly.graph_objects as go


class GroupMean(NamedTuple):
    """One group's mean with its interval; ``low`` and ``high`` are None where it has none."""

    group: str
    estimate: float
    low: float | None
    high: float | None
    title: str


class Panel(NamedTuple):
    """One measure."""

    name: str
    unit: str
    means: tuple[GroupMean, ...]


class GroupMeasuresInfo(NamedTuple):
    """What the chart shows: measures that are told by group, of the pairs under test."""

    title: str
    panels: tuple[Panel, ...]

    @property
    def label(self) -> str:
        """One sentence for readers who cannot see the picture."""
        return f"Means by group of {self.title}: {', '.join(panel.name for panel in self.panels)}."


def group_measures_info(group: OutputGroup) -> GroupMeasuresInfo:
    """Collect the means of groups from the output rows of one suite × contrast."""
    panels = []
    for measure in group.measures:
        means = tuple(
            GroupMean(
                found.group,
                found.estimate,
                found.ci_low,
                found.ci_high,
                f"{found.group}: {quantity(measure.key, found.estimate)} ({interval(measure.key, found)})",
            )
            for found in (row.finding for row in measure.rows)
            if found.group and found.control is None and defined(found.estimate)
        )
        if means:
            panels.append(Panel(measure.measure.name, measure.measure.unit, means))
    return GroupMeasuresInfo(group.title, tuple(panels))


def group_measures_figure(info: GroupMeasuresInfo) -> go.Figure:
    """Draw the panels with plotly, one beneath the other, each with its own scale.

    Args:
        info: their content.
    """
    import plotly.graph_objects as go

    count = len(info.panels)
    rows = sum(len(panel.means) for panel in info.panels)
    layout = plain_layout("", "", 76 * count + 36 * rows, showlegend=False, hovermode="closest")
    layout["margin"] = {"l": 48, "r": 12, "t": 8, "b": 8}
    shared_x, shared_y = layout.pop("xaxis"), layout.pop("yaxis")
    traces = []
    for at, panel in enumerate(info.panels):
        number = "" if at == 0 else str(at + 1)
        top = 1 - at / count
        layout[f"xaxis{number}"] = {**shared_x, "anchor": f"y{number}", "title": {"text": ""}}
        layout[f"yaxis{number}"] = {
            **shared_y,
            "anchor": f"x{number}",
            "domain": [top - 0.78 / count, top - 0.34 / count],
            "showgrid": False,
            "autorange": "reversed",
            "title": {"text": ""},
        }
        unit = f", {panel.unit}" if panel.unit in ("nats", "words") else ""
        layout.setdefault("annotations", []).append(_heading(f"{panel.name}{unit}", top))
        traces.append(go.Scatter(**_trace(panel, number)))
    return go.Figure(traces, layout)


def _heading(text: str, top: float) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": top, "xanchor": "left", "yanchor": "top"}
    return {
        **place,
        "text": "<br>".join(wrap(text, 36)),
        "showarrow": False,
        "align": "left",
        "font": {"size": 13},
    }


def _trace(panel: Panel, number: str) -> dict[str, Any]:
    colours = [(ARM_A, ARM_B, MUTED)[min(at, 2)] for at in range(len(panel.means))]
    above = [m.high - m.estimate if m.high is not None else 0.0 for m in panel.means]
    below = [m.estimate - m.low if m.low is not None else 0.0 for m in panel.means]
    return {
        "x": [mean.estimate for mean in panel.means],
        "y": [mean.group for mean in panel.means],
        "mode": "markers",
        "marker": {"size": 10, "color": colours},
        "error_x": {"type": "data", "array": above, "arrayminus": below, "color": MUTED, "thickness": 1.5},
        "hovertext": [mean.title for mean in panel.means],
        "hoverinfo": "text",
        "xaxis": f"x{number}",
        "yaxis": f"y{number}",
    }
