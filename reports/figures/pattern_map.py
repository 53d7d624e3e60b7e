"""Layer × head map of what heads look at by habit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

from audit.patterns import MIXED, PATTERNS
from audit.results import HeadFinding
from reports.anchors import head_anchor
from reports.figures.head_map import map_layout
from reports.figures.svg import element
from reports.numbers import number

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: One colour a habit, told apart on light and dark ground and by most colour-blind readers (Okabe & Ito 2008).
COLOURS: Final[dict[str, str]] = dict(
    zip(
        (*PATTERNS, MIXED),
        ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#9aa0a6"),
        strict=True,
    )
)


class PatternCell(NamedTuple):
    """One head: its habit, and the sentence that tells it."""

    layer: int
    head: int
    pattern: str
    title: str
    anchor: str


class PatternMapInfo(NamedTuple):
    """What the map shows; heads without a habit are gaps.

    Args:
        layers, heads: size of the map.
        cells: the heads whose habit is known.
    """

    layers: int
    heads: int
    cells: tuple[PatternCell, ...]

    @property
    def groups(self) -> tuple[tuple[str, tuple[PatternCell, ...]], ...]:
        """Habit → its heads; habits that no head has are left out."""
        sorted_out = ((name, tuple(c for c in self.cells if c.pattern == name)) for name in COLOURS)
        return tuple((name, cells) for name, cells in sorted_out if cells)


def named(pattern: str) -> str:
    """How a habit is called.

    >>> named("bag_of_words")
    'bag of words'
    """
    return pattern.replace("_", " ")


def pattern_map_info(findings: Sequence[HeadFinding]) -> PatternMapInfo:
    """Collect the habits of the heads of one suite × contrast × stream."""
    return PatternMapInfo(
        1 + max((finding.layer for finding in findings), default=-1),
        1 + max((finding.head for finding in findings), default=-1),
        tuple(_cell(finding, finding.pattern) for finding in findings if finding.pattern in COLOURS),
    )


def pattern_map_figure(info: PatternMapInfo) -> go.Figure:
    """Draw the map with plotly; a colour a habit.

    Args:
        info: the map's content.
    """
    import plotly.graph_objects as go

    names = list(COLOURS)
    z: list[list[int | None]] = [[None] * info.heads for _ in range(info.layers)]
    text = [["habit not surveyed"] * info.heads for _ in range(info.layers)]
    anchors: list[list[str | None]] = [[None] * info.heads for _ in range(info.layers)]
    for cell in info.cells:
        z[cell.layer][cell.head] = names.index(cell.pattern)
        text[cell.layer][cell.head] = cell.title
        anchors[cell.layer][cell.head] = cell.anchor
    # Each colour twice, so that the scale has steps.
    count = len(names)
    steps = [[edge / count, COLOURS[name]] for at, name in enumerate(names) for edge in (at, at + 1)]
    return go.Figure(
        go.Heatmap(
            z=z,
            text=text,
            customdata=anchors,
            hovertemplate="%{text}<extra></extra>",
            colorscale=steps,
            zmin=-0.5,
            zmax=count - 0.5,
            xgap=1,
            ygap=1,
            showscale=False,
        ),
        map_layout(info.layers),
    )


def swatch(colour: str) -> Markup:
    """A small square of a colour, for legends."""
    square = element("rect", width=12, height=12, rx=2, fill=colour)
    return element(
        "svg", square, viewBox="0 0 12 12", width=12, height=12, aria_hidden="true", class_="swatch"
    )


def _cell(finding: HeadFinding, pattern: str | None) -> PatternCell:
    name = pattern or MIXED
    score = number(finding.pattern_score, 2)
    title = f"Layer {finding.layer}, head {finding.head}: {named(name)} ({score})"
    return PatternCell(finding.layer, finding.head, name, title, head_anchor(finding))
