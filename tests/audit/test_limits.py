"""What a run cannot tell is said, where it applies and nowhere else."""

from __future__ import annotations

from audit.config import RunConfig
from audit.limits import limits_of
from audit.results import Coverage, Finding

WHOLE = Coverage(planned=8, measured=8, skipped=0, failed=0)


def finding(clusters: int, items: int, low: float | None = 0.1, control: str | None = None) -> Finding:
    return Finding(
        suite="chores",
        axis="gender",
        contrast=("she", "he"),
        measure="total_effect",
        estimate=0.2,
        ci_low=low,
        ci_high=0.3,
        clusters=clusters,
        items=items,
        control=control,
    )


def single(*findings: Finding) -> list[str]:
    return [limit.text for limit in limits_of(RunConfig(), WHOLE, findings) if limit.id == "one-level"]


def test_an_interval_over_one_factor_says_what_it_does_not_cover() -> None:
    one = "chores, she/he: one template only. Its figures hold for this template; others may differ."
    assert single(finding(1, 4), finding(1, 4)) == [one]
    assert single(finding(20, 1)) == [one.replace("template", "item")]
    assert (
        single(finding(20, 20)) == single(finding(1, 4, low=None)) == single(finding(1, 4, None, "c")) == []
    )
    assert single() == []
