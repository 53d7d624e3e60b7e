"""Where words lie along a direction such as she–he, against what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd
from markupsafe import Markup

from audit.results.visible import visible
from reports.figures.axes import Axes, around, frame
from reports.figures.plain import plain_layout
from reports.figures.svg import INK, MUTED, element, picture
from reports.numbers import defined, number

if TYPE_CHECKING:
    import plotly.graph_objects as go

SIZE: Final = (560, 360)
#: Words that are named in the picture: those at either end.
_NAMED: Final = 6


class ProjectedWord(NamedTuple):
    """A word, where it lies, and what is known of it; ``known`` is None where nothing is."""

    word: str
    value: float
    known: float | None


class ProjectionInfo(NamedTuple):
    """One projection at one layer.

    Args:
        suite, subject, layer: whose it is.
        ends: what the direction leads to and from: higher values lie nearer to the first.
        against: the name of the known number; None where there is none.
        words: from the first end to the other.
    """

    suite: str
    subject: str
    layer: str
    ends: tuple[str, str]
    against: str | None
    words: tuple[ProjectedWord, ...]

    @property
    def label(self) -> str:
        """One sentence for readers who cannot see the picture."""
        first, last = self.words[0].word, self.words[-1].word
        direction = " – ".join(self.ends)
        nearest = f"nearest to {self.ends[0]}: {first}, to {self.ends[1]}: {last}"
        return f"{len(self.words)} words along {direction}; {nearest}."

    @property
    def axis(self) -> str:
        """The name of the direction's axis."""
        return f"← {self.ends[1]}     projection     {self.ends[0]} →"

    @property
    def named(self) -> frozenset[str]:
        """Words at either end."""
        ends = (*self.words[:_NAMED], *self.words[-_NAMED:])
        return frozenset(word.word for word in ends)


def projection_infos(embeddings: pd.DataFrame) -> tuple[ProjectionInfo, ...]:
    """Collect every projection at every layer; undefined words are left out.

    Args:
        embeddings: rows of ``embeddings.parquet``.
    """
    rows = embeddings[embeddings["kind"].eq("projection").fillna(False) & embeddings["value"].notna()]
    return tuple(
        _info(str(suite), str(subject), str(layer), own)
        for (suite, subject, layer), own in rows.groupby(["suite", "id", "layer"], sort=False)
    )


def projection_figure(info: ProjectionInfo) -> go.Figure:
    """Draw the words with plotly: projection across, the known number up.

    Args:
        info: their content.
    """
    import plotly.graph_objects as go

    trace = go.Scatter(
        x=[word.value for word in info.words],
        y=_heights(info),
        mode="markers+text",
        text=[word.word if word.word in info.named else "" for word in info.words],
        textposition="top center",
        hovertext=[_title(info, word) for word in info.words],
        hoverinfo="text",
        marker={"color": MUTED, "size": 8},
    )
    return go.Figure(trace, plain_layout(info.axis, info.against or "rank", 400, hovermode="closest"))


def projection_svg(info: ProjectionInfo) -> Markup:
    """Draw the words as a still picture; those at either end are named.

    Args:
        info: their content.
    Returns:
        A standalone SVG.
    """
    heights = _heights(info)
    axes = Axes(*SIZE, around(word.value for word in info.words), around(heights))
    drawn = []
    for word, height in zip(info.words, heights, strict=True):
        x, y = axes.at(word.value, height)
        title = element("title", _title(info, word))
        drawn.append(element("circle", title, cx=x, cy=y, r=4, fill=MUTED, class_="muted"))
        if word.word in info.named:
            style = {"font_size": 11, "fill": INK, "class_": "ink", "text_anchor": "middle"}
            drawn.append(element("text", word.word, x=x, y=y - 7, **style))
    return picture(
        *SIZE, info.label, *frame(axes, info.axis, info.against or "rank"), *drawn, class_="projection"
    )


def _info(suite: str, subject: str, layer: str, rows: pd.DataFrame) -> ProjectionInfo:
    top = rows.iloc[0]
    ordered = rows.sort_values("value", ascending=False, kind="stable")
    words = tuple(
        ProjectedWord(visible(str(word)), float(value), float(known) if not pd.isna(known) else None)
        for word, value, known in zip(ordered["word"], ordered["value"], ordered["known"], strict=True)
    )
    against = None if pd.isna(top["against"]) else str(top["against"])
    ends = (str(top["contrast_a"]), str(top["contrast_b"]))
    return ProjectionInfo(suite, subject, layer, ends, against, words)


def _heights(info: ProjectionInfo) -> list[float]:
    """What is known of the words; their rank where it is not known of all."""
    known = [word.known for word in info.words if defined(word.known)]
    if len(known) == len(info.words):
        return known
    return [float(len(info.words) - rank) for rank in range(len(info.words))]


def _title(info: ProjectionInfo, word: ProjectedWord) -> str:
    known = f", {info.against} {number(word.known, 2)}" if info.against and defined(word.known) else ""
    return f"{word.word}: {number(word.value, signed=True)}{known}"
