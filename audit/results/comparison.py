"""What differs between two finished runs of the same pairs."""

from __future__ import annotations

from typing import Literal

from .base import Result, Verdict
from .coverage import Reason
from .findings import Estimate, Label

#: Worst first. ``worse`` and ``better``: more or less bias by magnitude. ``shifted``: the value differs, but whether
#: it is larger or smaller by magnitude cannot be told (it may have changed its sign).
Change = Literal["worse", "shifted", "better", "unchanged", "unmeasured"]


class ComparedRun(Result):
    """One side of a comparison.

    Args:
        folder: as the user named it.
        model: its name.
        verdict: that the run came to; None for a run that is being decided.
        evenhand: the version that measured it; None where the run does not tell.
        finished: when.
        manifest_sha256: digest of ``manifest.json``; None where there is none.
    """

    folder: str
    model: str
    verdict: Verdict | None = None
    evenhand: str | None = None
    finished: str | None = None
    manifest_sha256: str | None = None


class ComparedPairs(Result):
    """How many pairs under test of a suite × contrast stand in both runs.

    Args:
        common: measured in both, with the same texts, in complete units.
        before, after: measured in either run.
    """

    suite: str
    contrast: tuple[str, str]
    common: int
    before: int
    after: int


class Changed(Result):
    """What became of one measure of one suite × contrast.

    Args:
        difference: after - before, pair by pair, in the measure's own unit and with its sign.
        size: change of the magnitude, `|after| - |before|`; of shares and distances the same as the difference.
            Above 0 is worse.
    """

    suite: str
    axis: str
    contrast: tuple[str, str]
    measure: str
    change: Change
    difference: Estimate
    size: Estimate


class OutputChange(Changed):
    """One output measure in both runs.

    Args:
        group: of which axis the pairs, where they have several; None for all.
        before, after: the estimates over the common pairs.
    """

    group: str | None = None
    before: Estimate
    after: Estimate


class HeadChange(Changed):
    """One measure of one attention head in both runs.

    ``measure`` is ``bias`` or ``nie`` (the pronoun's row), ``bias_next`` or ``nie_next`` (the predicting row), and
    ``p_adjusted`` of the size Benjamini–Hochberg over all heads × rows × measures × contrasts.

    Args:
        label_before, label_after: what each audit calls the head in this row.
        before, after: the estimates over the common pairs.
        bound: the largest growth of the magnitude that cannot be excluded, simultaneous over all of these.
    """

    stream: str
    layer: int
    head: int
    label_before: Label
    label_after: Label
    before: float | None = None
    after: float | None = None
    bound: float | None = None


class Comparison(Result):
    """Two finished runs, pair by pair.

    Args:
        before, after: the runs, BASE and HEAD of the command.
        pairs: how many stand in both, per suite × contrast.
        left_out: pairs of both runs that are not compared, by reason.
        warnings: what else differs between the runs, one sentence each.
        outputs, heads: the changes.
        heads_reason: why no heads are compared.
        q: false discovery rate over the heads.
    """

    before: ComparedRun
    after: ComparedRun
    pairs: tuple[ComparedPairs, ...]
    left_out: tuple[Reason, ...] = ()
    warnings: tuple[str, ...] = ()
    outputs: tuple[OutputChange, ...] = ()
    heads: tuple[HeadChange, ...] = ()
    heads_reason: str | None = None
    q: float = 0.05

    @property
    def common(self) -> int:
        """Pairs under test that stand in both runs."""
        return sum(each.common for each in self.pairs)
