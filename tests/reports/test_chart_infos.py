"""What the charts of the page show, by value; then that a figure draws just that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.results import Audit, Estimate, HeadFinding
from reports.anchors import head_anchor, head_prefix
from reports.figures.axes import around, round_steps
from reports.figures.causal_scatter import causal_scatter_figure, causal_scatter_info
from reports.figures.causal_scatter_svg import causal_scatter_svg
from reports.figures.group_measures import group_measures_figure, group_measures_info
from reports.figures.head_map import estimate_of, head_map_figure, head_map_info
from reports.figures.pattern_map import COLOURS, pattern_map_figure, pattern_map_info
from reports.figures.plain import PALETTE, plain
from reports.figures.power import power_figure, power_info
from reports.figures.projection import projection_figure, projection_infos, projection_svg
from reports.folder import read_folder
from reports.head_groups import head_groups
from reports.head_views import explorer
from reports.output_rows import output_groups
from reports.power_rows import power_rows
from reports.unmeasured import unmeasured
from tests.reports.sample_run import head_findings
from tests.reports.test_pair_columns import unpacked

Runs = dict[str, tuple[Path, Audit]]


@pytest.fixture(scope="module")
def heads() -> tuple[HeadFinding, ...]:
    return head_findings(np.random.default_rng(7), flagged=True)


def test_divergence_is_what_the_controls_leave_over(heads: tuple[HeadFinding, ...]) -> None:
    own = heads[5]
    found = estimate_of(own, "divergence")
    assert found.estimate == pytest.approx((own.jsd.estimate or 0) - (own.jsd_control.estimate or 0))
    assert (found.p, found.ci_low) == (None, None)
    alone = own.model_copy(update={"jsd_control": Estimate(reason="no controls")})
    assert estimate_of(alone, "divergence") == Estimate(reason="no controls")
    assert head_map_info([alone], "divergence").cells[0].value is None


def test_scatter_holds_the_heads_with_both_numbers(heads: tuple[HeadFinding, ...]) -> None:
    info = causal_scatter_info(heads)
    assert info.heads == 270
    assert {point.name for point in info.points} == {
        "15-7",
        "12-3",
        "17-2",
        "20-4",
        "24-4",
        "11-8",
        "14-0",
        "13-5",
    }
    point = next(point for point in info.points if point.name == "15-7")
    finding = next(head for head in heads if (head.layer, head.head) == (15, 7))
    assert point.y == finding.nie.estimate
    assert point.x == estimate_of(finding, "divergence").estimate
    assert point.anchor == head_anchor(finding) == "head-gender-occupation-she-he-15-7"
    assert info.labels == ("carries", "opposes", "moves", "acts")


def test_scatter_figure_has_a_trace_for_each_label(heads: tuple[HeadFinding, ...]) -> None:
    info = causal_scatter_info(heads)
    figure = causal_scatter_figure(info)
    assert [trace.name for trace in figure.data] == ["carries", "opposes", "moves", "acts"]
    assert sorted(figure.data[0].text) == ["12-3", "15-7", "17-2"]
    assert sum(len(trace.x) for trace in figure.data) == len(info.points)
    assert causal_scatter_svg(info).count("<circle") == len(info.points)
    assert causal_scatter_svg(causal_scatter_info(())) == ""


def test_habits_are_sorted_out(heads: tuple[HeadFinding, ...]) -> None:
    info = pattern_map_info(heads)
    assert {name: len(cells) for name, cells in info.groups} == {"first_token": 120, "mixed": 150}
    figure = pattern_map_figure(info)
    names = list(COLOURS)
    assert list(figure.data[0].z[0][:2]) == [names.index("mixed"), names.index("first_token")]
    assert figure.data[0].text[0][1] == "Layer 0, head 1: first token (0.71)"
    unsurveyed = [head.model_copy(update={"pattern": None}) for head in heads[:9]]
    assert pattern_map_info(unsurveyed).cells == ()


def test_the_map_offers_what_was_measured(heads: tuple[HeadFinding, ...]) -> None:
    views = explorer(heads)
    assert [view.key for view in views.views] == ["bias", "bias_next", "nie", "divergence", "pattern"]
    assert views.map is not None
    figures = unpacked(views.map.data)
    assert list(figures) == [view.key for view in views.views]
    assert figures["bias"]["data"][0]["customdata"][15][7] == "head-gender-occupation-she-he-15-7"
    assert len(figures["bias"]["layout"]["shapes"]) == 3
    assert "template" not in figures["bias"]["layout"]


def test_one_head_alone_makes_charts(heads: tuple[HeadFinding, ...]) -> None:
    (alone,) = [head for head in heads if head.flagged and head.layer == 15]
    views = explorer([alone.model_copy(update={"layer": 0, "head": 0})])
    assert views.map is not None
    assert len(views.scatter_info.points) == 1


def test_words_lie_in_order_and_undefined_ones_are_left_out(runs: Runs) -> None:
    (info,) = projection_infos(read_folder(*runs["fail"]).embeddings())
    assert (info.ends, info.against, info.layer) == (("she", "he"), "female_share", "6")
    assert len(info.words) == 15
    assert info.words[0] == ("nurse", 0.4, 0.95)
    assert info.words[-1].word == "<b>analyst</b>"
    figure = projection_figure(info)
    assert figure.data[0].x == tuple(word.value for word in info.words)
    assert figure.data[0].y[0] == 0.95
    assert "&lt;b&gt;analyst" in projection_svg(info)
    assert projection_infos(read_folder(*runs["empty"]).embeddings()) == ()


def test_groups_are_told_beside_each_other(runs: Runs) -> None:
    found = [finding for finding in runs["fail"][1].findings if finding.subject is None]
    (group,) = output_groups(found)
    info = group_measures_info(group)
    told = {panel.name: [(mean.group, mean.estimate) for mean in panel.means] for panel in info.panels}
    assert told == {
        "Mean length": [("female", 12.0), ("male", 12.3)],
        "Preference for the first arm's completion": [("female", 0.12), ("male", -0.11)],
    }
    figure = group_measures_figure(info)
    assert [trace.x for trace in figure.data] == [(12.0, 12.3), (0.12, -0.11)]
    assert figure.data[0].error_x.array == pytest.approx((0.4, 0.4))
    tops = [figure.layout[name].domain[1] for name in ("yaxis", "yaxis2")]
    assert tops == sorted(tops, reverse=True)


def test_power_sets_the_smallest_visible_effect_against_the_limit(runs: Runs) -> None:
    audit = runs["fail"][1]
    rows = power_rows(audit, head_groups(audit.heads))
    check = rows[0]
    assert (check.name, check.mde, check.threshold) == ("Total effect", 0.07, 0.1)
    assert check.ratio == pytest.approx(0.7)
    assert check.meaning == "an effect of the limit's size would be seen"
    info = power_info(rows)
    assert [bar.ratio for bar in info.bars] == [pytest.approx(0.7)]
    assert power_figure(info).data[0].x == (info.bars[0].ratio,)
    assert info.label == "1 of 1 questions could be answered at the size of their limit."


def test_power_of_heads_is_that_of_the_median_head(runs: Runs) -> None:
    audit = runs["fail"][1]
    seen = [
        head.model_copy(update={"bias": head.bias.model_copy(update={"mde": 0.01 * (at % 3 + 1)})})
        for at, head in enumerate(audit.heads)
    ]
    audit = audit.model_copy(update={"heads": tuple(seen)})
    row = power_rows(audit, head_groups(seen))[1]
    assert (row.mde, row.largest, row.threshold) == (0.02, 0.03, audit.config["min_bias"])
    assert row.meaning == "an effect of the limit's size would be seen"


def test_what_was_not_measured_is_told(runs: Runs) -> None:
    told = unmeasured(runs["error"][1], ("heads.parquet",))
    assert told[0] == "2 of 362 pairs failed."
    assert told[1] == "3 of 362 pairs were skipped."
    assert told[-1] == "What heads.parquet would hold: the file is missing."
    assert "The causal effect of 262 of 270 heads: those that could not be flagged anyway." in unmeasured(
        runs["fail"][1], ()
    )


def test_tags_in_texts_stay_letters_and_line_breaks_work(heads: tuple[HeadFinding, ...]) -> None:
    figure = head_map_figure(head_map_info(heads, "bias"))
    figure.data[0].text = [["<b>&amp;<br>"]]
    assert plain(figure)["data"][0]["text"] == [["&lt;b>&amp;amp;<br>"]]
    assert plain(figure)["data"][0]["hovertemplate"] == "%{text}<extra></extra>"


def test_every_named_colour_is_a_colour_of_both_themes() -> None:
    css = Path(__file__).parents[2] / "reports" / "templates" / "css"
    for theme in ("light", "dark"):
        text = (css / f"{theme}.css").read_text(encoding="utf-8")
        assert [name for name in PALETTE.values() if f"{name}: #" not in text] == []


def test_streams_have_anchors_of_their_own() -> None:
    streams = ("self", "decoder", "cross", "encoder")
    assert [head_prefix("s", ("a", "b"), stream) for stream in streams] == [
        "head-s-a-b-",
        "head-s-a-b-",
        "head-s-a-b-cross-",
        "head-s-a-b-encoder-",
    ]


@pytest.mark.parametrize(
    ("ends", "steps"), [((-0.2, 2.2), [0, 0.5, 1, 1.5, 2]), ((-0.013, 0.1), [0, 0.02, 0.04, 0.06, 0.08, 0.1])]
)
def test_steps_of_an_axis_are_round(ends: tuple[float, float], steps: list[float]) -> None:
    assert round_steps(ends) == steps
    assert around([]) == (-0.5, 0.5)
