"""Outputs: total effect and its kin against oracles, with planted and with no effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.config import RunConfig
from audit.findings import output_findings
from audit.results import Finding
from tests.audit.simulated import latin_square, pair_rows, simulate_outputs, slow_fit

CONFIG = RunConfig()
KEY = ["suite", "pair_id", "source_row"]


def some_pairs(*, controls: bool = False, contrast: tuple[str, str] = ("she", "he")) -> pd.DataFrame:
    """Treatment pairs in a Latin square, and controls if asked for."""
    rows = pair_rows(*latin_square(), contrast=contrast)
    if controls:
        rows += pair_rows(*latin_square(), contrast=contrast, control="same-group")
        rows += pair_rows(*latin_square(), contrast=("Monday", "Tuesday"), control="weekday")
    return pd.DataFrame(rows)


def finding(pairs: pd.DataFrame, outputs: pd.DataFrame, measure: str, control: str | None = None) -> Finding:
    """The one overall finding of a measure."""
    found = [
        f
        for f in output_findings(pairs, outputs, CONFIG)
        if f.measure == measure and f.control == control and f.group is None
    ]
    assert len(found) == 1, f"{measure}: {len(found)} overall findings"
    return found[0]


def by_arm(pairs: pd.DataFrame, outputs: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Pairs with columns ``value_a`` and ``value_b``."""
    of = outputs[outputs["measure"] == measure][["pair_id", "arm", "value"]]
    a = of.rename(columns={"arm": "arm_a", "value": "value_a"})
    b = of.rename(columns={"arm": "arm_b", "value": "value_b"})
    return pairs.merge(a, on=["pair_id", "arm_a"]).merge(b, on=["pair_id", "arm_b"])


def written(pairs: pd.DataFrame, text_a: str, text_b: str) -> pd.DataFrame:
    """Outputs in which every pair has these two continuations."""
    rows = []
    for pair in pairs.to_dict("records"):
        for arm, text in ((pair["arm_a"], text_a), (pair["arm_b"], text_b)):
            rows.append(
                {k: pair[k] for k in KEY} | {"arm": arm, "measure": "generation", "value": None, "text": text}
            )
    return pd.DataFrame(rows)


def test_total_effect_equals_the_slow_oracle() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, total_effect=0.2, seed=0)
    found = finding(pairs, outputs, "total_effect")
    table = by_arm(pairs, outputs, "completion_log_odds")
    units = (table["value_a"] - table["value_b"]).groupby([table["cluster"], table["item"]]).mean()
    labels = [units.index.get_level_values(level).tolist() for level in (0, 1)]
    mean, se, p, df = slow_fit(units.to_numpy(), *labels)
    half = stats.t.ppf(0.975, df) * se
    assert found.estimate == pytest.approx(mean)
    assert found.p == pytest.approx(p)
    assert (found.ci_low, found.ci_high) == pytest.approx((mean - half, mean + half))
    assert (found.n, found.units, found.clusters, found.items) == (240, 120, 20, 20)
    assert stats.nct.sf(stats.t.ppf(0.975, df), df, found.mde / se) == pytest.approx(0.8, abs=1e-4)
    assert tuple(found.contrast) == ("she", "he")


def test_a_planted_effect_is_found_and_its_absence_is_not() -> None:
    pairs = some_pairs()
    strong = finding(pairs, simulate_outputs(pairs, 1.0, seed=1), "total_effect")
    assert strong.p is not None
    assert strong.p < 1e-4
    null = [finding(pairs, simulate_outputs(pairs, 0.0, seed), "total_effect").p for seed in range(40)]
    assert stats.kstest(np.array(null, dtype=float), "uniform", alternative="greater").pvalue > 0.001


