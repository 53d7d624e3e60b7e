"""Who signed a run, what a signature covers, and which keys are taken."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.api import gate_again, render
from audit.durable import json_bytes
from audit.errors import InputError, StoreError
from audit.store import open_run
from audit.verify import verify
from tests.conftest import Told
from tests.evidence import faults, write_evidence
from tests.folders import listing


@pytest.fixture
def place(signed_place: Path) -> Path:
    """Keys, a suite and a signed run of it."""
    return signed_place


@pytest.fixture
def run(signed_run: Path) -> Path:
    """A copy of the run that a test may spoil."""
    return signed_run


def reseal(run: Path, change: Callable[[dict[str, object]], None]) -> None:
    """What somebody who knows evenhand writes: hashes that fit each other."""
    found = json.loads((run / "renders.json").read_text(encoding="utf-8"))
    del found["sha256"]
    change(found)
    found["sha256"] = hashlib.sha256(json_bytes(found)).hexdigest()
    (run / "renders.json").write_bytes(json_bytes(found))


def forge(run: Path, name: str, old: bytes, new: bytes) -> None:
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
    run: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = open_run(run).audit
    gate = audit.gate.model_copy(update={"why": "Decided on another day."})
    decided = audit.model_copy(update={"gate": gate})
    monkeypatch.setattr("audit.conclude.conclude", lambda *_, **__: decided)
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
    with pytest.raises(InputError, match=r"a key of another kind \(got EC\); expected Ed25519$"):
        private_key(file)
    own = ed25519.Ed25519PrivateKey.generate()
    file.write_bytes(own.private_bytes(*pem, BestAvailableEncryption(b"secret")))
    with pytest.raises(InputError, match=r"has a password; expected a key without one$"):
        private_key(file)
