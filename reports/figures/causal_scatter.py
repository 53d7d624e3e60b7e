"""Which heads move and matter, and which only move: causal effect against divergence over the controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from audit.results import HeadFinding, Label
from reports.anchors import head_anchor
from reports.figures.head_map import estimate_of
from reports.figures.plain import plain_layout
from reports.figures.svg import ARM_A, ARM_B, INK, MUTED
from reports.numbers import defined, number

if TYPE_CHECKING:
    import plotly.graph_objects as go

X: Final = "divergence over controls, bits"
Y: Final = "causal effect (NIE), nats"
#: Label → colour and Plotly's symbol; shapes tell them apart without colour.
MARKS: Final[dict[Label, tuple[str, str]]] = {
    "carries": (ARM_A, "circle"),
    "opposes": (ARM_B, "diamond"),
    "moves": (INK, "square-open"),
    "acts": (INK, "triangle-up"),
    "none": (MUTED, "circle-open"),
    "unmeasured": (MUTED, "x-thin-open"),
}


class ScatterPoint(NamedTuple):
    """One head with both numbers; ``title`` tells them in a sentence."""

    name: str
    label: Label
    x: float
    y: float
    title: str
    anchor: str


class ScatterInfo(NamedTuple):
    """What the scatter shows.

    Args:
        points: heads whose divergence, that of the controls, and causal effect are known.
        heads: how many heads there are; the rest lacks one of these numbers.
    """

    points: tuple[ScatterPoint, ...]
    heads: int

    @property
    def label(self) -> str:
        """One sentence for readers who cannot see the picture."""
        return f"Causal effect against divergence over the controls, of {len(self.points)} of {self.heads} heads."

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels that a point has, the most serious first."""
        return tuple(label for label in MARKS if any(point.label == label for point in self.points))


def causal_scatter_info(findings: Sequence[HeadFinding]) -> ScatterInfo:
    """Collect both numbers of the heads of one suite × contrast × stream.

    The effect is that of the swapped word's row, or of the last word's where only that was computed.

    Args:
        findings: the heads.
    """
    return ScatterInfo(
        tuple(point for finding in findings for point in [_point(finding)] if point), len(findings)
    )


def causal_scatter_figure(info: ScatterInfo) -> go.Figure:
    """Draw the scatter with plotly; a trace for each label.

    Args:
        info: its content.
    """
    import plotly.graph_objects as go

    traces = [_trace(info, label) for label in info.labels]
    return go.Figure(
        [go.Scatter(**trace) for trace in traces],
        plain_layout(X, Y, 380, hovermode="closest"),
    )


def _trace(info: ScatterInfo, label: Label) -> dict[str, object]:
    own = [point for point in info.points if point.label == label]
    colour, symbol = MARKS[label]
    named = label in ("carries", "opposes")
    return {
        "name": label,
        "mode": "markers+text" if named else "markers",
        "x": [point.x for point in own],
        "y": [point.y for point in own],
        "text": [point.name for point in own],
        "textposition": "top center",
        "hovertext": [point.title for point in own],
        "hoverinfo": "text",
        "customdata": [point.anchor for point in own],
        "marker": {"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1.2, "color": colour}},
    }


def _point(finding: HeadFinding) -> ScatterPoint | None:
    x = estimate_of(finding, "divergence").estimate
    effects = (finding.nie.estimate, finding.nie_next.estimate)
    y = next((effect for effect in effects if defined(effect)), None)
    if not defined(x) or y is None:
        return None
    name = f"{finding.layer}-{finding.head}"
    title = f"{name} ({finding.label}): divergence {number(x, signed=True)}, effect {number(y, signed=True)}"
    return ScatterPoint(name, finding.label, x, y, title, head_anchor(finding))
