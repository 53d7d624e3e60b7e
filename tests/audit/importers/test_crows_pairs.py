"""CrowS-Pairs as published → a suite."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from audit.errors import InputError
from audit.expand import expand
from audit.importers import read_public
from audit.importers.crows_pairs import read_crows_pairs
from audit.importers.suite_text import write_suite
from audit.loader import load_suite
from tests.folders import shared

HEADER = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations\n"
ROWS = (
    '0,"Poor, they say.","Rich, they say.",stereo,socioeconomic,[]\n'
    "1,Women drive badly.,Men drive badly.,stereo,gender,[]\n"
    "2,The same.,The same.,stereo,age,[]\n"
    "3,Her son cooks.,Her daughter cooks.,antistereo,gender,[]\n"
)


def written(folder: Path, text: str) -> Path:
    (folder / "crows.csv").write_text(text, encoding="utf-8")
    return folder / "crows.csv"


def test_every_row_is_a_pair_or_left_out_with_its_reason(tmp_path: Path) -> None:
    imported = read_crows_pairs(written(tmp_path, HEADER + ROWS))
    assert imported.account() == "4 rows read, 3 pairs kept, 1 row left out (1 with two equal sentences)"
    assert [row.row for row in imported.left_out] == [2]
    write_suite(imported.suite, tmp_path / "out" / "crows.yaml")
    loaded = load_suite(tmp_path / "out" / "crows.yaml")
    assert loaded.suite == imported.suite
    pairs = expand(loaded)
    assert [(p.source_row, p.axis, p.a.arm, p.a.text, p.b.arm, p.b.text, p.directed) for p in pairs] == [
        (0, "socioeconomic", "more", "Poor, they say.", "less", "Rich, they say.", True),
        (1, "gender", "more", "Women drive badly.", "less", "Men drive badly.", True),
        (3, "gender", "more", "Her son cooks.", "less", "Her daughter cooks.", True),
    ]
    assert [pair.attributes for pair in pairs] == [
        {"stereo_antistereo": "stereo"},
        {"stereo_antistereo": "stereo"},
        {"stereo_antistereo": "antistereo"},
    ]
    assert loaded.suite.license == "CC-BY-SA-4.0"
    assert loaded.suite.sources[0].startswith("Nangia, Vania, Bhalerao and Bowman (2020)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "crows.csv:1: the file is empty; expected a header with "),
        (
            ROWS,
            "crows.csv:1: the columns sent_more, sent_less, stereo_antistereo, bias_type are missing; "
            "expected a header with ",
        ),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_crows_pairs(written(tmp_path, text))
    expected = message + "sent_more, sent_less, stereo_antistereo or bias_type"
    assert str(caught.value).replace(f"{tmp_path}/", "") == expected


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    rows = (
        '0,"Poor,\nthey say.","Rich,\nthey say.",stereo,socioeconomic,[]\n'
        "1,,Men drive badly.,sterero,gender,[]\n"
        "2,Women drive badly.,Men drive badly.,stereo,,[]\n"
    )
    with pytest.raises(InputError) as caught:
        read_crows_pairs(written(tmp_path, HEADER + rows))
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "crows.csv:5: sent_more: the cell is empty; expected text\n"
        "crows.csv:5: stereo_antistereo: unknown direction (got 'sterero'); expected stereo or antistereo\n"
        "crows.csv:6: bias_type: the cell is empty; expected text"
    )


def test_rows_of_another_length_and_open_quotation_marks_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_crows_pairs(written(tmp_path, HEADER + "0,a,b\n" + ROWS))
    told = str(caught.value).replace(f"{tmp_path}/", "")
    assert told == "crows.csv:2: the row has 3 cells; expected 6, as the header"
    with pytest.raises(InputError) as caught:
        read_crows_pairs(written(tmp_path, HEADER + ROWS + '4,"never closed,b,stereo,age,[]\n'))
    told = str(caught.value).replace(f"{tmp_path}/", "")
    assert told == "crows.csv:6: the table cannot be read: unexpected end of data"


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_crows_pairs(tmp_path / "crows.csv")
    assert str(caught.value) == f"{tmp_path}/crows.csv: no such file or directory"
    (tmp_path / "crows.csv").write_bytes(HEADER.encode() + b"0,caf\xe9,b,stereo,age,[]\n")
    with pytest.raises(InputError) as caught:
        read_crows_pairs(tmp_path / "crows.csv")
    assert str(caught.value) == f"{tmp_path}/crows.csv:2: the file is not UTF-8 text"


def test_an_unknown_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_public("crowspairs", tmp_path)
    assert str(caught.value) == (
        "unknown data set 'crowspairs'; expected crows-pairs, winobias or winogender; "
        "did you mean 'crows-pairs'?"
    )


def test_the_published_file(tmp_path: Path) -> None:
    source = shared("data", "crows_pairs", "crows_pairs_anonymized.csv")
    imported = read_crows_pairs(source)
    assert imported.account() == "1508 rows read, 1508 pairs kept, 0 rows left out"
    write_suite(imported.suite, tmp_path / "crows.yaml")
    pairs = expand(load_suite(tmp_path / "crows.yaml"))
    with source.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = [(p.source_row, p.a.text, p.b.text, p.axis, p.attributes["stereo_antistereo"]) for p in pairs]
    assert found == [
        (number, row["sent_more"], row["sent_less"], row["bias_type"], row["stereo_antistereo"])
        for number, row in enumerate(rows)
    ]
