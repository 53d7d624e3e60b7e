"""The formats come in through the entry points, all from one command, and read nothing but the run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.cli.app import main
from audit.registry import REPORTS
from tests.reports.edge_runs import write_edge

FILES = {
    "junit": ["junit.xml"],
    "sarif": ["evenhand.sarif"],
    "gitlab": ["gl-code-quality-report.json"],
    "markdown": ["report.md"],
    "csv": ["csv/checks.csv", "csv/findings.csv", "csv/heads.csv", "csv/pairs.csv"],
}


def test_all_are_published() -> None:
    assert set(FILES) <= set(REPORTS.names())
    assert [REPORTS.get(name).name for name in FILES] == list(FILES)


def test_one_command_writes_them_all_and_tells_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_edge(tmp_path, "all failed")
    assert main(["report", str(tmp_path), "--format", ",".join(FILES)]) == 0
    expected = [tmp_path / file for files in FILES.values() for file in files]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in expected]
    assert all(path.stat().st_size for path in expected)
    assert not list(tmp_path.rglob(".*"))


def test_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    audit = write_edge(tmp_path, "all waived")

    def contents() -> dict[str, bytes]:
        paths = [path for name in FILES for path in REPORTS.get(name).render(tmp_path, audit)]
        return {path.name: path.read_bytes() for path in paths}

    assert contents() == contents()


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_table_is_named_and_the_old_file_stays(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_edge(tmp_path, "all failed")
    (tmp_path / "pairs.parquet").write_bytes(b"PAR1 no")
    first = tmp_path / FILES[name][0]
    first.parent.mkdir(exist_ok=True)
    first.write_text("old")
    code = main(["report", str(tmp_path), "--format", name])
    if name == "junit":  # needs no table
        assert code == 0
    else:
        assert code == 4
        assert "pairs.parquet: cannot be read as a table" in capsys.readouterr().err
        assert first.read_text() == "old"
