"""What all Plotly figures of the report share: a quiet layout, and plain data for the page's script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from reports.figures.svg import ARM_A, ARM_B, CARD, DIVERGING, INK, LINE, MUTED, STEPS, step_class

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Colour of the light theme → name of the style sheet's colour that stands for it in either theme.
PALETTE: Final[dict[str, str]] = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--axis",
    CARD: "--card",
    ARM_A: "--arm-a",
    ARM_B: "--arm-b",
    **{colour: f"--{step_class(at - STEPS)}" for at, colour in enumerate(DIVERGING)},
}
_FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'


def plain_layout(x: str, y: str, height: int, **more: Any) -> dict[str, Any]:
    """A layout without a template: names of the axes, a height, and colours that the page can replace.

    Args:
        x, y: names of the axes.
        height: in pixels; the width is that of the column.
        more: what differs; ``xaxis`` and ``yaxis`` are joined with the shared ones.
    """
    axis = {
        "gridcolor": LINE,
        "zerolinecolor": MUTED,
        "linecolor": LINE,
        "tickcolor": LINE,
        "automargin": True,
    }
    return {
        "template": {},
        "height": height,
        "margin": {"l": 48, "r": 12, "t": 12, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 12, "color": INK},
        "hoverlabel": {"font": {"family": _FONT, "size": 13}},
        "dragmode": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        **more,
        "xaxis": {**axis, "title": {"text": x}, **more.get("xaxis", {})},
        "yaxis": {**axis, "title": {"text": y}, **more.get("yaxis", {})},
    }


def plain(figure: go.Figure) -> dict[str, Any]:
    """A figure as plain data."""
    data: dict[str, Any] = json.loads(figure.to_json())
    data["layout"].pop("template", None)
    escaped: dict[str, Any] = _escaped(data)
    return escaped


def _escaped(value: Any) -> Any:
    """Plotly reads a few tags and entities in texts; those that a suite or a model wrote must stay letters."""
    if isinstance(value, str):
        text = value.replace("&", "&amp;").replace("<", "&lt;")
        return text.replace("&lt;br>", "<br>").replace("&lt;extra>&lt;/extra>", "<extra></extra>")
    if isinstance(value, list):
        return [_escaped(part) for part in value]
    return {key: _escaped(part) for key, part in value.items()} if isinstance(value, dict) else value
