"""A finished run in a notebook: its table, its data frames, its figures."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

import audit.api
import evenhand
from audit.errors import InputError
from audit.results import Audit, Verdict
from tests.reports.sample_run import HOSTILE, write_sample
from tests.wheel import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    write_sample(path)
    return path


class Tags(HTMLParser):
    """Which elements a text has, and whether each that opens also closes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(loaded: Audit) -> Tags:
    tags = Tags()
    tags.feed(loaded._repr_html_())
    assert tags.open == []
    return tags


@pytest.mark.parametrize("load", [evenhand.load, audit.api.load])
def test_a_loaded_run_is_the_audit_with_its_tables(folder: Path, load: object) -> None:
    loaded = load(folder)
    assert isinstance(loaded, Audit)
    assert loaded == Audit.model_validate_json((folder / "audit.json").read_bytes())
    assert loaded.verdict is Verdict.FAIL
    assert [head.label for head in loaded.heads if head.flagged] == ["carries"] * 3
    for name, table in (("pairs", loaded.pairs), ("outputs", loaded.outputs), ("heads", loaded.head_values)):
        pd.testing.assert_frame_equal(table, pd.read_parquet(folder / f"{name}.parquet"))


def test_the_table_tells_verdict_checks_and_heads(folder: Path) -> None:
    loaded = audit.api.load(folder)
    found = shown(loaded)
    assert found.seen.count("tr") == 1 + len(loaded.gate.checks)
    for part in ("FAIL", loaded.gate.why, "SmolLM2-135M-Instruct", "270 heads × contrasts: 3 carry bias"):
        assert part in found.text
    assert {"script", "style", "link", "img"}.isdisjoint(found.seen)
    assert len(loaded._repr_html_()) < 10_000


def test_the_table_shows_hostile_text_as_it_is(folder: Path) -> None:
    loaded = audit.api.load(folder)
    hostile = loaded.model_copy(
        update={
            "model": loaded.model.model_copy(update={"name": HOSTILE}),
            "gate": loaded.gate.model_copy(update={"why": HOSTILE}),
        }
    )
    found = shown(hostile)
    assert {"script", "img"}.isdisjoint(found.seen)
    assert "<script>alert(1)</script>" in found.text
    assert "\u202e" not in found.text
    assert "[U+202E]" in found.text


def test_an_empty_run_has_a_table_too(tmp_path: Path) -> None:
    write_sample(tmp_path, "empty")
    assert "0 of 0 pairs measured" in shown(evenhand.load(tmp_path)).text


@pytest.mark.parametrize("name", ["head-map", "effect-map"])
def test_a_figure_is_plotlys(folder: Path, name: str) -> None:
    figure = audit.api.load(folder).figure(name)
    assert isinstance(figure, go.Figure)
    (heat,) = figure.data
    assert len(heat.z) == 30
    assert len(figure.layout.shapes) == 3


def test_a_figure_comes_out_of_a_process_of_its_own(folder: Path) -> None:
    figure = evenhand.load(folder).figure("head-map")
    assert figure == audit.api.load(folder).figure("head-map")


def test_an_unknown_figure_is_answered_with_all(folder: Path) -> None:
    told = "unknown figure 'headmap'; expected effect-map or head-map; did you mean 'head-map'?"
    with pytest.raises(InputError) as caught:
        audit.api.load(folder).figure("headmap")
    assert str(caught.value) == told
    with pytest.raises(evenhand.AuditError) as refused:
        evenhand.load(folder).figure("headmap")
    assert (str(refused.value), refused.value.exit_code) == (told, 2)


def test_a_run_without_heads_has_nothing_to_draw(tmp_path: Path) -> None:
    write_sample(tmp_path, "empty")
    with pytest.raises(InputError) as caught:
        audit.api.load(tmp_path).figure("head-map")
    assert str(caught.value) == "figure head-map: nothing to draw: no head has a value in this run"


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    write_sample(tmp_path)
    (tmp_path / "pairs.parquet").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        _ = evenhand.load(tmp_path).pairs
    assert str(caught.value) == f"{tmp_path}/pairs.parquet: no such table; run the audit again"


def test_nothing_generic_enters_the_notebooks_process(folder: Path, tmp_path: Path) -> None:
    code = (
        "import evenhand, json, sys\n"
        "loaded = evenhand.load(sys.argv[1])\n"
        "loaded._repr_html_(), loaded.pairs, loaded.figure('head-map')\n"
        "print(json.dumps([name for name in ('audit', 'probes', 'reports') if name in sys.modules]))"
    )
    done = run(sys.executable, "-P", "-c", code, folder, cwd=tmp_path)
    assert json.loads(done.stdout) == []
