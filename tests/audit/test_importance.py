"""Which heads' queries and keys are kept: those with a label, of the pair's own suite and contrast."""

from __future__ import annotations

from audit.importance import telling_heads
from audit.kept_attention import MOST_HEADS
from audit.results import Estimate, HeadFinding, Label
from tests.probes.tiny import pair

PAIR = pair()


def head(number: int, label: Label, bias: float, suite: str = PAIR.suite) -> HeadFinding:
    return HeadFinding(
        suite=suite,
        contrast=PAIR.contrast,
        stream="self",
        layer=0,
        head=number,
        label=label,
        flagged=label == "carries",
        bias=Estimate(estimate=bias),
    )


def test_labels_come_first_then_strength() -> None:
    found = [head(0, "moves", 0.9), head(1, "carries", 0.1), head(2, "none", 1.0), head(3, "moves", -0.95)]
    assert telling_heads(found, PAIR) == (("self", 0, 1), ("self", 0, 3), ("self", 0, 0))


def test_without_labels_the_strongest_and_never_more_than_eight() -> None:
    found = [head(number, "none", number / 100) for number in range(20)]
    assert telling_heads(found, PAIR) == tuple(("self", 0, 19 - n) for n in range(MOST_HEADS))


def test_heads_of_other_suites_are_not_the_pairs() -> None:
    assert telling_heads([head(0, "carries", 0.5, suite="another")], PAIR) == ()
