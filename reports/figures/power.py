"""Smallest visible effects as multiples of the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from reports.figures.plain import plain_layout
from reports.figures.svg import ARM_A, ARM_B, CARD, INK
from reports.numbers import number
from reports.power_rows import PowerRow

if TYPE_CHECKING:
    import plotly.graph_objects as go


class PowerBar(NamedTuple):
    """One question: how many times the threshold the smallest visible effect is."""

    name: str
    ratio: float
    title: str


class PowerInfo(NamedTuple):
    """What the chart shows: the questions whose threshold is above 0."""

    bars: tuple[PowerBar, ...]

    @property
    def label(self) -> str:
        """One sentence for readers who cannot see the picture."""
        seen = sum(bar.ratio <= 1 for bar in self.bars)
        return f"{seen} of {len(self.bars)} questions could be answered at the size of their limit."


def power_info(rows: Sequence[PowerRow]) -> PowerInfo:
    """Collect the rows that have a ratio.

    Args:
        rows: all of them.
    """
    return PowerInfo(
        tuple(
            PowerBar(
                f"{row.name}<br>{row.where}",
                row.ratio,
                f"{row.name}, {row.where}: smallest visible effect {number(row.mde)}, limit {number(row.threshold)}",
            )
            for row in rows
            if row.ratio is not None
        )
    )


def power_figure(info: PowerInfo) -> go.Figure:
    """Draw the bars with plotly: blue where the design suffices, orange where it does not.

    Args:
        info: their content.
    """
    import plotly.graph_objects as go

    places = list(range(len(info.bars)))
    bar = go.Bar(
        x=[bar.ratio for bar in info.bars],
        y=places,
        orientation="h",
        marker={"color": [ARM_B if bar.ratio <= 1 else ARM_A for bar in info.bars]},
        hovertext=[bar.title for bar in info.bars],
        hoverinfo="text",
        width=0.3,
    )
    rows = {"showticklabels": False, "showgrid": False, "zeroline": False}
    layout = plain_layout(
        "smallest visible effect ÷ limit",
        "",
        70 + 84 * len(places),
        margin={"l": 8, "r": 16, "t": 8, "b": 44},
        xaxis={"rangemode": "tozero"},
        yaxis={**rows, "range": [len(places) - 0.7, -0.95]},
    )
    figure = go.Figure(bar, layout)
    # Names stand above their bars: beside them, they would leave none of a narrow page to the bars.
    for place, each in zip(places, info.bars, strict=True):
        beside = {"xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False}
        figure.add_annotation(x=0, y=place - 0.18, text=each.name, bgcolor=CARD, **beside)
    figure.add_vline(x=1, line={"color": INK, "width": 1.5, "dash": "dash"})
    return figure