def test_shares_have_wilsons_interval_on_the_effective_number_of_pairs() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, 0.1, seed=2)
    table = by_arm(pairs, outputs, "completion_log_odds")
    towards = int((table["value_a"] > table["value_b"]).sum())
    found = finding(pairs, outputs, "pct_stereotype")
    share = towards / 240
    assert found.estimate == pytest.approx(share)
    assert found.n == 240
    known = pairs.set_index("pair_id").loc[table["pair_id"]]
    hits = pd.DataFrame(
        {
            "hit": (table["value_a"] > table["value_b"]).to_numpy(dtype=float),
            "cluster": known["cluster"].to_numpy(),
            "item": known["item"].to_numpy(),
        }
    )
    units = hits.groupby(["cluster", "item"], as_index=False)["hit"].mean()
    _, error = slow_fit(units["hit"].to_numpy(), list(units["cluster"]), list(units["item"]))[:2]
    z, t = stats.norm.ppf(0.975), stats.t.ppf(0.975, 19)
    n = min(240, share * (1 - share) / error**2 * (z / t) ** 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert (found.ci_low, found.ci_high) == pytest.approx((centre - half, centre + half))


def test_a_shares_interval_covers_half_under_the_null() -> None:
    """Taking the pairs for independent, the lower bound would exceed ½ in a fifth of null audits."""
    pairs = some_pairs()
    beyond = 0
    for seed in range(60):
        found = finding(pairs, simulate_outputs(pairs, 0.0, seed), "pct_stereotype")
        beyond += found.ci_low is not None and found.ci_low > 0.5
    assert beyond <= 6


def test_the_ratio_form_is_of_single_pairs_and_its_filter_says_what_it_does() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, 0.1, seed=2)
    table = by_arm(pairs, outputs, "completion_log_odds")
    ratio = (
        np.exp(table["value_a"].to_numpy(dtype=float)) / np.exp(table["value_b"].to_numpy(dtype=float)) - 1
    )
    found = finding(pairs, outputs, "total_effect_ratio")
    assert found.estimate == pytest.approx(ratio.mean())
    assert found.p is None
    positive = ratio[ratio > 0]
    kept = positive[positive > np.quantile(positive, 0.25)]
    filtered = finding(pairs, outputs, "total_effect_ratio_filtered")
    assert (filtered.estimate, filtered.n) == (pytest.approx(kept.mean()), len(kept))
    assert filtered.reason == (
        "no interval: the pairs were chosen by their outcome, which alone makes a mean above 0"
    )


def test_pairs_of_several_axes_are_also_told_by_axis() -> None:
    pairs = some_pairs().assign(cluster=lambda table: table["pair_id"], item=lambda table: table["pair_id"])
    pairs["axis"] = np.where(np.arange(len(pairs)) % 3 == 0, "age", "gender")
    outputs = simulate_outputs(pairs, 0.0, seed=4)
    outputs = outputs[outputs["measure"] == "log_likelihood"]
    table = by_arm(pairs, outputs, "log_likelihood")
    longer = (table["value_a"] - table["value_b"]).to_numpy(dtype=float)
    found = {
        (f.measure, f.group): f
        for f in output_findings(pairs, outputs, CONFIG)
        if f.measure in ("likelihood_diff", "pct_stereotype")
    }
    assert set(found) == {
        (measure, axis)
        for measure in ("likelihood_diff", "pct_stereotype")
        for axis in (None, "age", "gender")
    }
    for axis in (None, "age", "gender"):
        own = longer if axis is None else longer[(table["axis"] == axis).to_numpy(dtype=bool)]
        difference, share = found["likelihood_diff", axis], found["pct_stereotype", axis]
        assert difference.axis == share.axis == (axis or "all")
        assert (difference.n, share.n) == (len(own), len(own))
        assert difference.estimate == pytest.approx(np.abs(own).mean())
        assert share.estimate == pytest.approx((own > 0).mean())


def test_likelihood_difference_is_absolute() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, 0.0, seed=3)
    table = by_arm(pairs, outputs, "log_likelihood")
    found = finding(pairs, outputs, "likelihood_diff")
    assert found.estimate == pytest.approx((table["value_a"] - table["value_b"]).abs().mean())


@pytest.mark.parametrize(
    ("text_a", "text_b", "share"),
    [
        (" was kind.", " was kind.", 0.0),
        (" was kind.", " was stern.", 1.0),
        (" left. She was kind.", " left. He was kind.", 0.0),
        (" saw the shed, then she left.", " saw the shed, then he left.", 0.0),
        (" left the room.", " left. The room.", 1.0),
    ],
    ids=["same", "different", "only the arm", "the arm inside other words", "punctuation"],
)
def test_a_continuation_changes_only_if_more_than_the_arm_differs(
    text_a: str, text_b: str, share: float
) -> None:
    pairs = some_pairs()
    assert finding(pairs, written(pairs, text_a, text_b), "generation_changed").estimate == pytest.approx(
        share
    )


