"""A chart of the page: figures that the script draws, each in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from reports.figures.plain import plain
from reports.packed import packed

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Chart(NamedTuple):
    """What stands in the page for the script.

    Args:
        id: of its place on the page.
        label: one sentence for those who cannot see it.
        views: keys of its figures, in order; the first is drawn first.
        data: key → figure, packed.
    """

    id: str
    label: str
    views: tuple[str, ...]
    data: Markup


def chart(name: str, label: str, figures: dict[str, go.Figure]) -> Chart:
    """Pack the figures of a chart.

    Args:
        name: its id on the page; one of a kind.
        label: one sentence for those who cannot see it.
        figures: key → figure.
    """
    return Chart(name, label, tuple(figures), packed({key: plain(each) for key, each in figures.items()}))
