"""`evenhand verify` finds one changed byte anywhere in a run folder, and any file that came, went or moved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.api import gate_again, render
from audit.cli import main
from audit.errors import InputError, StoreError
from audit.verify import verify
from tests.conftest import Told
from tests.evidence import write_evidence, write_keys
from tests.folders import listing


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys, a suite and a run of it that is signed and rendered."""
    folder = tmp_path_factory.mktemp("evidence")
    write_keys(folder)
    write_keys(folder, "other")
    render(write_evidence(folder / "run"), ("in-toto",), folder / "key.pem")
    return folder


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(place / "run", tmp_path / "run")
    return tmp_path / "run"


def faults(folder: Path, key: Path | None = None) -> list[str]:
    return [str(fault).removeprefix(f"{folder}/") for fault in verify(folder, key).faults]


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
    yield from dict.fromkeys(at for at in (0, size // 3, size // 2, size - 1) if 0 <= at < size)


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


def reseal(run: Path, change: Callable[[dict[str, object]], None]) -> None:
    """What somebody who knows evenhand writes: hashes that fit each other."""
    import hashlib

    from audit.durable import json_bytes

    found = json.loads((run / "renders.json").read_text(encoding="utf-8"))
    del found["sha256"]
    change(found)
    found["sha256"] = hashlib.sha256(json_bytes(found)).hexdigest()
    (run / "renders.json").write_bytes(json_bytes(found))


def forge(run: Path, name: str, old: bytes, new: bytes) -> None:
    import hashlib

    file = run / name
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    def change(found: dict[str, object]) -> None:
        if name in ("audit.json", "manifest.json"):
            found[name.split(".")[0]] = digest
        else:
            found["renders"][name]["sha256"] = digest  # type: ignore[index]

    reseal(run, change)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("audit.json", b'"verdict": "FAIL"', b'"verdict": "PASS"'),
        ("manifest.json", b'"verdict": "FAIL"', b'"verdict": "PASS"'),
        ("report.html", b"Hold the release", b"Give the release"),
    ],
)
def test_forged_hashes_do_not_fool_a_signature(
    run: Path, place: Path, name: str, old: bytes, new: bytes
) -> None:
    forge(run, name, old, new)
    told = f"test-result.intoto.json: is about another {name} than this one"
    assert told in faults(run)
    assert told in faults(run, place / "key.pub")


def test_a_signature_of_somebody_else_is_told(run: Path, place: Path) -> None:
    assert faults(run, place / "other.pub") == ["test-result.intoto.json: not signed with this key"]
    render(run, ("in-toto",), place / "other.pem")
    assert faults(run, place / "key.pub") == ["test-result.intoto.json: not signed with this key"]
    assert faults(run, place / "other.pub") == []


def test_a_run_that_should_be_signed_and_is_not(tmp_path: Path, place: Path) -> None:
    run = write_evidence(tmp_path / "run")
    told = "test-result.intoto.json: missing; `evenhand report --format in-toto --sign KEY` signs the run"
    assert faults(run, place / "key.pub") == [told]
    render(run, ("in-toto",))
    assert verify(run).notes == ("test-result.statement.json is not signed",)
    assert faults(run, place / "key.pub") == [told]


def test_a_render_after_the_signature_is_not_vouched_for_by_it(run: Path, place: Path) -> None:
    forged = run / "report-2.html"
    shutil.copyfile(run / "report.html", forged)
    reseal(run, lambda found: found["renders"].update({forged.name: found["renders"]["report.html"]}))  # type: ignore[attr-defined, index]
    found = verify(run, place / "key.pub")
    assert found.faults == ()
    assert found.notes == ("report-2.html is not signed: it was rendered after test-result.intoto.json",)


def test_a_decision_that_was_taken_again_makes_old_renders_and_signatures_stale(
    run: Path, place: Path
) -> None:
    gate_again(run, None)
    told = faults(run)
    assert told
    assert {fault.split(": ")[0] for fault in told} == {"test-result.intoto.json"}
    assert (
        "test-result.intoto.json: made from another audit.json than this one; "
        "`evenhand report --format in-toto` renders it again" in told
    )
    render(run, ("html", "in-toto"), place / "key.pem")
    assert faults(run, place / "key.pub") == []


def test_what_is_damaged_is_not_signed(run: Path, place: Path) -> None:
    (run / "outputs.parquet").write_bytes(b"PAR1")
    before = listing(run)
    with pytest.raises(StoreError) as caught:
        render(run, ("in-toto",), place / "key.pem")
    assert str(caught.value).splitlines() == [
        f"{run}/outputs.parquet: not what was written (manifest.json tells); run the audit again",
        f"{run}: not signed, since it is not what the run wrote",
    ]
    assert listing(run) == before


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


def test_bad_arguments_are_refused(told: Told, tmp_path: Path, place: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert told("verify", "empty") == "empty: no finished run here; expected audit.json"
    assert told("verify", "absent") == "absent: no finished run here; expected audit.json"
    run = str(place / "run")
    (tmp_path / "no.key").write_text("no key\n", encoding="utf-8")
    make = "`openssl pkey -in KEY -pubout -out PUB` makes the public one of a private one"
    assert told("verify", run, "--key", "no.key") == f"no.key: not a public key in a PEM file; {make}"
    assert told("verify", run, "--key", "gone") == "gone: cannot be read (No such file or directory)"
    private = str(place / "key.pem")
    assert (
        told("verify", run, "--key", private) == f"{private}: a private key; expected the public one; {make}"
    )
    assert told("report", run, "--sign", private) == (
        "--sign: html cannot be signed; expected --format in-toto"
    )
    assert told("report", run, "--format", "in-toto", "--sign", "no.key") == (
        "no.key: not a private key in a PEM file; `openssl genpkey -algorithm ed25519 -out KEY` makes one"
    )


def test_keys_of_another_kind_and_with_a_password_are_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    from audit.dsse import private_key

    file = tmp_path / "key.pem"
    pem = (Encoding.PEM, PrivateFormat.PKCS8)
    file.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*pem, NoEncryption()))
    with pytest.raises(InputError, match=r"a key of another kind \(got ECPrivateKey\); expected Ed25519$"):
        private_key(file)
    own = ed25519.Ed25519PrivateKey.generate()
    file.write_bytes(own.private_bytes(*pem, BestAvailableEncryption(b"secret")))
    with pytest.raises(InputError, match=r"has a password; expected a key without one$"):
        private_key(file)


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"null", b"[" * 100_000, b'{"files": {"../x": "y"}, "model": []}']
)
def test_a_manifest_of_anything_is_told_without_a_traceback(run: Path, content: bytes) -> None:
    (run / "manifest.json").write_bytes(content)
    assert any(fault.startswith("manifest.json: ") for fault in faults(run))
