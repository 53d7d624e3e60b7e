"""Layer × head map of one measure: where in the model the difference between two arms sits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from audit.results import Estimate, HeadFinding, Label
from reports.anchors import head_anchor
from reports.figures.plain import plain_layout
from reports.figures.svg import DIVERGING, INK, STEPS
from reports.numbers import has_interval, level, number, p_value

if TYPE_CHECKING:
    import plotly.graph_objects as go

HeadMeasure = Literal["bias", "nie", "bias_next", "nie_next", "divergence"]

NAMES: Final[dict[HeadMeasure, str]] = {
    "bias": "Signed bias",
    "nie": "Causal effect (NIE, nats)",
    "bias_next": "Signed bias",
    "nie_next": "Causal effect (NIE, nats)",
    "divergence": "Divergence over that of the controls (bits)",
}


class Cell(NamedTuple):
    """One head of the map, read from one word.

    ``value`` is None where it was not measured, and ``title`` says why; ``label`` and ``flagged`` are
    those of this reading row, ``anchor`` leads to the head's page.
    """

    layer: int
    head: int
    value: float | None
    label: Label
    flagged: bool
    title: str
    anchor: str


class HeadMapInfo(NamedTuple):
    """What the map shows.

    Args:
        measure: which estimate.
        layers, heads: size of the map.
        cells: the heads that the audit lists; heads it does not list stay hatched.
        limit: value at the ends of the colour scale, symmetric about 0; > 0.
    """

    measure: HeadMeasure
    layers: int
    heads: int
    cells: tuple[Cell, ...]
    limit: float

    @property
    def measured(self) -> int:
        """Number of heads with a value."""
        return sum(cell.value is not None for cell in self.cells)

    @property
    def label(self) -> str:
        """One sentence for readers who cannot see the picture."""
        flagged = [f"{cell.layer}-{cell.head}" for cell in self.cells if cell.flagged]
        return (
            f"{NAMES[self.measure]} of {self.layers} layers × {self.heads} heads; "
            f"{self.measured} of {self.layers * self.heads} measured; "
            f"flagged: {', '.join(flagged) or 'none'}."
        )

    def grid(self) -> list[list[Cell | None]]:
        """Cells as ``[layers][heads]``; None for a head that the audit does not list."""
        rows: list[list[Cell | None]] = [[None] * self.heads for _ in range(self.layers)]
        for cell in self.cells:
            rows[cell.layer][cell.head] = cell
        return rows


def head_map_info(
    findings: Sequence[HeadFinding], measure: HeadMeasure, limit: float | None = None
) -> HeadMapInfo:
    """Collect one measure of the heads of one suite × contrast × stream.

    Args:
        findings: the heads; at most one entry per layer × head.
        measure: which estimate to show.
        limit: end of the colour scale; by default the largest absolute value, rounded up.
    Returns:
        The map's content.
    """
    cells = tuple(_cell(finding, measure) for finding in findings)
    layers = 1 + max((finding.layer for finding in findings), default=-1)
    heads = 1 + max((finding.head for finding in findings), default=-1)
    values = [abs(cell.value) for cell in cells if cell.value is not None]
    return HeadMapInfo(measure, layers, heads, cells, limit or round_up(max(values, default=0.0)))


def round_up(value: float) -> float:
    """Round a scale's end up to 1, 1.5, 2, 3, 4, 5, 6, 8 or 10 times a power of ten; 1 for 0.

    >>> round_up(0.333), round_up(0.0), round_up(0.12)
    (0.4, 1.0, 0.15)
    """
    if not value > 0 or math.isinf(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    # The slack absorbs the rounding error of a value that is itself a round number.
    return float(f"{next(s for s in steps if s * power >= value * (1 - 1e-9)) * power:.12g}")


def head_map_figure(info: HeadMapInfo) -> go.Figure:
    """Draw the map with plotly, for notebooks and trackers; flagged heads are outlined.

    Args:
        info: the map's content.
    Returns:
        A heat map; unmeasured heads are gaps.
    """
    import plotly.graph_objects as go

    grid = info.grid()
    figure = go.Figure(
        go.Heatmap(
            z=[[cell.value if cell else None for cell in row] for row in grid],
            text=[[cell.title if cell else "not measured" for cell in row] for row in grid],
            customdata=[[cell.anchor if cell else None for cell in row] for row in grid],
            hovertemplate="%{text}<extra></extra>",
            colorscale=[[i / (2 * STEPS), colour] for i, colour in enumerate(DIVERGING)],
            zmin=-info.limit,
            zmax=info.limit,
            xgap=1,
            ygap=1,
            showscale=False,
        ),
        map_layout(info.layers),
    )
    for cell in info.cells:
        if cell.flagged:
            box = {
                "x0": cell.head - 0.5,
                "x1": cell.head + 0.5,
                "y0": cell.layer - 0.5,
                "y1": cell.layer + 0.5,
            }
            figure.add_shape(type="rect", line={"color": INK, "width": 2}, **box)
    return figure


def map_layout(layers: int) -> dict[str, Any]:
    """The layout of a layer × head map: whole numbers, first layer on top, no grid."""
    bare = {"showgrid": False, "zeroline": False, "tickformat": "d"}
    return plain_layout(
        "head", "layer", max(240, 110 + 13 * layers), xaxis=bare, yaxis={**bare, "autorange": "reversed"}
    )


def estimate_of(finding: HeadFinding, measure: HeadMeasure) -> Estimate:
    """The estimate that a map shows of a head; divergence is what the controls' own leaves over, untested."""
    if measure != "divergence":
        estimate: Estimate = getattr(finding, measure)
        return estimate
    own, control = finding.jsd, finding.jsd_control
    if own.estimate is None or control.estimate is None:
        return Estimate(reason=own.reason or control.reason or "the suite has no measured control pairs")
    return Estimate(estimate=own.estimate - control.estimate, n=own.n)


def _cell(finding: HeadFinding, measure: HeadMeasure) -> Cell:
    estimate = estimate_of(finding, measure)
    label = finding.label_next if measure.endswith("_next") else finding.label_pronoun
    value = estimate.estimate
    if value is not None and math.isnan(value):
        value = None
    place = f"Layer {finding.layer}, head {finding.head}"
    if value is None:
        text = f"not measured: {estimate.reason or 'no reason given'}"
    else:
        text = number(value, signed=True)
        if has_interval(estimate):
            text += f" [{number(estimate.ci_low)}, {number(estimate.ci_high)}]"
            text += f" at {level(estimate)}" if level(estimate) else ""
        text += f", p {p_value(estimate.p)}" if estimate.p is not None else ""
        text += f", n {estimate.n}"
    title = f"{place} ({label}): {text}"
    flagged = finding.flagged and label == "carries"
    return Cell(finding.layer, finding.head, value, label, flagged, title, head_anchor(finding))
