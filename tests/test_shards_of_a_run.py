"""Shards that are joined are the run that was not cut: tables, findings, coverage, verdict."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import holdout
from audit.api import Request, gate_again, run_audit
from audit.cli import main
from audit.config import RunConfig
from audit.loader import load_suite
from audit.merging import merge_shards
from audit.progress import Watcher
from audit.results import Shard, Verdict
from audit.sharding import left_to
from audit.store import RunFolder
from tests.folders import listing
from tests.test_killed_runs import result
from tests.test_resumed_runs import Measured, measured  # noqa: F401 - a fixture
from tests.tiny_embedding_suite import EMBEDDING_SUITE
from tests.tiny_model import write_nan_model
from tests.tiny_suite import write_suite

QUIET = Watcher(quiet=True)
EFFECTS = [name + row for row in ("", "_next") for name in ("nie", "nde", "zero", "mean", "uniform")]
PROBES = ("attention", "likelihood", "generation", "causal", "ablation", "patterns")
POSSIBLE = RunConfig(
    preset="possible",
    probes=PROBES,
    batch_size=5,
    min_bias=0.01,
    q=0.99,
    ablation={"kinds": ("zero",), "sets": 20, "priced": 2},  # type: ignore[arg-type]
    detail=5,
)
ALL = POSSIBLE.model_copy(update={"causal": POSSIBLE.causal.model_copy(update={"heads": "all"})})
#: Pairs of another task, one of which no window of 64 tokens takes.
ASIDES = f"""\
suite: tiny-asides
version: 1
axis: gender
task: sentence
arms:
  - {{id: she, group: female}}
  - {{id: he, group: male}}
pairs:
  - {{id: short, she: "She met a nurse .", he: "He met a nurse ."}}
  - {{id: long, she: "She {"met a nurse . " * 20}", he: "He {"met a nurse . " * 20}"}}
  - {{id: other, she: "The pilot asked a question . She", he: "The pilot asked a question . He"}}