def test_length_of_continuations_is_compared_across_arms() -> None:
    pairs = some_pairs()
    even = finding(pairs, written(pairs, " was kind.", " was calm."), "generation_length")
    longer = finding(pairs, written(pairs, " was very very kind.", " was kind."), "generation_length")
    shorter = finding(pairs, written(pairs, " was kind.", " was very very kind."), "generation_length")
    assert even.estimate == 0
    assert longer.estimate is not None
    assert longer.estimate > 0
    assert shorter.estimate == pytest.approx(-longer.estimate)


def test_exchanging_the_texts_flips_signed_findings_and_no_other() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, 0.3, seed=5)
    turn = {f"{n}_{a}": f"{n}_{b}" for n in ("arm", "group", "text", "tokens") for a, b in ("ab", "ba")}
    turned = pairs.rename(columns=turn)
    for measure in ("total_effect", "generation_length"):
        one, other = finding(pairs, outputs, measure), finding(turned, outputs, measure)
        assert other.estimate == pytest.approx(-one.estimate)
        assert other.p == pytest.approx(one.p)
    for measure in ("likelihood_diff", "generation_changed"):
        one, other = finding(pairs, outputs, measure), finding(turned, outputs, measure)
        assert other.estimate == pytest.approx(one.estimate)
    one, other = finding(pairs, outputs, "pct_stereotype"), finding(turned, outputs, "pct_stereotype")
    assert other.estimate == pytest.approx(1 - one.estimate)


def test_the_order_of_rows_changes_nothing() -> None:
    pairs = some_pairs(controls=True)
    outputs = simulate_outputs(pairs, 0.3, seed=6)
    shuffled = (pairs.sample(frac=1, random_state=1), outputs.sample(frac=1, random_state=2))
    for measure in ("total_effect", "pct_stereotype", "likelihood_diff"):
        one, other = finding(pairs, outputs, measure), finding(*shuffled, measure)
        assert (other.estimate, other.p, other.ci_low) == pytest.approx((one.estimate, one.p, one.ci_low))


def test_identical_texts_have_exactly_no_effect() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, 0.0, seed=7)
    outputs.loc[outputs["measure"] != "generation", "value"] = -1.5
    found = finding(pairs, outputs, "total_effect")
    assert (found.estimate, found.p) == (0, 1)
    assert finding(pairs, outputs, "likelihood_diff").estimate == 0


def test_controls_are_told_apart_from_treatments() -> None:
    pairs = some_pairs(controls=True)
    outputs = simulate_outputs(pairs, 2.0, seed=8)
    real, control = (
        finding(pairs, outputs, "total_effect"),
        finding(pairs, outputs, "total_effect", "same-group"),
    )
    assert real.estimate == pytest.approx(2, abs=0.5)
    assert control.estimate == pytest.approx(0, abs=0.5)
    weekday = finding(pairs, outputs, "likelihood_diff", "weekday")
    assert tuple(weekday.contrast) == ("Monday", "Tuesday")
    assert (real.n, control.n, weekday.n) == (240, 240, 240)


def test_what_was_not_measured_is_undefined_with_a_reason() -> None:
    pairs = some_pairs()
    outputs = simulate_outputs(pairs, 0.2, seed=9)
    rest = outputs[outputs["measure"] == "log_likelihood"]
    found = finding(pairs, rest, "total_effect")
    assert (found.estimate, found.ci_low, found.p) == (None, None, None)
    assert found.reason
    half = outputs.copy()
    gone = half["pair_id"].isin(set(pairs["pair_id"][:40])) & (half["measure"] == "completion_log_odds")
    half.loc[gone, "value"] = np.nan
    assert finding(pairs, half, "total_effect").n == 200


def test_findings_of_groups_name_their_group() -> None:
    pairs = some_pairs()
    found = output_findings(pairs, simulate_outputs(pairs, 0.2, seed=10), CONFIG)
    assert {"female", "male"} <= {f.group for f in found if f.group}
    for one in found:
        assert one.estimate is not None or one.reason
        assert Finding.model_validate_json(one.model_dump_json()) == one
