"""The page of many pairs stays small, and that of hardly any is still whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.results import Audit, Coverage, HeadFinding, Verdict
from audit.store import write_audit, write_table
from reports.folder import read_folder
from reports.html import HtmlReport, render_page
from reports.page_budget import pairs_budget
from reports.page_code import PLOTLY
from reports.pair_heads import pair_heads
from reports.pair_table import pair_table
from reports.total_effects import total_effects
from tests.reports.large_run import write_large
from tests.reports.sample_run import pair_table as sample_pairs
from tests.reports.sample_run import write_sample
from tests.reports.test_html import Reader

#: Bytes that 10,000 pairs may add, by their share.
_A_PAIR = pairs_budget(1) / 10_000
_LIMIT = 5_000_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    folder = tmp_path_factory.mktemp("large")
    return folder, write_large(folder, 400)


def test_what_a_pair_adds_fits_ten_thousand_of_them_into_the_limit(large: tuple[Path, Audit]) -> None:
    (path,) = HtmlReport().render(*large)
    run = read_folder(*large)
    table = pair_table(run, total_effects(run), pair_heads(run), budget=2_000_000)
    assert table.cut is None
    assert len(table.data) <= 400 * _A_PAIR
    rest = path.stat().st_size - len(table.data) - PLOTLY.stat().st_size
    assert rest + pairs_budget(1) + PLOTLY.stat().st_size <= _LIMIT


def test_texts_of_any_length_stay_within_the_budget(tmp_path: Path) -> None:
    audit = write_large(tmp_path, 40, words=250)
    run = read_folder(tmp_path, audit)
    table = pair_table(run, total_effects(run), pair_heads(run), budget=14_000)
    assert len(table.data) <= 14_000
    assert table.cut in (600, 300, 150)


def _one_pair(folder: Path) -> Audit:
    audit = write_sample(folder, "fail")
    pairs = sample_pairs().head(1)
    write_table(folder, "pairs", pairs)
    counted = {"planned": 1, "measured": 1, "skipped": 0, "failed": 0}
    return audit.model_copy(update={"coverage": Coverage(**counted)})


def _one_head(folder: Path) -> Audit:
    audit = write_sample(folder, "fail")
    (alone,) = [head for head in audit.heads if (head.layer, head.head) == (15, 7)]
    return audit.model_copy(update={"heads": (alone.model_copy(update={"layer": 0, "head": 0}),)})


def _no_control(folder: Path) -> Audit:
    audit = write_sample(folder, "fail")
    bare: list[HeadFinding] = [
        head.model_copy(update={"jsd_control": head.nie_next, "pattern": None}) for head in audit.heads
    ]
    return audit.model_copy(update={"heads": tuple(bare)})


def _all_failed(folder: Path) -> Audit:
    audit = write_sample(folder, "error")
    pairs = sample_pairs().assign(status="failed", reason="the model's logits are NaN")
    write_table(folder, "pairs", pairs)
    write_table(folder, "outputs", read_folder(folder, audit).outputs.head(0))
    counted = {"planned": len(pairs), "measured": 0, "skipped": 0, "failed": len(pairs)}
    return audit.model_copy(update={"coverage": Coverage(**counted), "findings": ()})


def _one_group(folder: Path) -> Audit:
    audit = write_sample(folder, "pass")
    kept = tuple(f for f in audit.findings if f.group != "male")
    return audit.model_copy(update={"findings": kept})


@pytest.mark.parametrize("made", [_one_pair, _one_head, _no_control, _all_failed, _one_group])
def test_hardly_anything_makes_a_whole_page(tmp_path: Path, made: Callable[[Path], Audit]) -> None:
    audit = made(tmp_path)
    write_audit(tmp_path, audit)
    page = Reader(render_page(read_folder(tmp_path, audit)))
    assert page.open == []
    assert audit.verdict.value in page.text
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] or "" for tag, attributes in page.tags if tag == "a"}
    assert {link for link in links if link[1:] not in ids} == set()


def test_of_one_pair_the_page_tells_one(tmp_path: Path) -> None:
    audit = _one_pair(tmp_path)
    text = Reader(render_page(read_folder(tmp_path, audit))).text
    assert "All 1 pairs" not in text
    assert "The one pair" in text


def test_where_all_failed_every_pair_says_why(tmp_path: Path) -> None:
    audit = _all_failed(tmp_path)
    text = Reader(render_page(read_folder(tmp_path, audit))).text
    assert text.count("the model's logits are NaN") >= 200
    assert "362 of 362 pairs failed." in text
    assert audit.verdict is Verdict.ERROR
