"""A comparison of two synthetic runs: something got worse, something better, and much stayed."""

from __future__ import annotations

from audit.results import Estimate, Reason, Verdict
from audit.results.comparison import (
    Change,
    ComparedPairs,
    ComparedRun,
    Comparison,
    HeadChange,
    OutputChange,
)

_WHERE = {"suite": "gender-occupation", "axis": "gender", "contrast": ("she", "he")}


def estimate(value: float, half: float = 0.08) -> Estimate:
    return Estimate(
        **{"estimate": value, "n": 240, "units": 120, "clusters": 20, "items": 20, "method": "two-way t"},
        **{"ci_low": value - half, "ci_high": value + half, "p": 0.0002, "p_adjusted": 0.012},
    )


def output(measure: str, change: Change, before: float, after: float) -> OutputChange:
    sides = {"before": estimate(before), "after": estimate(after)}
    size = {"difference": estimate(after - before), "size": estimate(abs(after) - abs(before))}
    return OutputChange(**_WHERE, measure=measure, change=change, **sides, **size)


def head(layer: int, change: Change, before: float, after: float, measure: str = "bias") -> HeadChange:
    return HeadChange(
        **_WHERE,
        **{"stream": "self", "layer": layer, "head": 7, "measure": measure, "change": change},
        **{"label_before": "none", "label_after": "carries" if change == "worse" else "none"},
        **{"before": before, "after": after, "bound": 0.2},
        difference=estimate(after - before, 0.02),
        size=estimate(abs(after) - abs(before), 0.02),
    )


def sample_comparison(name: str = "candidate", heads: int = 3) -> Comparison:
    """A comparison whose second model has the given name, with so many heads that got worse."""
    absent = Estimate(reason="measured in one of the two runs only")
    lonely = output("sentiment", "unmeasured", 0.0, 0.0).model_copy(
        update=dict.fromkeys(("before", "after", "difference", "size"), absent)
    )
    return Comparison(
        before=ComparedRun(
            folder="runs/released",
            model="released",
            verdict=Verdict.PASS,
            evenhand="0.1.0",
            manifest_sha256="ab" * 32,
        ),
        after=ComparedRun(folder="runs/candidate", model=name, verdict=Verdict.FAIL, evenhand="0.2.0"),
        pairs=(
            ComparedPairs(
                suite="gender-occupation", contrast=("she", "he"), common=240, before=242, after=244
            ),
        ),
        left_out=(Reason(reason="the texts differ between the runs", count=2, pair_ids=("t01-0-0", name)),),
        warnings=("The runs were made by different versions of evenhand: 0.1.0 and 0.2.0.",),
        outputs=(
            output("total_effect", "worse", 0.05, 0.31),
            output("generation_length", "shifted", -0.9, 0.9),
            output("pct_stereotype", "better", 0.71, 0.55),
            output("likelihood_diff", "unchanged", 1.2, 1.21),
            lonely,
        ),
        heads=(
            *(head(layer, "worse", 0.01, 0.21) for layer in range(heads)),
            head(40, "better", -0.2, 0.01, "nie_next"),
            head(41, "unchanged", 0.01, 0.012),
        ),
    )


def nothing_changed() -> Comparison:
    """The same, of which nothing is shown to have changed, and without heads."""
    whole = sample_comparison()
    return whole.model_copy(
        update={
            "outputs": (output("total_effect", "unchanged", 0.1, 0.12),),
            "heads": (),
            "heads_reason": "the models have no heads in common: A with 2 × 4 heads and B with 3 × 4 heads",
            "left_out": (),
            "warnings": (),
        }
    )
