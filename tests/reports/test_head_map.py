"""The layer × head map: its content first, then what is drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.results import Estimate, HeadFinding
from reports.figures.head_map import HeadMapInfo, head_map_figure, head_map_info, round_up
from reports.figures.head_map_svg import head_map_svg
from reports.figures.svg import DIVERGING, STEPS, step, step_class
from tests.reports.sample_run import HEADS, LAYERS, head_findings

SVG = "{http://www.w3.org/2000/svg}"


def finding(head: int, bias: float | None, **changes: object) -> HeadFinding:
    estimate = Estimate(estimate=bias, n=4, reason=None if bias is not None else "too long")
    common = {"suite": "s", "contrast": ("she", "he"), "stream": "self", "layer": 0, "label": "none"}
    return HeadFinding(**{**common, "head": head, "flagged": False, "bias": estimate, **changes})


@pytest.fixture
def info() -> HeadMapInfo:
    carrier = {"label": "carries", "label_pronoun": "carries", "label_next": "none", "flagged": True}
    return head_map_info([finding(0, 0.0), finding(1, None), finding(2, -0.3, **carrier)], "bias")


def test_unmeasured_is_not_zero(info: HeadMapInfo) -> None:
    assert [cell.value for cell in info.cells] == [0.0, None, -0.3]
    assert info.cells[1].title == "Layer 0, head 1 (unmeasured): not measured: too long"
    assert info.measured == 2
    assert info.limit == 0.3


def test_nan_is_unmeasured() -> None:
    assert head_map_info([finding(0, float("nan"))], "bias").cells[0].value is None


def test_a_head_is_outlined_only_in_the_row_that_flags_it() -> None:
    heads = head_findings(np.random.default_rng(0), flagged=True)
    marked = {
        name: [(cell.layer, cell.head) for cell in head_map_info(heads, name).cells if cell.flagged]
        for name in ("bias", "bias_next")
    }
    assert marked == {"bias": [(12, 3), (15, 7), (17, 2)], "bias_next": []}


def test_label_tells_size_and_flags(info: HeadMapInfo) -> None:
    assert info.label == "Signed bias of 1 layers × 3 heads; 2 of 3 measured; flagged: 0-2."


def test_svg_draws_gap_zero_and_flag_differently(info: HeadMapInfo) -> None:
    root = ET.fromstring(str(head_map_svg(info)))
    classes = [rect.get("class") for rect in root.findall(f"{SVG}rect")]
    assert classes == ["z0", "gap", "n6", "outline"]
    assert root.findall(f"{SVG}rect")[1].get("fill", "").startswith("url(#hatch-")
    assert "0-2" in [text.text for text in root.findall(f"{SVG}text")]


def test_svg_of_the_sample_has_a_titled_cell_for_every_head() -> None:
    heads = head_findings(np.random.default_rng(0), flagged=True)
    root = ET.fromstring(str(head_map_svg(head_map_info(heads, "nie"))))
    titles = [title.text for rect in root.findall(f"{SVG}rect") for title in rect.findall(f"{SVG}title")]
    assert len(titles) == LAYERS * HEADS
    assert sum("not measured" in (title or "") for title in titles) == LAYERS * HEADS - 8


def test_no_heads_no_picture() -> None:
    assert head_map_svg(head_map_info([], "bias")) == ""


def test_plotly_figure_leaves_gaps_and_a_symmetric_scale(info: HeadMapInfo) -> None:
    figure = head_map_figure(info)
    assert list(figure.data[0].z) == [[0.0, None, -0.3]]
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-0.3, 0.3)
    assert len(figure.layout.shapes) == 1


def test_plotly_figure_survives_nothing() -> None:
    assert head_map_figure(head_map_info([], "bias")).data[0].z == ()


@given(st.floats(-10, 10), st.floats(1e-6, 10))
def test_scale_is_symmetric(value: float, limit: float) -> None:
    assert step(-value, limit) == -step(value, limit)
    assert abs(step(value, limit)) <= STEPS
    assert len(step_class(step(value, limit))) == 2


@given(st.floats(1e-9, 1e9))
def test_round_up_is_close_above(value: float) -> None:
    assert value * (1 - 1e-6) <= round_up(value) <= 1.51 * value


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_scale_darkens_from_the_middle_to_both_ends() -> None:
    values = [_luminance(colour) for colour in DIVERGING]
    assert values[: STEPS + 1] == sorted(values[: STEPS + 1])
    assert values[STEPS:] == sorted(values[STEPS:], reverse=True)
