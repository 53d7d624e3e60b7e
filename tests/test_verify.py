"""`evenhand verify` finds one changed byte anywhere in a run folder, and any file that came, went or moved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.api import render
from audit.cli import main
from audit.verify import verify
from tests.evidence import faults
from tests.folders import listing


@pytest.fixture
def place(signed_place: Path) -> Path:
    """Keys, a suite and a signed run of it."""
    return signed_place


@pytest.fixture
def run(signed_run: Path) -> Path:
    """A copy of the run that a test may spoil."""
    return signed_run


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_run_is_sound_and_its_signature_holds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, key = place / "run", place / "key.pub"
    before = listing(run)
    assert main(["verify", str(run), "--key", str(key)]) == 0
    said = capsys.readouterr()
    digest = verify(run).manifest
    assert said.err == ""
    assert said.out == (
        f"{run}: sound; signed with {key}: test-result.intoto.json; 15 files checked\n"
        f"manifest.json  sha256 {digest}\n"
    )
    assert listing(run) == before
    assert verify(run, key).signed == ("test-result.intoto.json",)
    assert verify(run).signed == ()
    (note,) = verify(run).notes
    assert note.startswith("who signed test-result.intoto.json is not checked")


def test_every_file_is_one_that_something_vouches_for(place: Path) -> None:
    assert verify(place / "run").files == len(files(place / "run")) == 15


def positions(size: int) -> Iterator[int]:
    yield from dict.fromkeys(at for at in (0, size // 2, size - 1) if 0 <= at < size)


def test_one_changed_byte_anywhere_is_found(run: Path) -> None:
    for file in files(run):
        whole = file.read_bytes()
        for at in positions(len(whole)):
            flipped = bytes([whole[at] ^ (1 << at % 8)])
            file.write_bytes(whole[:at] + flipped + whole[at + 1 :])
            name = file.relative_to(run).as_posix()
            assert any(fault.startswith(f"{name}: ") for fault in faults(run)), (name, at)
        file.write_bytes(whole)
    assert faults(run) == []


def test_a_byte_more_or_less_is_found(run: Path) -> None:
    for file in files(run):
        whole = file.read_bytes()
        for changed in (whole + b"\n", whole[:-1]):
            if changed != whole:
                file.write_bytes(changed)
                assert faults(run), file.name
        file.write_bytes(whole)


def test_a_file_that_went_or_moved_is_found(run: Path) -> None:
    for file in files(run):
        name, moved, whole = (
            file.relative_to(run).as_posix(),
            file.with_name(f"{file.name}.bak"),
            file.read_bytes(),
        )
        file.rename(moved)
        told = faults(run)
        assert any(fault.startswith(f"{name}: ") for fault in told), name
        assert any(fault.startswith(f"{name}.bak: ") for fault in told), name
        moved.unlink()
        assert any(fault.startswith(f"{name}: ") for fault in faults(run)), name
        file.write_bytes(whole)
    assert faults(run) == []


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".hidden",
        "detail/other.npz",
        "records/" + "a" * 64 + ".json",
        "new/deep/file",
        "line\nbreak",
    ],
)
def test_a_file_that_came_is_found(run: Path, name: str) -> None:
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes(b"")
    shown = name if name.isprintable() else ascii(name)
    assert faults(run) == [f"{shown}: written by no run and no report"]


def test_a_link_to_a_folder_is_a_file_that_came(run: Path, tmp_path: Path) -> None:
    (run / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    assert faults(run) == ["elsewhere: written by no run and no report"]


def test_two_files_that_changed_places_are_both_told(run: Path) -> None:
    one, two = sorted((run / "detail").iterdir())
    one.rename(run / "detail" / "x")
    two.rename(one)
    (run / "detail" / "x").rename(two)
    assert [fault.split(": ")[0] for fault in faults(run)] == [f"detail/{one.name}", f"detail/{two.name}"]


def test_each_fault_is_one_line_that_names_the_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "pairs.parquet").write_bytes(b"PAR1")
    (run / "report.html").unlink()
    capsys.readouterr()
    assert main(["verify", str(run)]) == 4
    said = capsys.readouterr()
    assert said.err == (
        f"{run}/pairs.parquet: not what was written (manifest.json tells); run the audit again\n"
        f"{run}/report.html: missing; `evenhand report --format html` renders it again\n"
    )
    assert "sound" not in said.out


def test_records_may_go_but_not_change(run: Path) -> None:
    shutil.rmtree(run / "records")
    found = verify(run)
    assert found.faults == ()
    assert found.notes[0] == "records/ is not there; nothing but the tables tells what was measured"


def test_a_suite_that_changed_is_told_and_one_that_is_not_here_is_noted(run: Path, place: Path) -> None:
    suite = place / "jobs.yaml"
    whole = suite.read_text(encoding="utf-8")
    try:
        suite.write_text(whole + "# later\n", encoding="utf-8")
        assert [str(fault) for fault in verify(run).faults] == [
            f"{suite}: not the suite that was run; it was changed since"
        ]
        suite.unlink()
        found = verify(run)
        assert found.faults == ()
        assert f"{suite} is not here; whether it is the suite that was run is not checked" in found.notes
    finally:
        suite.write_text(whole, encoding="utf-8")


def test_a_run_of_an_older_version_is_told_and_report_mends_what_it_can(run: Path) -> None:
    (run / "renders.json").unlink()
    (run / "test-result.intoto.json").unlink()
    told = [
        "renders.json: missing, so that nothing vouches for audit.json; `evenhand report` writes it anew",
        "report.html: no hash of this file is known",
    ]
    assert faults(run) == told
    render(run, ("html",))
    assert faults(run) == []


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"null", b"[" * 100_000, b'{"files": {"../x": "y"}, "model": []}']
)
def test_a_manifest_of_anything_is_told_without_a_traceback(run: Path, content: bytes) -> None:
    (run / "manifest.json").write_bytes(content)
    assert any(fault.startswith("manifest.json: ") for fault in faults(run))
