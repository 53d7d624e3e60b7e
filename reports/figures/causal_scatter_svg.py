"""The scatter of causal effect against divergence as a still picture."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from audit.results import Label
from reports.figures.axes import Axes, around, frame
from reports.figures.causal_scatter import MARKS, ScatterInfo, ScatterPoint, X, Y
from reports.figures.svg import ARM_A, ARM_B, INK, MUTED, element, picture

SIZE: Final = (560, 360)
_CLASSES: Final = {ARM_A: "arm-a", ARM_B: "arm-b", INK: "ink", MUTED: "muted"}


def causal_scatter_svg(info: ScatterInfo) -> Markup:
    """Draw the scatter: filled marks for heads with a label, rings for the others; carriers are named.

    Args:
        info: its content.
    Returns:
        A standalone SVG; empty without points.
    """
    if not info.points:
        return Markup("")
    axes = Axes(*SIZE, around(p.x for p in info.points), around(p.y for p in info.points))
    ordered = sorted(info.points, key=lambda point: -list(MARKS).index(point.label))
    marks = [_mark(axes, point) for point in ordered]
    names = [_name(axes, point) for point in ordered if point.label in ("carries", "opposes")]
    return picture(*SIZE, info.label, *frame(axes, X, Y), *marks, *names, class_="scatter")


def _mark(axes: Axes, point: ScatterPoint) -> Markup:
    x, y = axes.at(point.x, point.y)
    colour = MARKS[point.label][0]
    title = element("title", point.title)
    if _filled(point.label):
        return element("circle", title, cx=x, cy=y, r=5, fill=colour, class_=_CLASSES[colour])
    ring = "outline" if colour == INK else "ring"
    return element(
        "circle", title, cx=x, cy=y, r=4, fill="none", stroke=colour, stroke_width=1.3, class_=ring
    )


def _filled(label: Label) -> bool:
    return label in ("carries", "opposes", "acts")


def _name(axes: Axes, point: ScatterPoint) -> Markup:
    x, y = axes.at(point.x, point.y)
    style = {"font_size": 11, "font_weight": 600, "fill": INK, "class_": "ink"}
    return element("text", point.name, x=x, y=y - 9, text_anchor="middle", **style)
