"""Bad input ends with one line that says where and what, the contract's exit code, and nothing written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from audit import ray_worker
from tests.conftest import Told
from tests.tiny_suite import SUITE, write_suite

KEYS = (
    "arms, associations, axis, controls, description, hazard, items, language, license, lists, pairs, "
    "projections, prompt, sources, suite, "
    "task, templates or version"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "arms:\n",
            "arms: [\n",
            "12: not valid YAML: expected the node content, but found '-' while parsing a flow node",
        ),
        (
            "license:",
            "licence:",
            f"5: licence: unknown key 'licence'; expected {KEYS}; did you mean 'license'?",
        ),
        (
            "{id: she, group: female, ",
            "{id: she, ",
            "12: arms[0].group: required key is missing; expected what the arm stands for, such as female",
        ),
        (
            "candidates: [doctor, nurse]}\n    stereotype: {she: nurse, ",
            "candidates: [doctor, pilot]}\n    stereotype: {she: pilot, ",
            "38: pairs[0].mentions.candidates: the mention 'pilot' is not in the text (got 'The doctor asked "
            "the nurse a question. She'); expected it exactly once",
        ),
        (
            'question. He"\n    mentions: {pronoun: [She, He]',
            'question. She"\n    mentions: {pronoun: [She, She]',
            "36: pairs[0].she: arms 'she' and 'he' write the same text (got 'The doctor asked the nurse a "
            "question. She'); expected two texts that differ",
        ),
        (
            "{job.2}. {Pronoun} told the",
            "{job.2} {place}. {Pronoun} told the",
            "23: templates[1].text: slot {place} has no value; expected a value in arm 'she' or an item, or "
            "one of Pronoun, job.1 or job.2",
        ),
        (
            SUITE[SUITE.index("lists:") :],
            "",
            "1: the suite is empty; expected 'templates' or 'pairs' with at least one entry",
        ),
        (SUITE, "", "1: the file is empty; expected YAML"),
    ],
    ids=[
        "yaml",
        "unknown-key",
        "no-group",
        "no-mention",
        "equal-texts",
        "no-slot-value",
        "no-pairs",
        "empty",
    ],
)
def test_a_faulty_suite_is_told_with_its_line(
    told: Told, tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert SUITE.count(old) == 1
    write_suite(tmp_path, SUITE.replace(old, new))
    assert told("run", "jobs.yaml", "--model", "none", "--out", "run") == f"jobs.yaml:{message}"


def test_a_suite_that_is_not_there(told: Told) -> None:
    assert told("run", "absent.yaml", "--model", "none") == "absent.yaml: no such file or directory"


def test_every_fault_of_a_suite_is_told_at_once(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE.replace("version: 1", "version: one").replace("axis:", "axes:"))
    assert told("run", "jobs.yaml", "--model", "none").splitlines() == [
        "jobs.yaml:1: axis: required key is missing; expected the protected attribute, such as gender",
        "jobs.yaml:2: version: wrong type (got 'one'); expected a whole number",
        f"jobs.yaml:3: axes: unknown key 'axes'; expected {KEYS}; did you mean 'axis'?",
    ]


def test_suites_that_cannot_be_told_apart(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path)
    write_suite(tmp_path, SUITE.replace("suite: tiny-jobs", "suite: other"), "other.yaml")
    assert told("run", "jobs.yaml", "jobs.yaml", "--model", "none") == (
        "jobs.yaml: two suites have the same name; expected each suite once"
    )
    assert told("run", "jobs.yaml", "other.yaml", "--model", "none") == (
        "other.yaml:22: the pair id 'asked.nurse-doctor.o0.she-he' is also in the suite 'tiny-jobs'; "
        "expected ids that differ"
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--limit", "0", "--limit: out of range (got 0); expected at least 1"),
        ("--workers", "0", "--workers: out of range (got 0); expected at least 1"),
        ("--engine", "dask", "--engine: unknown engine 'dask'; expected local or ray"),
        (
            "--shard",
            "5/4",
            "--shard: not a shard (got '5/4'); expected i/N with i from 1 to N, such as 2/4",
        ),
        ("--batch-size", "0", "--batch-size: Input should be greater than or equal to 1 (got 0)"),
        ("--seed", "-1", "--seed: Input should be greater than or equal to 0 (got -1)"),
        ("--detail", "-1", "--detail: Input should be greater than or equal to 0 (got -1)"),
        (
            "--dtype",
            "int8",
            "--dtype: Input should be 'float32', 'bfloat16', 'float16' or 'auto' (got 'int8')",
        ),
        (
            "--probes",
            "likelihood, atention",
            "--probes: unknown probe 'atention'; expected ablation, attention, causal, classification, embedding, "
            "generation, likelihood, masked, patterns, question-answering or translation; did you mean 'attention'?",
        ),
        (
            "--probes",
            "",
            "--probes: unknown probe ''; expected ablation, attention, causal, classification, embedding, "
            "generation, likelihood, masked, patterns, question-answering or translation",
        ),
        (
            "--config",
            "quik",
            "no such config (got 'quik'); expected ci, quick or release, or a YAML file; "
            "did you mean 'quick'?",
        ),
        ("--config", "absent.yaml", "absent.yaml: no such file or directory"),
    ],
)
def test_a_wrong_option_is_told(told: Told, tmp_path: Path, option: str, value: str, message: str) -> None:
    write_suite(tmp_path)
    assert told("run", "jobs.yaml", "--model", "none", option, value) == message


def test_a_wrong_config_is_told_with_its_line(told: Told, tmp_path: Path) -> None:
    write_suite(tmp_path)
    arguments = ("run", "jobs.yaml", "--model", "none", "--config", "gate.yaml")
    (tmp_path / "gate.yaml").write_text(
        "preset: mine\nprobes:\n  - attention\n  - likelyhood\n", encoding="utf-8"
    )
    assert told(*arguments) == (
        "gate.yaml:4: probes[1]: unknown probe 'likelyhood'; expected ablation, attention, causal, "
        "classification, embedding, generation, likelihood, masked, patterns, question-answering or translation; "
        "did you mean 'likelihood'?"
    )
    (tmp_path / "gate.yaml").write_text("preset: mine\nq: 0\n", encoding="utf-8")
    assert told(*arguments) == "gate.yaml:2: q: out of range (got 0); expected more than 0.0"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("thesis", "thesis: holds files that are not a run; choose another folder with --out"),
        ("thesis/all.txt", "thesis/all.txt: is a file; expected a folder for the run"),
        (
            "thesis/all.txt/run",
            "thesis/all.txt/run: cannot be written (Not a directory); choose another --out",
        ),
    ],
)
def test_a_run_folder_that_cannot_be_used(told: Told, tmp_path: Path, out: str, message: str) -> None:
    write_suite(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "all.txt").write_text("years of work", encoding="utf-8")
    assert told("run", "jobs.yaml", "--model", "none", "--out", out) == message


def test_a_run_folder_in_a_place_that_cannot_be_written(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the refusal comes from the system call itself."""
    write_suite(tmp_path)

    def refuse(*given: object, **named: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    assert told("run", "jobs.yaml", "--model", "none", "--out", "locked/run") == (
        "locked/run: cannot be written (Permission denied); choose another --out"
    )


@pytest.mark.parametrize(
    ("task", "head"),
    [
        ("masked", "masked-lm"),
        ("classification", "sequence-classification"),
        ("question-answering", "question-answering"),
        ("translation", "seq2seq-lm"),
    ],
)
def test_a_task_that_the_model_cannot_be_asked_is_refused(
    told: Told, tmp_path: Path, tiny_folder: Path, task: str, head: str
) -> None:
    write_suite(tmp_path, SUITE.replace("task: coreference", f"task: {task}"))
    assert told("run", "jobs.yaml", "--model", str(tiny_folder), "--quiet") == (
        f"jobs.yaml:4: task: '{task}' needs a model with the head '{head}'; {tiny_folder} has 'causal-lm'"
    )


def test_ray_that_is_not_installed(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(tmp_path)
    monkeypatch.setattr(ray_worker, "find_spec", lambda name: None)
    assert told("run", "jobs.yaml", "--model", "none", "--engine", "ray") == (
        "--engine ray: Ray is not installed; expected it: pip install 'evenhand[ray]'"
    )
