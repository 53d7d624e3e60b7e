"""Whether the design could see what it was asked about: smallest visible effects against thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

from audit.results import Audit, Estimate, HeadFinding
from reports.head_groups import HeadGroup
from reports.numbers import defined
from reports.wording import measure_of

#: What a head's estimate is called, and the setting that says which size counts.
_OF_HEADS: Final = (
    ("bias", "Signed bias of a head", "min_bias"),
    ("nie", "Causal effect of a head", "min_nie"),
)


class PowerRow(NamedTuple):
    """One question and the smallest effect that the run could see.

    Args:
        name: the check or measure.
        where: suite and contrast.
        measure: key of the measure.
        mde: found with 80 % power; of heads, their median.
        largest: of heads, the largest; None elsewhere.
        threshold: the limit, or the smallest size that counts.
        n, clusters, items: behind the estimate.
        reason: why there is no ``mde``.
    """

    name: str
    where: str
    measure: str
    mde: float | None
    largest: float | None
    threshold: float
    n: int
    clusters: int
    items: int
    reason: str | None

    @property
    def ratio(self) -> float | None:
        """Smallest visible effect over the threshold: at most 1 where the design can see it."""
        return self.mde / self.threshold if defined(self.mde) and self.threshold > 0 else None

    @property
    def meaning(self) -> str:
        """What that says, in words."""
        if self.ratio is None:
            return self.reason or "the limit is 0: whatever can be told from 0 is beyond it"
        if self.ratio <= 1:
            return "an effect of the limit's size would be seen"
        return "an effect of the limit's size may be missed: more templates and items are needed"


def power_rows(audit: Audit, groups: Iterable[HeadGroup]) -> tuple[PowerRow, ...]:
    """Collect what every check, and the heads of every contrast, could see.

    Args:
        audit: the result.
        groups: of heads, as the page shows them.
    """
    checks = tuple(
        _row(
            measure_of(check.measure).name,
            _where(check.suite, check.contrast),
            check.measure,
            check.estimate,
            check.at_most,
        )
        for check in audit.gate.checks
        if check.measure != "flagged_heads"  # a count of heads: what each of them can show stands below
    )
    return (*checks, *(row for group in groups if group.total for row in _of_heads(group, audit)))


def _of_heads(group: HeadGroup, audit: Audit) -> list[PowerRow]:
    own = [
        f
        for f in audit.heads
        if (f.suite, f.contrast, f.stream) == (group.suite, group.contrast, group.stream)
    ]
    rows = (_head_row(group, own, audit.config, *kind) for kind in _OF_HEADS)
    return [row for row in rows if row is not None]


def _head_row(
    group: HeadGroup, heads: list[HeadFinding], config: Mapping[str, Any], key: str, name: str, setting: str
) -> PowerRow | None:
    estimates = [getattr(head, key) for head in heads]
    visible = [e.mde for e in estimates if defined(e.mde)]
    threshold = config.get(setting)
    if not visible or threshold is None:
        return None
    top = max(estimates, key=lambda estimate: estimate.n)
    row = _row(name, group.title, key, top, float(threshold))
    return row._replace(mde=median(visible), largest=max(visible))


def _row(name: str, where: str, measure: str, estimate: Estimate, threshold: float) -> PowerRow:
    reason = None if defined(estimate.mde) else estimate.reason or "no smallest visible effect was computed"
    return PowerRow(
        name,
        where,
        measure,
        estimate.mde if defined(estimate.mde) else None,
        None,
        threshold,
        estimate.n,
        estimate.clusters,
        estimate.items,
        reason,
    )


def _where(suite: str, contrast: tuple[str, str] | None) -> str:
    return f"{suite}: {' against '.join(contrast or ('all texts',))}"
