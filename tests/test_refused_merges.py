"""Shards that are not those of one run, all, finished and sound are refused, and nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from audit.api import Request, run_audit
from audit.config import RunConfig
from audit.loader import load_suite
from audit.progress import Watcher
from audit.results import Shard
from tests.conftest import Told
from tests.tiny_suite import write_suite


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """Two shards, ``a`` and ``b``."""
    folder = tmp_path_factory.mktemp("made")
    config = RunConfig(probes=("attention", "likelihood"), batch_size=8, detail=0)
    for index, name in ((1, "a"), (2, "b")):
        suite = load_suite(write_suite(folder))
        shard = Shard(index=index, of=2)
        run_audit(
            Request((suite,), str(tiny_folder), config, folder / name, limit=40, formats=(), shard=shard),
            Watcher(quiet=True),
        )
    return folder


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> Path:
    """Copies that a test may spoil, in its working folder."""
    for name in ("a", "b"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def renumber(folder: Path, index: int, of: int) -> None:
    edit(folder, lambda manifest: manifest["shard"].update(index=index, of=of))


def test_a_shard_that_is_missing(shards: Path, told: Told) -> None:
    expected = "expected all shards of the run"
    assert told("merge", "a", "--out", "m") == f"shard: 2 of 2 is missing; {expected}"
    renumber(shards / "b", 3, 4)
    renumber(shards / "a", 1, 4)
    assert told("merge", "b", "a", "--out", "m") == f"shard: 2, 4 of 4 are missing; {expected}"


def test_a_shard_that_is_there_twice(shards: Path, told: Told) -> None:
    shutil.copytree(shards / "b", shards / "c")
    said = "{} is shard 2 of 2, and so is {}; expected each shard once"
    assert told("merge", "a", "b", "c", "--out", "m") == said.format("c:", "b")
    assert told("merge", "b", "a", "b", "--out", "m") == said.format("b:", "b")


def test_shards_of_runs_that_were_cut_otherwise(shards: Path, told: Told) -> None:
    renumber(shards / "b", 2, 3)
    said = "b: is shard 2 of 3, but a is shard 1 of 2; expected shards of one run"
    assert told("merge", "a", "b", "--out", "m") == said


def test_a_whole_run_is_no_shard(shards: Path, told: Told) -> None:
    edit(shards / "b", lambda manifest: manifest.update(shard=None))
    said = (
        "b/manifest.json: shard: a whole run, not a shard; expected folders of `evenhand run … --shard I/N`"
    )
    assert told("merge", "a", "b", "--out", "m") == said


def test_an_unfinished_shard(shards: Path, told: Told) -> None:
    (shards / "b" / "audit.json").unlink()
    assert told("merge", "a", "b", "--out", "m") == (
        "b/audit.json: an unfinished run (audit.json is written last); start it again, it goes on where it was cut"
    )
    shutil.rmtree(shards / "b")
    assert told("merge", "a", "b", "--out", "m") == (
        "b/audit.json: no finished run here (No such file or directory); expected audit.json"
    )


def test_a_manifest_that_is_none(shards: Path, told: Told) -> None:
    for part in ("model", "suites", "probes", "environment", "records", "limit"):
        edit(shards / "b", lambda manifest, part=part: manifest.pop(part))
        assert told("merge", "a", "b", "--out", "m") == "b/manifest.json: not a manifest; run the shard again"
        shutil.copyfile(shards / "a" / "manifest.json", shards / "b" / "manifest.json")
    edit(shards / "b", lambda manifest: manifest["shard"].update(index="two"))
    assert told("merge", "a", "b", "--out", "m") == "b/manifest.json: not a manifest; run the shard again"
    (shards / "b" / "manifest.json").unlink()
    assert told("merge", "a", "b", "--out", "m").startswith("b/manifest.json: cannot be read (No such file")


def versions(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["environment"]["versions"].update({name: "0.0"})


DIFFERENT: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "weights": (
        lambda manifest: manifest["model"]["hashes"].update({"model.safetensors": "f" * 64}),
        "model.hashes.model.safetensors",
        "ffffffffffff…",
    ),
    "tokenizer": (
        lambda manifest: manifest["model"]["hashes"].pop("tokenizer.json"),
        "model.hashes.tokenizer.json",
        "nothing",
    ),
    "number type": (lambda manifest: manifest["model"].update(dtype="bfloat16"), "model.dtype", "bfloat16"),
    "device": (lambda manifest: manifest["model"].update(device="cuda:0"), "model.device", "cuda"),
    "route": (lambda manifest: manifest["model"].update(attention_route="r"), "model.attention_route", "r"),
    "suite": (lambda manifest: manifest["suites"][0].update(sha256="0"), "suites[0].sha256", "0"),
    "suites": (lambda manifest: manifest.update(suites=manifest["suites"][1:]), "suites", "0"),
    "seed": (lambda manifest: manifest["config"].update(seed=7), "config.seed", "7"),
    "batch size": (
        lambda manifest: manifest["config"].update(batch_size=None),
        "config.batch_size",
        "nothing",
    ),
    "threshold": (lambda manifest: manifest["config"].update(q=0.1), "config.q", "0.1"),
    "limit": (lambda manifest: manifest.update(limit=None), "limit", "nothing"),
    "probe": (
        lambda manifest: manifest["probes"]["pairs"].update(attention="0"),
        "probes.pairs.attention",
        "0",
    ),
    "source": (
        lambda manifest: manifest["records"].update(source="e" * 64),
        "records.source",
        "eeeeeeeeeeee…",
    ),
    **{
        name: (versions(name), f"environment.versions.{name}", "0.0")
        for name in ("evenhand", "torch", "transformers", "tokenizers", "numpy")
    },
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_shards_that_were_measured_otherwise(shards: Path, told: Told, what: str) -> None:
    change, place, got = DIFFERENT[what]
    edit(shards / "b", change)
    lines = told("merge", "a", "b", "--out", "m").splitlines()
    said = f"b/manifest.json: {place}: not as in shard 1 of 2, a (got {got}); expected "
    assert any(line.startswith(said) for line in lines), lines
    assert all(line.startswith(f"b/manifest.json: {place}") for line in lines)


def test_every_difference_is_told_at_once(shards: Path, told: Told) -> None:
    edit(shards / "b", lambda manifest: manifest["config"].update(seed=7))
    edit(shards / "b", versions("torch"))
    edit(shards / "a", lambda manifest: manifest["environment"]["versions"].update(torch="1.0"))
    assert told("merge", "a", "b", "--out", "m") == (
        "b/manifest.json: config.seed: not as in shard 1 of 2, a (got 7); expected 0\n"
        "b/manifest.json: environment.versions.torch: not as in shard 1 of 2, a (got 0.0); expected 1.0"
    )


@pytest.mark.parametrize("table", ["pairs", "outputs", "heads"])
def test_a_damaged_table(shards: Path, told: Told, table: str) -> None:
    file = shards / "b" / f"{table}.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    said = told("merge", "a", "b", "--out", "m", code=4)
    assert said == f"b/{table}.parquet: not what the shard wrote (manifest.json tells); run the shard again"
    file.unlink()
    said = told("merge", "a", "b", "--out", "m", code=4)
    assert said == f"b/{table}.parquet: cannot be read (No such file or directory); run the shard again"


def rewrite(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], table: str = "pairs") -> None:
    """Another table, with its hash in the manifest."""
    import hashlib

    file = folder / f"{table}.parquet"
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    edit(folder, lambda manifest: manifest["files"].update({file.name: digest}))


def test_a_pair_without_some_of_its_heads(shards: Path, told: Told) -> None:
    rewrite(shards / "b", lambda heads: heads[heads["head"] + heads["layer"] != 1], "heads")
    lost = told("merge", "a", "b", "--out", "m")
    assert lost.startswith("b/heads.parquet: pair '")
    assert lost.endswith("': some of its heads are missing")


def test_shards_with_other_pairs(shards: Path, told: Told) -> None:
    rewrite(shards / "b", lambda pairs: pairs.assign(text_a=pairs["text_a"] + "!"))
    said = "b/pairs.parquet: not the pairs of shard 1 of 2, a; expected shards of one run"
    assert told("merge", "a", "b", "--out", "m") == said


def test_pairs_of_no_shard_and_of_two(shards: Path, told: Told) -> None:
    rewrite(shards / "b", lambda pairs: pairs.assign(status="skipped", reason="left to shard 1 of 2"))
    lost = told("merge", "a", "b", "--out", "m")
    assert lost.startswith("a: pair '")
    assert lost.endswith("': no shard tells what became of it; expected shards of one run")
    rewrite(shards / "b", lambda pairs: pairs.assign(status="measured", reason=None))
    twice = told("merge", "a", "b", "--out", "m")
    assert twice.endswith("': more than one shard measured it; expected shards of one run")


def test_a_place_that_is_none(shards: Path, told: Told) -> None:
    said = "b: is one of the shards; choose another folder with --out"
    assert told("merge", "a", "b", "--out", "b") == said
    (shards / "thesis").mkdir()
    (shards / "thesis" / "all.txt").touch()
    said = "thesis: holds files that are not a run; choose another folder with --out"
    assert told("merge", "a", "b", "--out", "thesis") == said


def test_what_changes_no_number_may_differ(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from audit.cli import main

    def elsewhere(manifest: dict[str, Any]) -> None:
        manifest["model"]["name"] = "/mnt/model"
        manifest["suites"][0]["file"] = "/mnt/jobs.yaml"
        manifest["environment"]["versions"]["pandas"] = "0.0"
        manifest["environment"]["threads"] = 64

    edit(shards / "b", elsewhere)
    file = shards / "b" / "audit.json"
    content = json.loads(file.read_text())
    content["environment"].update(threads=64, started="2020-01-01T00:00:00+00:00", processor="other")
    content["environment"]["versions"]["pandas"] = "0.0"
    file.write_text(json.dumps(content))
    command = ["merge", str(shards / "b"), str(shards / "a"), "--out", str(shards / "m")]
    assert main([*command, "--json"]) == 3
    summary = json.loads(capsys.readouterr().out)
    assert (summary["planned"], summary["measured"], summary["folder"]) == (73, 40, str(shards / "m"))
    first = json.loads((shards / "a" / "audit.json").read_text())["environment"]
    found = json.loads((shards / "m" / "audit.json").read_text())["environment"]
    assert found["threads"] == f"{first['threads']}; 64"
    assert found["processor"] == f"{first['processor']}; other"
    assert found["versions"]["pandas"] == f"{first['versions']['pandas']}; 0.0"
    assert found["versions"]["torch"] == first["versions"]["torch"]
    finished = max(first["finished"], content["environment"]["finished"])
    assert (found["started"], found["finished"]) == ("2020-01-01T00:00:00+00:00", finished)
    made_of = json.loads((shards / "m" / "manifest.json").read_text())["shards"]
    assert [each["shard"]["index"] for each in made_of] == [1, 2]
    assert made_of[1]["environment"]["threads"] == 64
    assert (shards / "m" / "report.html").exists()
    assert main([*command, "--quiet"]) == 3  # into the same folder once more
    assert capsys.readouterr() == ("", "")
