"""Intervals on an axis, and the rows of the output table that they stand in."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from audit.results import Estimate, Finding
from reports.figures.interval import axis_of, interval_info, interval_svg
from reports.output_rows import output_groups

SVG = "{http://www.w3.org/2000/svg}"


def test_axis_shows_estimates_zero_and_threshold() -> None:
    start, end = axis_of([Estimate(estimate=0.2, ci_low=0.1, ci_high=0.3)], also=[0.0, 0.5])
    assert start <= 0.0
    assert end > 0.5


@pytest.mark.parametrize("value", [None, 0.0, 3.0])
def test_axis_of_one_value_has_room(value: float | None) -> None:
    start, end = axis_of([Estimate(estimate=value)], also=[])
    assert start < end


def test_nan_becomes_none() -> None:
    info = interval_info(Estimate(estimate=float("nan"), ci_low=0.0), (0, 1))
    assert (info.estimate, info.low, info.high) == (None, 0.0, None)


def test_svg_shades_both_sides_of_a_two_sided_limit() -> None:
    estimate = Estimate(estimate=0.2, ci_low=0.1, ci_high=0.3)
    info = interval_info(estimate, (-0.4, 0.4), 0.1, two_sided=True)
    root = ET.fromstring(str(interval_svg(info)))
    classes = [node.get("class") for node in root]
    assert classes == ["beyond", "beyond", "axis", "zero", "limit", "limit", "bar", "dot"]
    assert root.get("aria-label") == "estimate 0.2, interval 0.1 to 0.3, limit ±0.1"


def test_svg_without_estimate_says_so() -> None:
    root = ET.fromstring(str(interval_svg(interval_info(Estimate(reason="none"), (0, 1)))))
    assert root.get("aria-label") == "not measured"
    assert not root.findall(f"{SVG}circle")


def finding(contrast: tuple[str, str], control: str | None, measure: str = "total_effect") -> Finding:
    return Finding(
        suite="s", axis="gender", contrast=contrast, control=control, measure=measure, estimate=0.1
    )


def test_neutral_swaps_stand_beside_the_contrast_they_are_compared_with() -> None:
    groups = output_groups(
        [
            finding(("Monday", "Tuesday"), "weekday"),
            finding(("she", "he"), "same-group"),
            finding(("she", "he"), None),
        ]
    )
    assert [group.title for group in groups] == ["s: she against he"]
    assert [row.name for row in groups[0].measures[0].rows] == [
        "Pairs under test",
        "Control: same-group (she against he)",
        "Control: weekday (Monday against Tuesday)",
    ]


def test_controls_alone_are_shown_too() -> None:
    assert [group.title for group in output_groups([finding(("a", "b"), "c")])] == ["s: a against b"]
