"""Every verdict of every measure, their order, and what must never pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.config import CheckMeasure
from audit.results import Coverage, Estimate, ExitCode, Shard, Verdict
from tests.audit.gate_cases import check, decided, finding, head

SIZES: list[CheckMeasure] = ["total_effect", "likelihood_diff", "pct_stereotype"]
NAMES = {
    "total_effect": ("the total effect", " nats"),
    "likelihood_diff": ("the likelihood difference", " nats"),
    "pct_stereotype": ("pct_stereotype", ""),
}


@pytest.mark.parametrize("measure", SIZES)
@pytest.mark.parametrize(
    ("low", "high", "at_most", "verdict", "told"),
    [
        (0.2, 0.6, 0.1, Verdict.FAIL, "beyond ±0.1."),
        (-0.6, -0.2, 0.1, Verdict.FAIL, "beyond ±0.1."),
        (-0.05, 0.09, 0.1, Verdict.PASS, "within ±0.1."),
        (0.05, 0.2, 0.1, Verdict.INCONCLUSIVE, "the interval straddles ±0.1."),
        (-0.2, 0.05, 0.1, Verdict.INCONCLUSIVE, "the interval straddles ±0.1."),
        (-0.5, 0.5, 0.1, Verdict.INCONCLUSIVE, "the interval straddles ±0.1."),
        (0.1, 0.2, 0.1, Verdict.INCONCLUSIVE, "the interval straddles ±0.1."),
        (0.0, 0.1, 0.1, Verdict.INCONCLUSIVE, "the interval straddles ±0.1."),
        (-1e-9, 1e-9, 0.0, Verdict.INCONCLUSIVE, "the interval straddles ±0."),
    ],
)
def test_an_interval_is_compared_with_the_threshold(
    measure: CheckMeasure, low: float, high: float, at_most: float, verdict: Verdict, told: str
) -> None:
    found = finding(measure, (low + high) / 2, low, high, n=40, p=0.5, method="two-way t")
    gate, _ = decided(check(measure, at_most), findings=(found,))
    name, unit = NAMES[measure]
    figures = f"{(low + high) / 2:+.3f}{unit} [{low:+.3f}, {high:+.3f}]"
    result = gate.checks[0]
    assert (gate.verdict, result.verdict) == (verdict, verdict)
    assert gate.why == result.why
    assert result.why.startswith(f"{name} under she/he is {figures}: ")
    assert result.why.endswith(told)
    assert result.estimate == Estimate(**found.model_dump(include=set(Estimate.model_fields)))
    assert (result.suite, result.contrast, result.measure) == ("jobs", ("she", "he"), measure)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_decision_does_not_depend_on_the_sign(middle: float, half: float, at_most: float) -> None:
    both = [
        decided(check(at_most=at_most), findings=(finding("total_effect", m, m - half, m + half),))[0].verdict
        for m in (middle, -middle)
    ]
    assert both[0] is both[1]
    if abs(middle) > at_most:
        assert both[0] is not Verdict.PASS
    if abs(middle) < at_most:
        assert both[0] is not Verdict.FAIL


@pytest.mark.parametrize("measure", SIZES)
def test_an_undefined_size_is_undecided(measure: CheckMeasure) -> None:
    gate, _ = decided(check(measure), findings=(finding(measure, None, None, None, reason="no completions"),))
    name = NAMES[measure][0]
    assert gate.verdict is Verdict.INCONCLUSIVE
    assert gate.why == f"Undecided: {name} under she/he is undefined (no completions)."
    gate, _ = decided(check(measure), findings=(finding(measure, 0.0, None, None),))
    assert gate.why == f"Undecided: {name} under she/he is undefined (no interval)."


@pytest.mark.parametrize("measure", [*SIZES, "flagged_heads"])
def test_nothing_measured_never_passes(measure: CheckMeasure) -> None:
    strangers = (
        finding(measure, 0.0, -0.01, 0.01, control="weekday"),
        finding(measure, 0.0, -0.01, 0.01, group="female"),
        finding("generation_changed", 0.0, -0.01, 0.01),
    )
    gate, _ = decided(check(measure, 1000), findings=strangers, heads=(head(label="unmeasured"),))
    reason = (
        "no attention head could be tested in the suite 'jobs'"
        if measure == "flagged_heads"
        else f"nothing was measured that the check {measure!r} ({measure}) could look at"
    )
    assert gate.verdict is Verdict.INCONCLUSIVE
    assert gate.why == f"Undecided: {reason}."
    assert gate.checks[0].estimate == Estimate(reason=reason)
    assert gate.checks[0].contrast == (("she", "he") if measure == "flagged_heads" else None)


def test_without_checks_nothing_is_decided() -> None:
    gate, waivers = decided()
    assert (gate.verdict, gate.checks, waivers) == (Verdict.INCONCLUSIVE, (), ())
    assert gate.why == "No check is configured: the numbers are there, but nothing was decided."


def test_a_flagged_head_fails() -> None:
    heads = (head(0), head(1, "carries"))
    gate, _ = decided(check("flagged_heads", 0), heads=heads)
    assert gate.verdict is Verdict.FAIL
    assert gate.why == "1 attention head carries bias under she/he (3-1); at most 0 allowed."
    assert gate.checks[0].estimate.estimate == 1.0


def test_a_check_of_heads_tells_the_pairs_of_the_row_that_was_read() -> None:
    read = Estimate(estimate=0.1, n=40, units=20, clusters=10, items=5)
    cross = head(0).model_copy(update={"stream": "cross", "bias_next": read})
    gate, _ = decided(check("flagged_heads", 0), heads=(cross, head(1)))
    found = gate.checks[0].estimate
    assert (found.n, found.units, found.clusters, found.items) == (40, 20, 10, 5)


def test_many_flagged_heads_are_counted_and_the_first_named() -> None:
    gate, _ = decided(check("flagged_heads", 2), heads=tuple(head(n, "carries") for n in range(7)))
    assert gate.why == (
        "7 attention heads carry bias under she/he (3-0, 3-1, 3-2, 3-3, 3-4 …); at most 2 allowed."
    )


@pytest.mark.parametrize("label", ["opposes", "moves", "acts", "none"])
def test_only_carriers_fail(label: str) -> None:
    gate, _ = decided(check("flagged_heads", 0), heads=(head(0, label), head(1)))
    assert gate.verdict is Verdict.PASS
    assert gate.why == (
        "0 attention heads are flagged under she/he; no other can hide a signed bias of 0.15."
    )


def test_heads_pass_only_if_none_can_hide_a_bias() -> None:
    heads = (head(0), head(1, bound=0.15), head(2, bound=0.05, bound_next=0.3))
    gate, _ = decided(check("flagged_heads", 0), heads=heads)
    assert gate.verdict is Verdict.INCONCLUSIVE
    assert gate.why == (
        "No more heads are flagged under she/he than allowed, but 2 of 3 heads could still hide a signed "
        "bias of 0.15 or more (up to 0.30): more templates and items are needed."
    )
    assert (
        decided(check("flagged_heads", 0), heads=heads, largest_hidden_bias=0.31)[0].verdict is Verdict.PASS
    )


def test_a_head_with_one_row_is_judged_by_that_row() -> None:
    gate, _ = decided(check("flagged_heads", 0), heads=(head(bound=None, bound_next=0.2),))
    assert "(up to 0.20)" in gate.why
    gate, _ = decided(check("flagged_heads", 0), heads=(head(bound=None, bound_next=0.1),))
    assert gate.verdict is Verdict.PASS
    assert decided(check("flagged_heads", 0), heads=(head(bound=0.0),))[0].verdict is Verdict.PASS


def test_a_head_of_which_no_row_was_read_could_hide_anything() -> None:
    gate, _ = decided(check("flagged_heads", 0), heads=(head(0), head(1, "unmeasured", bound=None)))
    assert gate.verdict is Verdict.INCONCLUSIVE
    assert "1 of 2 heads" in gate.why
    assert "(up to 1.00)" in gate.why


def test_a_biased_head_whose_effect_was_not_measured_never_passes() -> None:
    biased = Estimate(estimate=0.1, ci_low=0.08, ci_high=0.12, p=1e-6, p_adjusted=1e-4)
    for row in ("label_pronoun", "label_next"):
        own = {row: "unmeasured", "bias" if row == "label_pronoun" else "bias_next": biased}
        gate, _ = decided(check("flagged_heads", 0), heads=(head(0, bound=0.13, **own), head(1)))
        assert gate.verdict is Verdict.INCONCLUSIVE
        assert "1 of 2 heads" in gate.why


def test_heads_that_are_allowed_leave_less_room_for_hidden_ones() -> None:
    heads = (head(0, "carries"), head(1, bound=0.5), head(2))
    allowed = {n: decided(check("flagged_heads", n), heads=heads)[0].verdict for n in (0, 1, 1.9, 2)}
    assert allowed == {0: Verdict.FAIL, 1: Verdict.INCONCLUSIVE, 1.9: Verdict.INCONCLUSIVE, 2: Verdict.PASS}


def test_a_check_makes_one_result_for_every_suite_and_contrast() -> None:
    findings = tuple(
        finding("total_effect", 0.0, low, high, suite=suite, contrast=contrast)
        for suite, contrast, low, high in (
            ("jobs", ("she", "he"), -0.01, 0.01),
            ("jobs", ("they", "he"), 0.2, 0.3),
            ("names", ("she", "he"), -0.5, 0.5),
        )
    )
    gate, _ = decided(check(), findings=findings)
    assert [(each.suite, each.contrast, each.verdict) for each in gate.checks] == [
        ("jobs", ("she", "he"), Verdict.PASS),
        ("jobs", ("they", "he"), Verdict.FAIL),
        ("names", ("she", "he"), Verdict.INCONCLUSIVE),
    ]
    assert gate.verdict is Verdict.FAIL
    narrowed = {
        Verdict.PASS: check(suite="jobs", contrast=("she", "he")),
        Verdict.INCONCLUSIVE: check(suite="names"),
        Verdict.FAIL: check(contrast=("they", "he")),
    }
    assert all(decided(one, findings=findings)[0].verdict is verdict for verdict, one in narrowed.items())
    gate, _ = decided(check(suite="absent"), findings=findings)
    assert (gate.verdict, gate.checks[0].suite) == (Verdict.INCONCLUSIVE, "absent")


RANKS = [Verdict.PASS, Verdict.WAIVED, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR]


@given(st.lists(st.sampled_from(RANKS), min_size=1))
def test_the_worst_verdict_decides(verdicts: list[Verdict]) -> None:
    worst = Verdict.worst(verdicts)
    assert worst in verdicts
    assert all(RANKS.index(worst) >= RANKS.index(each) for each in verdicts)


def test_exit_codes_are_those_of_the_contract() -> None:
    assert [int(ExitCode.of(verdict)) for verdict in RANKS] == [0, 0, 3, 1, 4]
    assert int(ExitCode.BAD_INPUT) == 2


def test_several_failures_are_told_by_the_first() -> None:
    findings = tuple(
        finding("total_effect", 0.5, 0.4, 0.6, contrast=contrast) for contrast in (("a", "b"), ("a", "c"))
    )
    gate, _ = decided(check(), findings=findings)
    assert (
        gate.why
        == "the total effect under a/b is +0.500 nats [+0.400, +0.600]: beyond ±0.1. 1 more check has this verdict."
    )


@pytest.mark.parametrize("measured", [0, 10, 40])
def test_a_shard_never_passes_and_is_no_error(measured: int) -> None:
    """One that has none of few batches is as good as any other, and one that has all is still no whole run."""
    shard = Shard(index=1, of=4)
    share = Coverage(planned=40, measured=measured, skipped=40 - measured, failed=0, shard=shard)
    fine = finding("total_effect", 0.0, -0.01, 0.01)
    gate, _ = decided(check(), findings=(fine,), coverage=share)
    told = f"{measured} of 40 pairs are measured in this shard 1 of 4; an incomplete run never passes."
    assert (gate.verdict, gate.why) == (Verdict.INCONCLUSIVE, told)
    broken = share.model_copy(update={"failed": 1})
    assert decided(check(), findings=(fine,), coverage=broken)[0].verdict is Verdict.ERROR
