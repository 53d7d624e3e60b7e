"""Figures of a finished run for notebooks and trackers, by name (entry points ``evenhand.figures``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from audit.errors import InputError
from audit.results import Audit, HeadFinding
from reports.figures.head_map import NAMES, HeadMeasure, head_map_figure, head_map_info

if TYPE_CHECKING:
    import plotly.graph_objects as go


class HeadMapFigure:
    """The signed bias of all heads."""

    name = "head-map"

    def draw(self, audit: Audit) -> go.Figure:
        """Draw the comparison with the most flagged heads, from the swapped word if it was read there.

        Raises:
            InputError: no head was measured.
        """
        return _drawn(audit, self.name, ("bias", "bias_next"))


class EffectMapFigure:
    """The causal effect of all heads."""

    name = "effect-map"

    def draw(self, audit: Audit) -> go.Figure:
        """Draw the comparison with the most flagged heads, from the swapped word if it was read there.

        Raises:
            InputError: no effect was measured.
        """
        return _drawn(audit, self.name, ("nie", "nie_next"))


def _drawn(audit: Audit, name: str, measures: Sequence[HeadMeasure]) -> go.Figure:
    groups: dict[tuple[str, tuple[str, str], str], list[HeadFinding]] = {}
    for head in audit.heads:
        groups.setdefault((head.suite, head.contrast, head.stream), []).append(head)
    ranked = sorted(groups.items(), key=lambda group: -sum(head.flagged for head in group[1]))
    for measure in measures:
        for (suite, contrast, stream), heads in ranked:
            info = head_map_info(heads, measure)
            if info.measured:
                figure = head_map_figure(info)
                where = f"{suite}, {' against '.join(contrast)}"
                if stream not in ("self", "decoder"):
                    where += f", {stream} attention"
                figure.update_layout(title=f"{NAMES[measure]}: {where}")
                return figure
    raise InputError.single("nothing to draw: no head has a value in this run", path=f"figure {name}")
