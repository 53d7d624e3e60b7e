"""Surveys in whole runs on the tiny model: head patterns beside the heads, embeddings with and without pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.api import Request, gate_again, run_audit
from audit.cli import main
from audit.loader import load_config, load_suite
from audit.patterns import MIXED, PATTERNS
from audit.progress import Watcher
from audit.results import Verdict
from audit.store import RunFolder, open_run
from tests.probes import tiny
from tests.tiny_embedding_suite import EMBEDDING_SUITE
from tests.tiny_model import tokenizer
from tests.tiny_suite import write_suite

LAYERS, HEADS = 3, 4


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> RunFolder:
    """A run of embedding tests alone."""
    place = tmp_path_factory.mktemp("words")
    suite = load_suite(write_suite(place, EMBEDDING_SUITE, "words.yaml"))
    return run_audit(
        Request((suite,), str(tiny_folder), load_config("quick")[0], place / "run"), Watcher(quiet=True)
    )


def test_every_head_of_a_run_has_its_pattern(done: RunFolder) -> None:
    table = done.table("patterns")
    assert table[["stream", "layer", "head"]].drop_duplicates().shape == (LAYERS * HEADS, 3)
    assert set(table["pattern"]) <= {*PATTERNS, MIXED}
    rows = table.set_index(["stream", "layer", "head"])[["pattern", "score"]]
    assert {head.pattern for head in done.audit.heads} != {None}
    for head in done.audit.heads:
        pattern, score = rows.loc[(head.stream, head.layer, head.head)]
        assert (head.pattern, head.pattern_score) == (pattern, score)
    (survey,) = done.audit.coverage.surveys
    assert (survey.probe, survey.planned, survey.measured, survey.asked) == ("patterns", 1, 1, False)


def test_a_run_without_the_survey_has_no_patterns_and_is_decided_again(
    done: RunFolder, tmp_path: Path, tiny_folder: Path
) -> None:
    config = load_config("quick")[0].model_copy(update={"probes": ("attention", "likelihood")})
    suite = load_suite(write_suite(tmp_path))
    run = run_audit(Request((suite,), str(tiny_folder), config, tmp_path / "run"), Watcher(quiet=True))
    assert not (run.path / "patterns.parquet").exists()
    assert {head.pattern for head in run.audit.heads} == {None}
    assert run.audit.coverage.surveys == ()
    assert gate_again(run.path, None).audit.heads == run.audit.heads


def test_a_lost_table_of_a_survey_is_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "patterns.parquet").unlink()
    capsys.readouterr()
    assert main(["gate", str(copy)]) == 4
    assert capsys.readouterr().err == f"{copy}/patterns.parquet: no such table; run the audit again\n"


def test_embeddings_alone_are_run_decided_and_told(words: RunFolder) -> None:
    audit = words.audit
    assert audit.verdict is Verdict.INCONCLUSIVE
    assert audit.gate.why.startswith("Undecided: nothing was measured that the check 'biased-heads'")
    assert (audit.coverage.planned, audit.coverage.measured, audit.heads) == (0, 0, ())
    assert {(s.probe, s.planned, s.measured) for s in audit.coverage.surveys} == {
        ("patterns", 1, 1),
        ("embedding", 5, 5),
    }
    found = [(f.measure, f.subject, f.layer) for f in audit.findings]
    assert found == [
        *(("weat_effect_size", "jobs-doings", layer) for layer in ("input", "1", "last")),
        *(("projection_correlation", "jobs", layer) for layer in ("input", "last")),
    ]
    assert all(f.estimate is not None and f.p is not None for f in audit.findings)
    table = words.table("embeddings")
    assert len(table) == 3 * 8 + 2 * 6
    assert table["value"].notna().all()
    page = (words.path / "report.html").read_text(encoding="utf-8")
    assert "jobs-doings" in page


def test_embeddings_are_decided_again_without_the_model(words: RunFolder) -> None:
    before = words.audit
    again = gate_again(words.path, None).audit
    assert again.findings == before.findings
    assert again.gate == before.gate


def test_the_command_tells_the_tests_of_embeddings(
    words: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["gate", str(words.path)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "jobs-doings input jobs/doings d " in said
    assert "jobs last she/he rho " in said
    assert "5 of 5 tests of embeddings made" in said


def test_a_suite_with_pairs_and_associations_needs_the_probe(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = EMBEDDING_SUITE[EMBEDDING_SUITE.index("associations:") :].split("projections:")[0]
    from tests.tiny_suite import SUITE

    file = write_suite(tmp_path, SUITE + both)
    arguments = ["run", str(file), "--model", str(tiny_folder), "--out", str(tmp_path / "run"), "--json"]
    capsys.readouterr()
    main([*arguments, "--probes", "likelihood"])
    capsys.readouterr()
    (survey,) = open_run(tmp_path / "run").audit.coverage.surveys
    assert (survey.probe, survey.planned, survey.measured, survey.failed, survey.reason) == (
        *("embedding", 3, 0, False),
        "no probe of this run makes them",
    )
    assert json.loads(json.dumps(survey.model_dump()))["asked"] is True


def test_a_word_without_a_vector_makes_the_run_incomplete(tmp_path: Path) -> None:
    """The row of *told* is 0: it has no direction, and only that association is lost."""
    import torch

    net = tiny.network("llama")
    with torch.no_grad():
        net.get_input_embeddings().weight[tokenizer().convert_tokens_to_ids("told")] = 0.0
    net.save_pretrained(tmp_path / "model")
    tokenizer().save_pretrained(tmp_path / "model")
    suite = load_suite(
        write_suite(tmp_path, EMBEDDING_SUITE.replace("[input, 1, last]", "[input]"), "w.yaml")
    )
    config = load_config("quick")[0].model_copy(update={"probes": ("embedding",)})
    run = run_audit(Request((suite,), str(tmp_path / "model"), config, tmp_path / "run"), Watcher(quiet=True))
    assert run.audit.verdict is Verdict.ERROR
    assert run.audit.gate.why == (
        "1 of 3 surveys of the probe 'embedding' were not made (tiny-words: jobs-doings: a word's vector is 0 or "
        "not finite, so it has no direction); an incomplete run never passes."
    )
    assert {finding.subject for finding in run.audit.findings} == {"jobs"}
