"""A run into a folder with records: what is stale or broken is measured again, everything else is not."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit import api, batches, store
from audit.api import Request, run_audit
from audit.cli import main
from audit.config import Check
from audit.errors import InputError, StoreError
from audit.loader import load_suite
from audit.progress import Watcher
from audit.store import RunFolder, check_target, open_run
from tests.conftest import request_for
from tests.folders import listing
from tests.test_killed_runs import result
from tests.tiny_suite import SUITE, write_suite

QUIET = Watcher(quiet=True)


class Measured(list[tuple[int, int]]):
    """Stage and number of pairs of every batch that was measured; and stage and pairs by name."""

    ids: list[tuple[object, ...]]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    noted, measure_batch = Measured(), batches.measure_batch
    noted.ids = []

    def noting(model, batch, *rest):  # type: ignore[no-untyped-def]
        noted.append((batch.stage, len(batch.pairs)))
        noted.ids.append((batch.stage, *(pair.pair_id for pair in batch.pairs)))
        return measure_batch(model, batch, *rest)

    monkeypatch.setattr(batches, "measure_batch", noting)
    return noted


@pytest.fixture
def request_again(copy: Path, folder: Path, tiny_folder: Path) -> Request:
    return replace(request_for(folder, tiny_folder, "x"), out=copy)


def configured(request: Request, **fields: object) -> Request:
    return replace(request, config=request.config.model_copy(update=fields))


def test_a_run_that_is_made_again_measures_nothing(
    done: RunFolder,
    copy: Path,
    request_again: Request,
    measured: Measured,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_audit(request_again, Watcher())
    assert measured == []
    assert result(copy) == result(done.path)
    assert (
        capsys.readouterr().err == "evenhand: 73 of 73 pairs were measured before; their records are used\n"
    )
    manifests = [json.loads((each / "manifest.json").read_text()) for each in (copy, done.path)]
    assert manifests[0]["records"] == manifests[1]["records"]


def other_model(request: Request, folder: Path) -> Request:
    shutil.copytree(request.model, folder / "model")
    file = folder / "model" / "config.json"
    file.write_text(file.read_text() + "\n")
    return replace(request, model=str(folder / "model"))


def other_text(request: Request, folder: Path) -> Request:
    file = write_suite(
        folder, SUITE.replace(". {Pronoun}", " . {Pronoun}").replace(". On", " . On"), "s.yaml"
    )
    assert file.read_text() != SUITE
    return replace(request, suites=(load_suite(file),))


STALE: dict[str, Callable[[Request, Path], Request]] = {
    "model": other_model,
    "suite": other_text,
    "seed": lambda request, _: configured(request, seed=1),
    "dtype": lambda request, _: configured(request, dtype="bfloat16"),
    "batch size": lambda request, _: configured(request, batch_size=40),
    "no resume": lambda request, _: replace(request, resume=False),
}


@pytest.mark.parametrize("what", STALE)
def test_what_changed_is_measured_again(
    request_again: Request, measured: Measured, tmp_path: Path, what: str
) -> None:
    run_audit(STALE[what](request_again, tmp_path), QUIET)
    assert sum(pairs for stage, pairs in measured if stage == 1) == 73


def test_a_probe_of_another_version_measures_again(
    request_again: Request, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from probes.attention import AttentionProbe

    monkeypatch.setattr(AttentionProbe, "version", "another")
    run_audit(request_again, QUIET)
    assert sum(pairs for stage, pairs in measured if stage == 1) == 73


CHECK = Check(id="c", measure="likelihood_diff", at_most=9, set_by="A", reason="r", date="2026-01-01")  # type: ignore[arg-type]


def test_what_is_only_decided_otherwise_is_not_measured_again(
    request_again: Request, measured: Measured, copy: Path, tmp_path: Path
) -> None:
    moved = write_suite(tmp_path, "# moved\n" + SUITE)
    request = configured(request_again, checks=(CHECK,), preset="mine", power=0.9, detail=1)
    audit = run_audit(replace(request, suites=(load_suite(moved),)), QUIET).audit
    assert measured == []
    assert [check.id for check in audit.gate.checks] == ["c"]
    assert len(list((copy / "detail").iterdir())) == 1


def test_only_a_broken_record_is_measured_again(
    done: RunFolder,
    copy: Path,
    request_again: Request,
    measured: Measured,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = (copy / "records" / "ledger.jsonl").read_text().splitlines()
    files = Counter(json.loads(line)["file"] for line in ledger)  # batches that gave nothing share a file
    file = copy / "records" / next(name for name, count in files.items() if count == 1)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    run_audit(request_again, QUIET)
    assert len(measured) == 1
    assert capsys.readouterr().err == (
        f"evenhand: {file}: cannot be used (not what was written); its {measured[0][1]} pairs are measured again\n"
    )
    assert result(copy) == result(done.path)


def test_a_finished_run_keeps_no_records_of_other_runs(request_again: Request, copy: Path) -> None:
    run_audit(replace(request_again, limit=3), QUIET)
    ledger = (copy / "records" / "ledger.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["pairs"] for line in ledger) == 6
    files = {json.loads(line)["file"] for line in ledger}
    assert set(listing(copy / "records")) == {"ledger.jsonl", "lock", *files}


class Cut(BaseException):
    """Stands in for whatever ends a process."""


def test_an_unfinished_run_is_told_and_finished_by_the_same_command(
    folder: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: RunFolder
) -> None:
    out = tmp_path / "run"
    request = replace(request_for(folder, tiny_folder, "x"), out=out)

    def cut(*_args: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_audit", cut)
        with pytest.raises(Cut):
            run_audit(request, QUIET)
    assert [each.name for each in out.iterdir()] == ["records"]
    check_target(out)
    told = "an unfinished run (audit.json is written last); start it again, it goes on where it was cut"
    with pytest.raises(InputError) as caught:
        open_run(out)
    assert str(caught.value) == f"{out}/audit.json: {told}"
    run_audit(request, QUIET)
    assert result(out) == result(done.path)


def test_a_full_disk_at_the_end_leaves_the_old_run_and_all_records(
    copy: Path, request_again: Request, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    request, before = configured(request_again, seed=1), listing(copy)
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_table", full)
        with pytest.raises(StoreError) as caught:
            run_audit(request, QUIET)
    assert str(caught.value) == f"{copy}: cannot be written (No space left on device); nothing was changed"
    kept = listing(copy)
    changing = {"records/lock", "records/ledger.jsonl"}
    assert {name: kept.get(name) for name in before.keys() - changing} == {
        name: before[name] for name in before.keys() - changing
    }
    measured.clear()
    run_audit(request, QUIET)
    assert measured == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of its own, of as many KiB as one likes; skips where nobody may mount one."""
    place, options = tmp_path / "disk", ["size=4k"]
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options[0], "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")

    def resize(kibibytes: int) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(place)], check=True)
        return place

    yield resize
    subprocess.run(["umount", str(place)], check=True)


