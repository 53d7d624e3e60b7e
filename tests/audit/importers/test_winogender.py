"""Winogender as published → a suite."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from audit.errors import InputError
from audit.expand import expand
from audit.importers.suite_text import write_suite
from audit.importers.winogender import read_winogender
from audit.lint import lint
from audit.loader import LoadedSuite, load_suite
from audit.pairs import Pair
from tests.folders import shared

SENTENCES = """\
sentid	sentence
nurse.patient.1.male.txt	The nurse notified the patient that his "blood" would be drawn.
nurse.patient.1.female.txt	The nurse notified the patient that her "blood" would be drawn.
nurse.patient.1.neutral.txt	The nurse notified the patient that their "blood" would be drawn.
guard.someone.0.male.txt	Someone met the guard because he had called.
guard.someone.0.female.txt	Someone met the guard because she had called.
guard.someone.0.neutral.txt	Someone met the guard because the guard had called.
cook.guest.0.male.txt	The cook saw the guest before he left.
"""
STATISTICS = """\
occupation	bergsma_pct_female	bls_pct_female	bls_year
nurse	85.55	89.9	2014
guard	1.0	20.7	2015
"""


def folder(path: Path, sentences: str = SENTENCES, statistics: str | None = STATISTICS) -> Path:
    (path / "data").mkdir()
    (path / "data" / "all_sentences.tsv").write_text(sentences, encoding="utf-8")
    if statistics is not None:
        (path / "data" / "occupations-stats.tsv").write_text(statistics, encoding="utf-8")
    return path


def imported(source: Path, target: Path) -> tuple[LoadedSuite, tuple[Pair, ...]]:
    made = read_winogender(source)
    write_suite(made.suite, target)
    loaded = load_suite(target)
    assert loaded.suite == made.suite
    return loaded, expand(loaded)


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    made = read_winogender(folder(tmp_path))
    assert made.account() == (
        "7 rows read, 4 pairs kept, 2 rows left out (1 without exactly one pronoun of its gender, "
        "1 without a sentence to compare it with)"
    )
    assert sorted(row.row for row in made.left_out) == [5, 6]


def test_three_contrasts_with_rows_gold_referent_and_tie(tmp_path: Path) -> None:
    _, pairs = imported(folder(tmp_path), tmp_path / "w.yaml")
    assert [(p.pair_id, p.contrast, p.a.source_row, p.b.source_row, p.directed) for p in pairs] == [
        ("nurse-patient-1.female-male", ("female", "male"), 1, 0, True),
        ("nurse-patient-1.female-neutral", ("female", "neutral"), 1, 2, True),
        ("nurse-patient-1.male-neutral", ("male", "neutral"), 0, 2, False),
        ("guard-someone-0", ("female", "male"), 4, 3, False),
    ]
    nurse, guard = pairs[0], pairs[3]
    assert (nurse.referents, nurse.gold, nurse.attributes) == (
        ("nurse", "patient"),
        "patient",
        {"bls_pct_female": 89.9},
    )
    words = {name: nurse.a.text[slice(*span)] for name, span in nurse.a.mentions.items()}
    assert words == {"pronoun": "her", "candidate_1": "nurse", "candidate_2": "patient"}
    # "Someone" is the first word, where attention sinks lie: a referent, but no candidate for the heads.
    assert (guard.referents, guard.gold, set(guard.a.mentions)) == (
        ("guard", "someone"),
        "guard",
        {"pronoun"},
    )


def test_without_statistics_nothing_is_tied_and_that_is_said(tmp_path: Path) -> None:
    source = folder(tmp_path, statistics=None) / "data" / "all_sentences.tsv"
    assert (
        read_winogender(source)
        .account()
        .endswith("; no occupations-stats.tsv beside it, so no occupation is tied to a gender")
    )
    assert not any(pair.directed for pair in imported(source, tmp_path / "w.yaml")[1])


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    bad = SENTENCES.replace("guard.someone.0.male", "guard.someone.2.male").replace(
        "cook.guest.0.male", "nurse.patient.1.male"
    )
    source = folder(tmp_path, bad, STATISTICS.replace("20.7", "few")) / "data" / "all_sentences.tsv"
    with pytest.raises(InputError) as caught:
        read_winogender(source)
    assert str(caught.value).replace(f"{source.parent}/", "") == (
        "all_sentences.tsv:5: sentid: the id cannot be read (got 'guard.someone.2.male.txt'); "
        "expected occupation.participant.answer.gender.txt\n"
        "all_sentences.tsv:8: sentid: the id is there twice (got 'nurse.patient.1.male.txt')"
    )
    source.write_text(SENTENCES, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_winogender(source)
    told = str(caught.value).replace(f"{source.parent}/", "")
    assert told == "occupations-stats.tsv:3: bls_pct_female: not a number (got 'few')"


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_winogender(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no all_sentences.tsv in the folder, nor in its folder 'data'"


def test_the_published_files(tmp_path: Path) -> None:
    source = shared("data", "winogender")
    assert read_winogender(source).account() == "720 rows read, 720 pairs kept, 0 rows left out"
    loaded, pairs = imported(source, tmp_path / "w.yaml")
    contrasts = Counter(pair.contrast for pair in pairs)
    assert contrasts == {("female", "male"): 240, ("female", "neutral"): 240, ("male", "neutral"): 240}
    rows = {text.source_row: text.text for pair in pairs for text in (pair.a, pair.b)}
    lines = (source / "data" / "all_sentences.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert [rows[number] for number in range(720)] == [line.split("\t")[1] for line in lines]
    # answer 0 is the occupation, which is named first in the id
    ids = [line.split(".")[:3] for line in lines]
    for pair in pairs:
        occupation, participant, answer = ids[pair.a.source_row or 0]
        assert pair.gold == (occupation if answer == "0" else participant)
    assert not [finding for finding in lint(loaded) if finding.severity == "error"]
