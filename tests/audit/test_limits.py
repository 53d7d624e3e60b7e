"""What a run cannot tell is said, where it applies and nowhere else."""

from __future__ import annotations

from audit.config import CausalSettings, RunConfig
from audit.limits import limits_of
from audit.results import Coverage, Finding, Shard

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


def test_a_shard_says_what_only_the_whole_run_can_tell() -> None:
    share = Coverage(planned=8, measured=2, skipped=5, failed=1, shard=Shard(index=2, of=3))
    text = "This is shard 2 of 3, with 3 of 8 pairs; nothing here holds for the whole run."
    heads = "Which heads can be flagged is known only when all pairs are measured, so it has the effects of all heads."
    end = "`evenhand merge` joins the shards and decides."

    def told(**settings: object) -> str:
        limits = {each.id: each.text for each in limits_of(RunConfig.model_validate(settings), share)}
        assert "quick-causal" not in limits
        return limits["shard"]

    assert told() == f"{text} {heads} {end}"
    assert told(causal=CausalSettings(heads="all")) == told(probes=("attention",)) == f"{text} {end}"
    assert told(probes=("attention", "ablation")) == (
        f"{text} Held-out halves need all pairs; none were tried. {end}"
    )
    assert "shard" not in {each.id for each in limits_of(RunConfig(), WHOLE)}
