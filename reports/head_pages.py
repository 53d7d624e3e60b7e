"""The page of every head: its estimates in words and numbers, and its strongest pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import pandas as pd
from markupsafe import Markup

from audit.results import Estimate, HeadFinding
from reports.anchors import head_prefix
from reports.figures.head_map import estimate_of
from reports.folder import FinishedRun
from reports.head_groups import HeadGroup, head_row
from reports.numbers import has_interval, level, number, p_value
from reports.packed import packed
from reports.pair_cards import anchor
from reports.pair_columns import laid_over
from reports.pair_heads import PairHeads, PairOfHead
from reports.wording import LABELS

#: Estimates of a head, in the order of its page.
_ESTIMATES: Final = {
    "bias": "Signed bias, from the swapped word",
    "nie": "Causal effect (NIE, nats), from the swapped word",
    "bias_next": "Signed bias, from the last word",
    "nie_next": "Causal effect (NIE, nats), from the last word",
    "jsd": "Divergence (JSD, bits)",
    "jsd_control": "Divergence of the controls",
    "coreference_accuracy": "Coreference accuracy",
    "accuracy_gap": "With less against the stereotype",
}
#: Figures without an interval.
_FIGURES: Final = {
    "total_variation": "Total variation",
    "value_weighted": "Divergence of what it writes (JSD, bits)",
    "preference_a": "Preference for the first noun, first arm",
    "preference_b": "Preference for the first noun, second arm",
    "mass": "Attention on both nouns",
    "nearest_accuracy": "Accuracy of taking the nearest mention",
    "first_accuracy": "Accuracy of taking the first mention",
}


class EstimateLine(NamedTuple):
    """One estimate as the page writes it."""

    name: str
    value: str
    interval: str
    level: str
    p: str
    p_adjusted: str
    n: str
    reason: str | None


def head_pages(run: FinishedRun, groups: Iterable[HeadGroup], heads: PairHeads) -> Markup:
    """Pack the pages of all heads that were measured.

    Args:
        run: the run folder.
        groups: of heads, as the page shows them.
        heads: the strongest pairs of every head.
    Returns:
        Packed ``[{prefix, title, heads: {"15-7": page}}]``; ``prefix`` and name make a head's anchor.
    """
    shown = [group for group in groups if group.total]
    texts = _texts(run, heads)
    return packed(
        [
            {
                "prefix": head_prefix(group.suite, group.contrast, group.stream),
                "title": group.title,
                "heads": {
                    f"{finding.layer}-{finding.head}": _page(finding, heads, texts)
                    for finding in run.audit.heads
                    if (finding.suite, finding.contrast, finding.stream)
                    == (group.suite, group.contrast, group.stream)
                },
            }
            for group in shown
        ]
    )


def estimate_lines(finding: HeadFinding) -> tuple[EstimateLine, ...]:
    """Write every estimate of a head; those of a kind that the run never makes are left out."""
    lines = []
    for name, title in _ESTIMATES.items():
        estimate: Estimate | None = getattr(finding, name)
        if estimate is None or (estimate.estimate is None and not estimate.reason):
            continue
        p_adjusted = {"bias": finding.p_adjusted, "bias_next": finding.p_adjusted_next}.get(name)
        lines.append(_line(title, estimate, p_adjusted, signed=name.startswith(("bias", "nie", "accuracy"))))
        if name == "jsd_control":
            lines.append(
                _line("Divergence over that of the controls", estimate_of(finding, "divergence"), None)
            )
    figures = ((title, getattr(finding, name)) for name, title in _FIGURES.items())
    lines += [
        EstimateLine(title, number(value), "", "", "", "", "", None)
        for title, value in figures
        if value is not None
    ]
    return tuple(lines)


def _line(title: str, estimate: Estimate, p_adjusted: float | None, *, signed: bool = True) -> EstimateLine:
    return EstimateLine(
        title,
        number(estimate.estimate, signed=signed),
        f"{number(estimate.ci_low)} to {number(estimate.ci_high)}" if has_interval(estimate) else "",
        level(estimate),
        p_value(estimate.p) if estimate.p is not None else "",
        p_value(p_adjusted) if p_adjusted is not None else "",
        f"{estimate.n:,}" if estimate.n else "",
        None if estimate.estimate is not None else f"not measured: {estimate.reason or 'no reason given'}",
    )


def _page(finding: HeadFinding, heads: PairHeads, texts: dict[tuple[str, str], str]) -> dict[str, Any]:
    place = (finding.suite, finding.contrast, finding.stream, finding.layer, finding.head)
    return {
        "name": f"{finding.layer}-{finding.head}",
        "label": finding.label,
        "sense": LABELS[finding.label],
        "habit": head_row(finding).habit,
        "reasons": list(finding.reasons),
        "estimates": estimate_lines(finding),
        "pairs": [_told(finding.suite, pair, texts) for pair in heads.of_head.get(place, ())],
    }


def _told(suite: str, pair: PairOfHead, texts: dict[tuple[str, str], str]) -> list[str]:
    merged = texts.get((suite, pair.pair_id), pair.pair_id)
    return [anchor(suite, pair.pair_id), merged, number(pair.bias, signed=True)]


def _texts(run: FinishedRun, heads: PairHeads) -> dict[tuple[str, str], str]:
    """Suite and pair id → both texts laid over each other, of the pairs that a head's page lists."""
    wanted = {(place[0], pair.pair_id) for place, pairs in heads.of_head.items() for pair in pairs}
    keys = list(zip(run.pairs["suite"].astype(str), run.pairs["pair_id"].astype(str), strict=True))
    rows = run.pairs[pd.Series([key in wanted for key in keys], index=run.pairs.index, dtype=bool)]
    merged = laid_over(rows["text_a"], rows["text_b"])
    return {key: text for key, text in zip([k for k in keys if k in wanted], merged, strict=True) if text}
