"""One check against the change from a baseline: its verdict, the change, and one sentence why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from audit.config import Check, RunConfig
from audit.outcomes import Outcome, Place, name_of, undecided, unit_of
from audit.results import AgainstBaseline, Estimate, Verdict
from audit.results.comparison import ComparedPairs, Comparison, HeadChange, OutputChange

#: Below so many complete units of pairs, or less than half of the run's pairs, a change is not decided.
FEWEST_UNITS = 10


class ChangeOutcome(NamedTuple):
    """What a check of a change comes to, and the estimates that it is the change of."""

    outcome: Outcome
    against: AgainstBaseline


def change_outcomes(
    check: Check, allowed: float, config: RunConfig, comparison: Comparison
) -> dict[Place, ChangeOutcome]:
    """One outcome per suite × contrast of this run.

    FAIL: the lower bound of the change of the magnitude exceeds the allowance. PASS: the upper bound does not.
    INCONCLUSIVE: neither, or too few pairs are the same in the baseline.

    Args:
        check: what to look at.
        allowed: how much worse it may be, in the measure's own unit; of heads, how many more may carry bias.
        config: what counts as a hidden bias.
        comparison: with the baseline.
    """
    places: dict[Place, ComparedPairs] = {
        (pairs.suite, pairs.contrast): pairs for pairs in comparison.pairs if pairs.after
    }
    found = dict(_changes(check, allowed, config, comparison, places))
    for place, pairs in places.items():
        if 2 * pairs.common < pairs.after and (place in found or not pairs.common):
            found[place] = ChangeOutcome(undecided(_too_few(pairs)), _against(pairs))
    return found


def _changes(
    check: Check,
    allowed: float,
    config: RunConfig,
    comparison: Comparison,
    places: Mapping[Place, ComparedPairs],
) -> Iterator[tuple[Place, ChangeOutcome]]:
    if check.measure == "flagged_heads":
        heads: dict[Place, list[HeadChange]] = defaultdict(list)
        for head in comparison.heads:
            heads[head.suite, head.contrast].append(head)
        tested = {suite for suite, _ in heads}
        for place, pairs in places.items():
            # As without a baseline: a contrast that ties no candidate to an arm has no biased heads to look for.
            if place in heads or place[0] not in tested:
                own = heads.get(place, [])
                yield place, _heads_change(own, allowed, config, pairs, comparison.heads_reason)
        return
    for change in comparison.outputs:
        place = (change.suite, change.contrast)
        if change.measure == check.measure and change.group is None and place in places:
            yield place, _size_change(check, change, allowed, places[place])


def _too_few(pairs: ComparedPairs) -> str:
    where = f"{pairs.suite}, {'/'.join(pairs.contrast)}"
    return f"only {pairs.common} of {pairs.after} pairs of {where} are the same in the baseline"


def _against(pairs: ComparedPairs) -> AgainstBaseline:
    return AgainstBaseline(pairs=pairs.common, of=pairs.after)


def _size_change(check: Check, change: OutputChange, allowed: float, pairs: ComparedPairs) -> ChangeOutcome:
    against = AgainstBaseline(before=change.before, after=change.after, pairs=pairs.common, of=pairs.after)
    size, name = change.size, f"{name_of(check.measure)} under {'/'.join(change.contrast)}"
    if size.estimate is not None and size.units < FEWEST_UNITS:
        reason = f"{name} can be compared with the baseline on {size.units} units of pairs only"
        return ChangeOutcome((Verdict.INCONCLUSIVE, size, f"Undecided: {reason}."), against)
    if size.estimate is None or size.ci_low is None or size.ci_high is None:
        reason = f"the change of {name} from the baseline is undefined ({size.reason or 'no interval'})"
        return ChangeOutcome((Verdict.INCONCLUSIVE, size, f"Undecided: {reason}."), against)
    old, new = (f"{side.estimate:+.3f}" for side in (change.before, change.after))
    told = (
        f"{name} went from {old} in the baseline to {new}{unit_of(check.measure)}; "
        f"by magnitude {size.estimate:+.3f} [{size.ci_low:+.3f}, {size.ci_high:+.3f}]"
    )
    if size.ci_low > allowed:
        return ChangeOutcome((Verdict.FAIL, size, f"{told}: worse by more than {allowed:g}."), against)
    if size.ci_high <= allowed:
        return ChangeOutcome((Verdict.PASS, size, f"{told}: not worse by more than {allowed:g}."), against)
    return ChangeOutcome(
        (Verdict.INCONCLUSIVE, size, f"{told}: the interval straddles {allowed:g}."), against
    )


class _Head(NamedTuple):
    """One head in both runs: whether it carries bias, is shown to be worse, and how much worse it may be."""

    name: str
    carried: bool
    carries: bool
    worse: bool
    bound: float


def _heads_change(
    changes: Sequence[HeadChange],
    allowed: float,
    config: RunConfig,
    pairs: ComparedPairs,
    reason: str | None,
) -> ChangeOutcome:
    """How many heads carry bias that did not; passing needs that no other head hides such a growth."""
    against = _against(pairs)
    heads = [*_by_head(changes)]
    contrast = "/".join(pairs.contrast)
    if not heads:
        return ChangeOutcome(
            undecided(reason or f"no head was tested in both runs under {contrast}"), against
        )
    before, after = (
        Estimate(estimate=float(sum(getattr(head, which) for head in heads)), n=pairs.common)
        for which in ("carried", "carries")
    )
    against = against.model_copy(update={"before": before, "after": after})
    new = [head for head in heads if head.carries and not head.carried]
    shown = [head for head in new if head.worse]
    widest = max((change.size for change in changes), key=lambda size: size.units)
    estimate = widest.model_copy(
        update={
            **dict.fromkeys(("ci_low", "ci_high", "p", "p_adjusted", "reason")),
            "estimate": float(len(new)),
            "method": f"heads that carry bias and did not in the baseline; false discovery rate {config.q:g}",
        }
    )
    if widest.units < FEWEST_UNITS:
        why = f"Undecided: heads can be compared with the baseline on {widest.units} units of pairs only."
        return ChangeOutcome((Verdict.INCONCLUSIVE, estimate, why), against)
    if len(shown) > allowed:
        names = ", ".join(head.name for head in shown[:5]) + (" …" if len(shown) > 5 else "")
        noun = "head carries" if len(shown) == 1 else "heads carry"
        told = f"{len(shown)} attention {noun} bias under {contrast} ({names}) that did not in the baseline"
        return ChangeOutcome((Verdict.FAIL, estimate, f"{told}; at most {allowed:g} allowed."), against)
    open_heads = [h for h in heads if h not in shown and (h in new or h.bound >= config.largest_hidden_bias)]
    if len(open_heads) > int(allowed) - len(shown):
        told = f"{len(open_heads)} of {len(heads)} heads may have become worse under {contrast}"
        why = f"{told} by a signed bias of {config.largest_hidden_bias:g} or more, or newly carry one, unproven."
        return ChangeOutcome((Verdict.INCONCLUSIVE, estimate, why), against)
    told = f"{len(shown)} attention heads newly carry bias under {contrast}; no other can have become worse"
    why = f"{told} by a signed bias of {config.largest_hidden_bias:g}."
    return ChangeOutcome((Verdict.PASS, estimate, why), against)


def _by_head(changes: Sequence[HeadChange]) -> Iterator[_Head]:
    found: dict[tuple[str, int, int], list[HeadChange]] = defaultdict(list)
    for change in changes:
        found[change.stream, change.layer, change.head].append(change)
    for (_, layer, head), rows in found.items():
        bounds = [1.0 if row.bound is None else row.bound for row in rows if row.measure.startswith("bias")]
        yield _Head(
            f"{layer}-{head}",
            carried=any(row.label_before == "carries" for row in rows),
            carries=any(row.label_after == "carries" for row in rows),
            worse=any(row.change == "worse" for row in rows),
            bound=max(bounds, default=1.0),
        )
