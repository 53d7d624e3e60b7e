"""``evenhand import``: from a public file to a suite that lint and run take."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.cli import main
from tests.conftest import Told

CROWS = (
    ",sent_more,sent_less,stereo_antistereo,bias_type\n"
    "0,The old cook was late.,The young cook was late.,stereo,age\n"
    "1,The nurse said he was a man.,The nurse said she was a woman.,antistereo,gender\n"
    "2,Same.,Same.,stereo,age\n"
)


def test_what_was_read_is_told_in_one_line_and_the_suite_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("crows.csv").write_text(CROWS, encoding="utf-8")
    assert main(["import", "crows-pairs", "crows.csv", "-o", "suites/crows.yaml"]) == 0
    told = "suites/crows.yaml: 3 rows read, 2 pairs kept, 1 row left out (1 with two equal sentences)\n"
    assert capsys.readouterr().out == told
    assert sorted(path.name for path in Path("suites").iterdir()) == ["crows.yaml"]
    assert main(["lint", "suites/crows.yaml"]) == 0


def test_bad_input_is_told_and_nothing_is_written(told: Told, tmp_path: Path) -> None:
    assert told("import", "crows-pairs", "no.csv", "-o", "x.yaml") == "no.csv: no such file or directory"
    (tmp_path / "bad.csv").write_text(CROWS.replace(",antistereo,", ",neither,"), encoding="utf-8")
    assert told("import", "crows-pairs", "bad.csv", "-o", "x.yaml") == (
        "bad.csv:3: stereo_antistereo: unknown direction (got 'neither'); expected stereo or antistereo"
    )
    assert told("import", "crows", "bad.csv", "-o", "x.yaml") == (
        "unknown data set 'crows'; expected crows-pairs, winobias or winogender; did you mean 'crows-pairs'?"
    )
    (tmp_path / "x.yaml").mkdir()
    good = tmp_path / "good.csv"
    good.write_text(CROWS, encoding="utf-8")
    said = told("import", "crows-pairs", "good.csv", "-o", "x.yaml", code=4)
    assert said == "x.yaml: cannot be written (Is a directory)"
