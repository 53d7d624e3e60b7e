"""What the page holds of whole attention: which pairs, which heads, within what it may weigh."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.errors import StoreError
from audit.results import Audit
from reports.attention_section import AttentionSection, attention_section
from reports.figures.head_lines import head_lines_info, head_lines_svg
from reports.folder import FinishedRun, read_folder
from reports.html import render_page
from reports.pair_cards import PairCard, pair_cards
from reports.pair_choice import choose_pairs
from reports.total_effects import total_effects
from tests.reports.sample_attention import LONG, make_old, write_attention_run

OLD = "this run was made before whole matrices were kept; run the audit again to see them"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder: Path = tmp_path_factory.mktemp("attention")
    audit: Audit = write_attention_run(folder)
    return read_folder(folder, audit)


@pytest.fixture(scope="module")
def cards(run: FinishedRun) -> tuple[PairCard, ...]:
    return pair_cards(run, choose_pairs(run, total_effects(run)))


def sizes(section: AttentionSection) -> int:
    return sum(
        len(json.dumps(pair.data, ensure_ascii=False).encode(errors="replace")) for pair in section.pairs
    )


def test_pairs_come_in_the_order_of_the_cards(run: FinishedRun, cards: tuple[PairCard, ...]) -> None:
    section = attention_section(run, cards, 2_500_000)
    order = [card.anchor for card in cards]
    anchors = [pair.card.anchor for pair in section.pairs]
    assert anchors == [anchor for anchor in order if anchor in section.anchors]
    assert (len(section.pairs), section.partial) == (4, 0)
    assert sorted({each.reason for each in section.left_out}) == sorted([LONG, OLD])


def test_the_first_pairs_keep_all_heads_and_the_rest_those_that_are_named(
    run: FinishedRun, cards: tuple[PairCard, ...]
) -> None:
    whole = attention_section(run, cards, 2_500_000)
    first = len(json.dumps(whole.pairs[0].data, ensure_ascii=False))
    section = attention_section(run, cards, first + 20_000)
    assert [pair.complete for pair in section.pairs] == [True, False, False, False]
    assert section.partial == 3
    (stream,) = section.pairs[1].data["streams"]
    # All eight heads with a label, those with vectors among them.
    assert len(stream["kept"]) == 8
    assert [15, 7] in [list(place) for place in stream["kept"]]
    assert sizes(section) <= first + 20_000


def test_pairs_that_do_not_fit_at_all_say_so(run: FinishedRun, cards: tuple[PairCard, ...]) -> None:
    section = attention_section(run, cards, 8_000)
    assert len(section.pairs) < 4
    assert sizes(section) <= 8_000
    assert "the page would weigh more than 0.0 MB" in {each.reason for each in section.left_out}


def test_run_folders_without_whole_matrices_still_render(run: FinishedRun, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    for path in (tmp_path / "run" / "detail").glob("*.npz"):
        make_old(path)
    page = render_page(read_folder(tmp_path / "run", run.audit))
    assert f"12 pairs cannot be shown whole: {OLD}." in page
    assert 'class="explorer"' not in page
    assert "data-explore=" not in page
    assert 'href="#attention"' in page


def test_a_damaged_file_is_named(run: FinishedRun, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    path = tmp_path / "run" / "detail" / "seed-doctor-nurse.npz"
    with np.load(path) as file:
        np.savez_compressed(
            path, **{name: file[name] for name in file.files if name != "whole.self.a.weights"}
        )
    with pytest.raises(StoreError, match=r"seed-doctor-nurse\.npz: cannot be read as kept attention"):
        render_page(read_folder(tmp_path / "run", run.audit))


def test_without_kept_attention_there_is_no_section(run: FinishedRun) -> None:
    page = render_page(replace(run, details={}))
    assert 'id="attention"' not in page
    assert 'href="#attention"' not in page


def test_hostile_words_stay_words(run: FinishedRun) -> None:
    page = render_page(run)
    data = re.findall(r'<script type="application/json" data-pair="[^"]+">(.*?)</script>', page, re.DOTALL)
    assert len(data) == 4
    assert not any("<" in text or "\u202e" in text or "\x07" in text for text in data)
    words = json.loads(data[0])["streams"][0]["a"]["q"]["w"]
    assert "<script>alert(1)</script> ]]> & [U+202E]evil" in words[3]


def test_lines_are_those_of_the_kept_attention(run: FinishedRun) -> None:
    detail = run.details["seed-doctor-nurse"]
    info = head_lines_info(detail, 15, 7)
    a, b = detail.weights_a[15, 7], detail.weights_b[15, 7]
    last = len(detail.words_a) - 1
    found = {(line.query, line.key): line.weight for line in info.a.lines}
    nurse, doctor = detail.words_a.index("Nurse"), detail.words_a.index("Doctor")
    assert found[last, nurse] == pytest.approx(a[last, nurse], abs=1e-4)
    assert not any(line.key == 0 for line in info.a.lines)
    less = {(line.query, line.key): line.weight for line in info.difference.lines}
    assert less[last, nurse] == pytest.approx(a[last, nurse] - b[last, nurse], abs=1e-4)
    assert less[last, doctor] < 0
    assert info.difference.queries[last] == "She / He"
    pictures = head_lines_svg(info, ("she", "he"))
    assert pictures[2].count("line-a") + pictures[2].count("line-b") == len(info.difference.lines)
    assert "line-b" not in pictures[0]
    assert 'stroke-opacity="1"' in "".join(pictures)