"""


@dataclass(frozen=True)
class Place:
    """Suites of three tasks in a folder, and a model."""

    folder: Path
    model: Path

    @cache  # noqa: B019 - lives as long as the module's tests
    def run(self, config: str, limit: int | None = None, shard: str = "") -> RunFolder:
        """The whole run, or one of its shards."""
        texts = {"jobs": None, "asides": ASIDES, "words": EMBEDDING_SUITE}
        files = [
            write_suite(self.folder, name=f"{name}.yaml", **({} if text is None else {"text": text}))
            for name, text in texts.items()
        ]
        index, _, of = shard.partition("/")
        request = Request(
            suites=tuple(load_suite(file) for file in files),
            model=str(self.model),
            config={"possible": POSSIBLE, "all": ALL}[config],
            out=self.folder / "runs" / f"{config}-{limit}-{index}-{of}",
            limit=limit,
            formats=(),
            shard=Shard(index=int(index), of=int(of)) if shard else None,
        )
        return run_audit(request, QUIET)

    def shards(self, count: int, config: str, limit: int | None = None) -> list[RunFolder]:
        return [self.run(config, limit, f"{index}/{count}") for index in range(1, count + 1)]

    def merged(self, count: int, config: str, limit: int | None = None) -> RunFolder:
        folders = [each.path for each in self.shards(count, config, limit)]
        out = self.folder / "merged" / f"{config}-{limit}-{count}"
        return merge_shards(folders[::-1], out, QUIET, formats=())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Place:
    return Place(tmp_path_factory.mktemp("shards"), tiny_folder)


def content(run: RunFolder) -> dict[str, Any]:
    """``audit.json`` without its two time stamps and without what heads did on held-out halves."""
    told: dict[str, Any] = json.loads((run.path / "audit.json").read_text(encoding="utf-8"))
    for moment in ("started", "finished"):
        del told["environment"][moment]
    del told["held_out"]
    return told


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_joined_shards_are_the_run_that_was_not_cut(place: Place, count: int) -> None:
    whole, joined = place.run("all"), place.merged(count, "all")
    assert content(joined) == content(whole)
    assert joined.table_names == whole.table_names
    for name in whole.table_names:
        file = f"{name}.parquet"
        assert (joined.path / file).read_bytes() == (whole.path / file).read_bytes(), file
    assert listing(joined.path / "detail").keys() == listing(whole.path / "detail").keys()
    assert whole.audit.coverage.skipped == 1
    assert whole.audit.held_out


def close(one: Any, other: Any, path: str = "") -> None:
    """All words and counts alike, all other numbers within 1e-4."""
    assert type(one) is type(other), path
    match one:
        case dict():
            assert one.keys() == other.keys(), path
            for key in one:
                close(one[key], other[key], f"{path}.{key}")
        case list():
            assert len(one) == len(other), path
            for number, pair in enumerate(zip(one, other, strict=True)):
                close(*pair, f"{path}[{number}]")
        case float():
            assert one == pytest.approx(other, abs=1e-4), path
        case _:
            assert one == other, path


def test_only_the_effects_that_the_whole_run_measures_are_left(place: Place) -> None:
    whole, joined = place.run("possible"), place.merged(3, "possible")
    found, wanted = content(joined), content(whole)
    for told in (found, wanted):
        for finding in (*told["heads"], *told["gate"]["checks"]):
            for text in ("why", "reasons"):
                finding.pop(text, None)
    close(found, wanted)
    for name in ("pairs", "outputs"):
        pd.testing.assert_frame_equal(joined.table(name), whole.table(name), check_exact=True)
    heads, own = whole.table("heads"), joined.table("heads")
    columns = [name for name in heads if name not in EFFECTS]
    pd.testing.assert_frame_equal(own[columns], heads[columns], check_exact=True)
    np.testing.assert_allclose(own[EFFECTS].to_numpy(), heads[EFFECTS].to_numpy(), rtol=0, atol=1e-4)
    every = place.run("all").table("heads")
    for row in ("nie", "nie_next"):
        assert 0 < heads[row].notna().mean() < every[row].notna().mean()
    assert joined.audit.held_out == whole.audit.held_out


def test_a_limit_is_that_of_the_whole_run(place: Place) -> None:
    whole, joined = place.run("all", 60), place.merged(2, "all", 60)
    assert content(joined) == content(whole)
    told = [(reason.reason, reason.count) for reason in joined.audit.coverage.skipped_reasons]
    assert told == [("left out: the run was limited to 60 pairs", 16)]


def test_every_shard_says_what_it_is_and_never_passes(place: Place) -> None:
    shards, order = place.shards(3, "all"), place.run("all").table("pairs")["pair_id"].tolist()
    owned: list[str] = []
    for index, run in enumerate(shards, start=1):
        shard, pairs = Shard(index=index, of=3), run.table("pairs")
        assert run.audit.verdict is Verdict.INCONCLUSIVE
        assert run.audit.coverage.shard == shard
        assert json.loads((run.path / "manifest.json").read_text())["shard"] == {"index": index, "of": 3}
        assert pairs["pair_id"].tolist() == order
        reasons = {left_to(Shard(index=other, of=3)) for other in (1, 2, 3) if other != index}
        left = pairs["reason"].isin(list(reasons))
        assert set(pairs.loc[left, "reason"]) == reasons
        assert set(pairs.loc[left, "status"]) == {"skipped"}
        own = pairs.loc[pairs["status"] == "measured", "pair_id"].tolist()
        assert 15 <= len(own) <= 35
        assert {*run.table("outputs")["pair_id"], *run.table("heads")["pair_id"]} == {*own}
        owned += own
    assert sorted(owned) == sorted(set(order) - {"long"})
    told = {limit.id: limit.text for limit in place.run("all", None, "1/3").audit.limits}
    assert told["shard"] == (
        "This is shard 1 of 3, with 30 of 76 pairs; nothing here holds for the whole run. Held-out halves need all "
        "pairs; none were tried. `evenhand merge` joins the shards and decides."
    )


def test_what_needs_the_model_says_so(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, joined = place.run("all").audit.held_out, place.merged(2, "all").audit.held_out
    assert [result.reason for result in whole] == [result.reason for result in joined]
    monkeypatch.setattr(holdout, "CHOICE_LEVEL", 1.0)  # heads are chosen, but there is nothing to try them on
    again = merge_shards([each.path for each in place.shards(2, "all")], tmp_path / "run", QUIET, formats=())
    assert {result.reason for result in again.audit.held_out} == {
        "heads are tried on a model, and shards were joined without it; a run that is not cut into shards tries them"
    }
    assert [(each.half, each.choosing, each.trying) for each in again.audit.held_out] == [
        (each.half, each.choosing, each.trying) for each in whole
    ]


def test_records_of_the_whole_run_are_those_of_its_shards(
    place: Place,
    tmp_path: Path,
    measured: Measured,  # noqa: F811 - a fixture
) -> None:
    whole = place.run("all")
    shutil.copytree(whole.path, tmp_path / "run")
    shard = place.run("all", None, "2/3")
    measured.clear()
    request = Request(
        tuple(load_suite(suite.file) for suite in whole.audit.suites),
        str(place.model),
        ALL,
        tmp_path / "run",
        formats=(),
        shard=Shard(index=2, of=3),
    )
    run_audit(request, QUIET)
    assert measured == []
    assert result(tmp_path / "run") == result(shard.path)


def test_a_pair_that_fails_in_its_shard_fails_in_the_run(tmp_path: Path) -> None:
    broken = Place(tmp_path, write_nan_model(tmp_path / "model", "pilot"))
    whole, joined = broken.run("all"), broken.merged(2, "all")
    assert whole.audit.verdict is Verdict.ERROR
    assert whole.audit.coverage.failed == 31
    assert content(joined) == content(whole)


def test_joined_shards_are_decided_again_like_any_run(place: Place, tmp_path: Path) -> None:
    joined = place.merged(2, "all")
    shutil.copytree(joined.path, tmp_path / "run")
    assert gate_again(tmp_path / "run", None).audit == joined.audit


def test_more_shards_than_batches_leave_some_without_pairs(place: Place, tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path, ASIDES, "asides.yaml"))
    config = ALL.model_copy(update={"batch_size": None})
    request = Request((suite,), str(place.model), config, tmp_path / "whole", formats=())
    shards = [
        replace(request, out=tmp_path / str(index), shard=Shard(index=index, of=3)) for index in (1, 2, 3)
    ]
    runs = [run_audit(each, QUIET) for each in shards]
    assert sorted(run.audit.coverage.measured for run in runs) == [0, 0, 2]
    assert {run.audit.verdict for run in runs} == {Verdict.INCONCLUSIVE}
    joined = merge_shards([run.path for run in runs], tmp_path / "joined", QUIET, formats=())
    assert content(joined) == content(run_audit(request, QUIET))


def test_the_commands_of_a_matrix(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path)
    command = ["run", "jobs.yaml", "--model", str(place.model), "--probes", "attention,likelihood"]
    for shard in ("1/2", "2/2"):
        assert main([*command, "--shard", shard]) == 3
    said = capsys.readouterr().out
    assert "This is shard 2 of 2, with 41 of 73 pairs; nothing here holds" in " ".join(said.split())
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == ["jobs-1-of-2", "jobs-2-of-2"]
    assert main(["merge", "runs/jobs-1-of-2", "runs/jobs-2-of-2", "--out", "runs/jobs"]) == 3
    said = capsys.readouterr().out
    assert "73 of 73 pairs measured" in said
    assert "shard" not in said
    assert "report  runs/jobs/report.html" in said