def test_a_run_goes_on_when_a_disk_that_was_full_has_room_again(
    request_again: Request, small_disk: Callable[[int], Path], measured: Measured, done: RunFolder
) -> None:
    """48 KiB hold some of the batches, 160 all of them but not the tables."""
    said = []
    for size in (48, 160):
        request = replace(request_again, out=small_disk(size) / "run")
        with pytest.raises(StoreError, match=r"cannot be written \(.*No space left on device") as caught:
            run_audit(request, QUIET)
        said.append(str(caught.value).removeprefix(str(request.out)))
        assert {each.name for each in request.out.iterdir()} == {"records"}
    assert said[0].startswith("/records: cannot be written (No space left on device); what was measured")
    assert said[1].endswith("No space left on device); nothing was changed")
    run_audit(replace(request_again, out=small_disk(4096) / "run"), QUIET)
    assert result(request.out) == result(done.path)
    assert len(measured.ids) - len(set(measured.ids)) <= 1


def test_a_run_that_is_being_written_is_left_alone(
    request_again: Request, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, load_model = listing(copy), api.load_model

    def second(*args: object) -> object:
        """While the first run loads its model, a second one comes."""
        monkeypatch.setattr(api, "load_model", load_model)
        with pytest.raises(
            InputError, match=r"another evenhand \(pid \d+, since .*\) is writing this run folder"
        ):
            run_audit(request_again, QUIET)
        raise Cut

    monkeypatch.setattr(api, "load_model", second)
    with pytest.raises(Cut):
        run_audit(request_again, QUIET)
    after = listing(copy)
    assert {**after, "records/lock": None} == {**before, "records/lock": None}


def test_the_command_tells_what_it_used_and_measures_anew_when_told(
    copy: Path, folder: Path, tiny_folder: Path, measured: Measured, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write_suite(folder)
    command = ["run", str(suite), "--model", str(tiny_folder), "--out", str(copy)]
    main([*command, "--json"])
    said = capsys.readouterr()
    assert (measured, said.err) == ([], "")
    main([*command, "--no-resume", "--quiet"])
    assert sum(pairs for stage, pairs in measured if stage == 1) == 73
    assert capsys.readouterr() == ("", "")
