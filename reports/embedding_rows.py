"""Tests of embeddings for the page: associations and projections, layer by layer, with their meaning in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from audit.results import Finding
from reports.figures.interval import interval_info, interval_svg
from reports.numbers import defined

#: Adjusted p above which nothing is read into an estimate.
_CHANCE = 0.05
_AXES = {"weat_effect_size": (-2.0, 2.0), "projection_correlation": (-1.0, 1.0)}
_LAYERS = {"input": "input embeddings", "last": "last block"}


class EmbeddingRow(NamedTuple):
    """One association or projection at one layer."""

    finding: Finding
    svg: Markup

    @property
    def layer(self) -> str:
        """Where the words were read."""
        layer = self.finding.layer or ""
        return _LAYERS.get(layer, f"block {layer}")

    @property
    def sets(self) -> str:
        """What is compared: target sets and attribute sets, or the ends of the direction."""
        ends = self.finding.contrast or ()
        if self.finding.attributes is None:
            return f"along {' – '.join(ends)}"
        return f"{' against '.join(ends)}, between {' and '.join(self.finding.attributes)}"

    @property
    def meaning(self) -> str:
        """What the estimate says; nothing is read into one that chance explains."""
        found = self.finding
        if not defined(found.estimate):
            return f"not measured: {found.reason or 'no reason was given'}"
        if found.contrast is None or found.p_adjusted is None or found.p_adjusted > _CHANCE:
            return "not told apart from chance"
        (x, y), up = found.contrast, found.estimate > 0
        if found.attributes is None:
            return f"words with a higher number lie nearer to {x if up else y}"
        near, far = (x, y) if up else (y, x)
        return f"{near} is nearer to {found.attributes[0]} than {far} is"


class EmbeddingGroup(NamedTuple):
    """All tests of embeddings of one suite, associations apart from projections."""

    suite: str
    associations: tuple[EmbeddingRow, ...]
    projections: tuple[EmbeddingRow, ...]


def embedding_groups(findings: Iterable[Finding]) -> tuple[EmbeddingGroup, ...]:
    """Group the findings about embeddings by suite; none where the run has none."""
    found = [finding for finding in findings if finding.subject is not None]
    return tuple(
        EmbeddingGroup(
            suite,
            _rows(finding for finding in found if finding.suite == suite and finding.attributes is not None),
            _rows(finding for finding in found if finding.suite == suite and finding.attributes is None),
        )
        for suite in dict.fromkeys(finding.suite for finding in found)
    )


def _rows(findings: Iterable[Finding]) -> tuple[EmbeddingRow, ...]:
    return tuple(
        EmbeddingRow(finding, interval_svg(interval_info(finding, _AXES[finding.measure]), 200))
        for finding in findings
    )
